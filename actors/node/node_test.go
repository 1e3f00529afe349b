package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// counter is a room with something durable, something plain and faults.
type counter struct {
	Total actors.Value[int] `room:"total,durable,synced"`
	turns int               // plain: lost when the room leaves memory
}

func (c *counter) Add(_ *actors.Turn, n int) (int, error) {
	c.turns++
	c.Total.Set(c.Total.Get() + n)
	return c.Total.Get(), nil
}

func (c *counter) Turns(*actors.Turn, struct{}) (int, error) { return c.turns, nil }

func (c *counter) Boom(*actors.Turn, struct{}) (int, error) { panic("boom") }

func (c *counter) Slow(t *actors.Turn, _ struct{}, ack actors.Ack[string]) {
	t.Go(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, func(t *actors.Turn, err error) { ack.Fail(t, err) })
}

// Sum asks another counter and answers with both.
func (c *counter) Sum(t *actors.Turn, other string, ack actors.Ack[string]) {
	t.Call(actors.RoomRef{Kind: "counter", ID: other}, "add", 1, 0, func(t *actors.Turn, value actors.Raw, err error) {
		if err != nil {
			ack.Fail(t, err)
			return
		}
		ack.Reply(t, fmt.Sprintf("%d+%s", c.Total.Get(), value.JSON))
	})
}

func counters(c actors.KindConfig) *actors.Kind[counter] {
	k := actors.NewKind("counter", func() *counter { return new(counter) }, c)
	actors.OnAck(k, "add", (*counter).Add)
	actors.OnAck(k, "turns", (*counter).Turns)
	actors.OnAck(k, "boom", (*counter).Boom)
	actors.OnLater(k, "slow", (*counter).Slow)
	actors.OnLater(k, "sum", func(c *counter, t *actors.Turn, in string, ack actors.Ack[string]) { c.Sum(t, in, ack) })
	return k
}

func room(id string) actors.RoomRef { return actors.RoomRef{Kind: "counter", ID: id} }

func TestCallRunsATurnAndReturnsItsAnswer(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{})}})
	var total int
	for range 3 {
		if err := n.Call(t.Context(), room("a"), "add", 2, &total); err != nil {
			t.Fatal(err)
		}
	}
	if total != 6 {
		t.Errorf("total %d, want 6", total)
	}
	for name, want := range map[string]struct {
		ref   actors.RoomRef
		event string
		with  any
		code  actors.Code
	}{
		"unknown event":   {room("a"), "nosuch", 1, actors.CodeUnknownEvent},
		"bad payload":     {room("a"), "add", "x", actors.CodeBadPayload},
		"unknown kind":    {actors.RoomRef{Kind: "nosuch", ID: "a"}, "add", 1, actors.CodeBadRoom},
		"malformed id":    {room("a b"), "add", 1, actors.CodeBadRoom},
		"panicking event": {room("a"), "boom", nil, actors.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			var e *actors.Error
			if err := n.Call(t.Context(), want.ref, want.event, want.with, nil); !errors.As(err, &e) || e.Code != want.code {
				t.Errorf("got %v, want %s", err, want.code)
			}
		})
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{})}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := n.Call(ctx, room("a"), "slow", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestRoomsCallEachOtherWithoutWaiting(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{})}})
	var wg sync.WaitGroup
	for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}, {"a", "a"}} {
		wg.Go(func() {
			var sum string
			if err := n.Call(t.Context(), room(pair[0]), "sum", pair[1], &sum); err != nil || !strings.Contains(sum, "+") {
				t.Errorf("%v: %q, %v", pair, sum, err)
			}
		})
	}
	wg.Wait()
}

func TestAnEmptyRoomLeavesMemoryAndComesBackWithWhatIsDurable(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{IdleAfter: time.Millisecond})}})
	var total, turns int
	if err := n.Call(t.Context(), room("a"), "add", 5, nil); err != nil {
		t.Fatal(err)
	}
	until(t, "room leaves memory", func() bool { return n.Stats().Rooms == 0 })
	if err := n.Call(t.Context(), room("a"), "turns", nil, &turns); err != nil || turns != 0 {
		t.Errorf("plain field after waking: %d, %v", turns, err)
	}
	if err := n.Call(t.Context(), room("a"), "add", 1, &total); err != nil || total != 6 {
		t.Errorf("durable field after waking: %d, %v", total, err)
	}
}

// TestNoCallIsLostWhileRoomsComeAndGo calls rooms that retire all the time:
// every call must find an activation, and every addition must count.
func TestNoCallIsLostWhileRoomsComeAndGo(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{IdleAfter: time.Millisecond})}})
	const callers, calls, rooms = 8, 200, 4
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range calls {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if err := n.Call(ctx, room(fmt.Sprint(i%rooms)), "add", 1, nil); err != nil {
					t.Errorf("caller %d, call %d: %v", c, i, err)
				}
				cancel()
				if i%3 == 0 {
					<-time.After(time.Duration(i%5) * time.Millisecond) // around the idle deadline
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for r := range rooms {
		var total int
		if err := n.Call(t.Context(), room(fmt.Sprint(r)), "add", 0, &total); err != nil {
			t.Fatal(err)
		}
		sum += total
	}
	if sum != callers*calls {
		t.Errorf("%d additions counted, %d were answered", sum, callers*calls)
	}
}

func TestMembersJoinRoomsThatAreRetiring(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{IdleAfter: time.Millisecond})}})
	p := connect(t, n)
	for i := range 50 {
		ns := "/counter/x"
		p.send(actors.PacketConnect, ns, "")
		until(t, fmt.Sprintf("admission %d", i), func() bool { return len(p.find(actors.PacketConnect, ns, "sid")) == i+1 })
		p.send(actors.PacketDisconnect, ns, "")
		<-time.After(time.Duration(i%4) * time.Millisecond) // around the idle deadline
	}
}

