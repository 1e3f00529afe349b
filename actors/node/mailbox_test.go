package node_test

import (
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

type stuck struct{ hold chan struct{} }

// TestAMailboxIsBoundedInMessagesAndBytes holds a room up while more comes than
// may wait for it. What is beyond is answered without a turn; what is not, and
// whatever comes when it has caught up, is handled.
func TestAMailboxIsBoundedInMessagesAndBytes(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  node.Config
		size int
	}{
		"messages": {node.Config{MaxMailbox: 3}, 1},
		"bytes":    {node.Config{MaxMailboxBytes: 35_000}, 10_000},
	} {
		t.Run(name, func(t *testing.T) {
			hold := make(chan struct{})
			k := actors.NewKind("stuck", func() *stuck { return &stuck{hold} }, actors.KindConfig{})
			actors.OnAck(k, "take", func(s *stuck, _ *actors.Turn, text string) (int, error) {
				<-s.hold
				return len(text), nil
			})
			c.cfg.Kinds, c.cfg.Limits = []actors.Behavior{k}, node.NoLimits()
			n := start(t, c.cfg)
			p := connect(t, n)
			p.enter("/stuck/1", "")
			event := `["take","` + strings.Repeat("x", c.size) + `"]`
			const sent = 10
			for i := range uint64(sent) {
				p.send(actors.PacketEvent, "/stuck/1", event, i)
			}
			p.enter("/stuck/2", "") // the connection has passed the others on before it
			close(hold)
			until(t, "all are answered", func() bool { return len(p.find(actors.PacketAck, "/stuck/1", "")) == sent })
			refused := len(p.find(actors.PacketAck, "/stuck/1", `"code":"overloaded"`))
			if refused == 0 || refused > sent-3 {
				t.Errorf("%d of %d were refused", refused, sent)
			}
			p.send(actors.PacketEvent, "/stuck/1", event, sent)
			until(t, "it has caught up", func() bool { return len(p.find(actors.PacketAck, "/stuck/1", "")) == sent+1 })
			if got := len(p.find(actors.PacketAck, "/stuck/1", `"code":"overloaded"`)); got != refused {
				t.Error("what came after it had caught up was refused too")
			}
		})
	}
}
