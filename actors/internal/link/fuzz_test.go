package link_test

import (
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
)

// FuzzReceive: whatever a peer sends, the machine neither panics nor delivers
// more than it was sent, and works afterwards.
func FuzzReceive(f *testing.F) {
	a, _ := pair(link.Limits{Chunk: 10})
	_ = a.Send(start, link.Data, actors.Reliable, make([]byte, 25))
	_ = a.Send(start, link.Control, actors.Reliable, []byte("x"))
	a.Flush(start)
	f.Add(a.sent[0])
	f.Add([]byte{1, 1, 'a', 1, 'b', 1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, b := pair(link.Limits{Message: 1 << 16})
		_ = b.Send(start, link.Data, actors.Reliable, []byte("waits"))
		b.Flush(start)
		_ = b.Receive(start, data)
		n := 0
		for _, came := range b.came {
			for _, msg := range came {
				n += len(msg)
			}
		}
		if n > len(data) {
			t.Fatalf("%d bytes came out of %d", n, len(data))
		}
		_ = b.Receive(start, data)
		b.Flush(start)
		_ = b.Send(start, link.Control, actors.Reliable, []byte("alive"))
		b.sent = nil
		b.Flush(start)
		if len(b.sent) == 0 {
			t.Fatal("the machine sends nothing any more")
		}
	})
}