func TestAPanicConcernsOneTurnOnly(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{})}})
	ada, bob := connect(t, n), connect(t, n)
	ada.enter("/counter/a", "")
	bob.enter("/counter/b", "")
	ada.send(actors.PacketEvent, "/counter/a", `["add",1]`, 1)
	for id := range uint64(20) {
		ada.send(actors.PacketEvent, "/counter/a", `["boom"]`, 100+id)
	}
	bob.send(actors.PacketEvent, "/counter/b", `["add",7]`, 1)
	if got := string(bob.await(actors.PacketAck, "/counter/b", "").Data); got != "[7]" {
		t.Errorf("the neighbour was answered %s", got)
	}
	until(t, "every panic is answered", func() bool { return len(ada.find(actors.PacketAck, "/counter/a", "error")) == 20 })
	until(t, "the room goes on with its durable state", func() bool {
		ada.send(actors.PacketEvent, "/counter/a", `["add",0]`, 500)
		return len(ada.find(actors.PacketAck, "/counter/a", "[1]")) > 1
	})
	if ada.reason() != "" {
		t.Errorf("the member's socket was closed: %s", ada.reason())
	}
}

func TestEventsOfAMemberRunInTheOrderItSentThem(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{})}, Limits: node.NoLimits()})
	p := connect(t, n)
	p.enter("/counter/a", "")
	const events, atOnce = 2000, 500 // a room lets 1,024 turns wait for its store, and says unavailable to more
	for i := range uint64(events) {
		p.send(actors.PacketEvent, "/counter/a", `["add",1]`, i)
		if (i+1)%atOnce == 0 {
			until(t, "every event is answered", func() bool { return len(p.find(actors.PacketAck, "/counter/a", "")) == int(i+1) })
		}
	}
	for i, ack := range p.find(actors.PacketAck, "/counter/a", "") {
		if ack.ID != uint64(i) || string(ack.Data) != fmt.Sprintf("[%d]", i+1) {
			t.Fatalf("answer %d: id %d, %s", i, ack.ID, ack.Data)
		}
	}
}

func TestViolationsCloseTheConnection(t *testing.T) {
	for name, send := range map[string]func(*peer){
		"event before CONNECT": func(p *peer) { p.send(actors.PacketEvent, "/counter/z", `["add",1]`) },
		"second CONNECT":       func(p *peer) { p.send(actors.PacketConnect, "/counter/a", "") },
		"CONNECT_ERROR":        func(p *peer) { p.send(actors.PacketConnectError, "/counter/a", "{}") },
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{})}})
			p := connect(t, n)
			p.enter("/counter/a", "")
			send(p)
			until(t, "closed", func() bool { return p.reason() == actors.ReasonProtocolError })
		})
	}
}

func TestLimitsOfANode(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{})}, MaxConnections: 1, MaxNamespaces: 2})
	p := connect(t, n)
	p.enter("/counter/a", "")
	p.enter("/counter/b", "")
	p.send(actors.PacketConnect, "/counter/c", "")
	p.await(actors.PacketConnectError, "/counter/c", "too_large")
	_, err := n.Accept(&peer{t: t}, &actors.Handshake{})
	var e *actors.Error
	if !errors.As(err, &e) || e.Code != actors.CodeOverloaded {
		t.Errorf("a connection beyond the limit: %v", err)
	}
}

func TestStoppingTellsEverybody(t *testing.T) {
	n, err := node.New(node.Config{Kinds: []actors.Behavior{counters(actors.KindConfig{ResumeWithin: time.Hour})}})
	if err != nil {
		t.Fatal(err)
	}
	p := connect(t, n)
	p.enter("/counter/a", "")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := n.Run(ctx); err != nil {
		t.Error(err)
	}
	if p.reason() != actors.ReasonShutdown {
		t.Errorf("closed for %q, want shutdown", p.reason())
	}
	if s := n.Stats(); s.Rooms != 0 || s.Connections != 0 {
		t.Errorf("left behind: %+v", s)
	}
	var e *actors.Error
	if err := n.Call(context.Background(), room("a"), "add", 1, nil); !errors.As(err, &e) || e.Code != actors.CodeUnavailable {
		t.Errorf("a call after the end: %v", err)
	}
}

func TestMistakesInTheConfigurationAreErrors(t *testing.T) {
	bad := actors.NewKind("Bad Name", func() *counter { return new(counter) }, actors.KindConfig{})
	for name, c := range map[string]node.Config{
		"kind":        {Kinds: []actors.Behavior{bad}},
		"twice":       {Kinds: []actors.Behavior{counters(actors.KindConfig{}), counters(actors.KindConfig{})}},
		"limit":       {MaxMailbox: -1},
		"gateway":     {Gateways: []actors.GatewayBehavior{actors.NewGateway[int]("nochat", actors.GatewayConfig{})}},
		"two of them": {Gateways: []actors.GatewayBehavior{actors.NewGateway[int]("/c", actors.GatewayConfig{}), actors.NewGateway[int]("/c", actors.GatewayConfig{})}},
	} {
		if _, err := node.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
