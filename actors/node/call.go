package node

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/room"
)

// roomCall is an event for a room from outside any connection.
type roomCall struct {
	id      uint64
	room    actors.RoomRef
	event   string
	payload actors.Raw
	from    *actor.PID
}

type callResult struct {
	id     uint64
	room   actors.RoomRef
	result actors.Raw
	err    *actors.Error
}

// callTable holds the calls of one actor that wait for their answers.
type callTable struct {
	routes  router
	pending map[uint64]*roomCall
}

func newCallTable(n *Node, self *actor.PID) callTable {
	return callTable{router{node: n, self: self}, make(map[uint64]*roomCall)}
}

func (t *callTable) call(c *roomCall) {
	t.pending[c.id] = c
	t.routes.send(c.room, c)
}

// receive takes what concerns calls and passes answers on.
func (t *callTable) receive(msg any, done func(uint64, actors.Raw, *actors.Error)) {
	switch msg := msg.(type) {
	case *located:
		t.routes.located(msg)
	case *unreachable:
		t.routes.drop(msg.room)
		for id, c := range t.pending {
			if c.room == msg.room {
				delete(t.pending, id)
				done(id, actors.Raw{}, msg.err)
			}
		}
	case *actor.DeadLetterResponse:
		if ref, ok := t.routes.at(msg.Target); ok {
			t.routes.forget(ref)
			for _, c := range t.pending {
				if c.room == ref {
					t.routes.send(ref, c)
				}
			}
		}
	case *callResult:
		c := t.pending[msg.id]
		if c == nil {
			return
		}
		if msg.err == room.ErrMoved {
			t.routes.forget(msg.room)
			t.routes.send(c.room, c)
			return
		}
		t.end(c)
		done(msg.id, msg.result, msg.err)
	}
}

// end forgets a call, and where its room is once no call needs it.
func (t *callTable) end(c *roomCall) {
	delete(t.pending, c.id)
	for _, other := range t.pending {
		if other.room == c.room {
			return
		}
	}
	t.routes.forget(c.room)
}

// caller is the actor behind Node.Call.
type caller struct {
	node    *Node
	out     callTable
	waiting map[uint64]chan<- *callResult
}

type startCall struct {
	*roomCall
	answer chan<- *callResult // buffered
}

type endCall struct{ id uint64 }

func newCaller(n *Node) *caller {
	return &caller{node: n, waiting: make(map[uint64]chan<- *callResult)}
}

// Receive implements actor.Actor.
func (c *caller) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		c.out = newCallTable(c.node, ctx.Self())
	case *startCall:
		msg.from = ctx.Self()
		c.waiting[msg.id] = msg.answer
		c.out.call(msg.roomCall)
	case endCall:
		delete(c.waiting, msg.id)
		if pending := c.out.pending[msg.id]; pending != nil {
			c.out.end(pending)
		}
	case *located, *unreachable, *callResult, *actor.DeadLetterResponse:
		c.out.receive(msg, func(id uint64, result actors.Raw, err *actors.Error) {
			if answer := c.waiting[id]; answer != nil {
				delete(c.waiting, id)
				answer <- &callResult{id: id, result: result, err: err}
			}
		})
	}
}

// Call sends an event to a room, waking it if need be, and waits for its
// answer, which is decoded into result unless that is nil. It blocks until the
// answer, an error or the end of ctx; in the last case the event may still
// take effect. The handler sees the zero Member. It returns ErrTurnContext if
// ctx belongs to a turn, and an *actors.Error if the room answered with one.
func (n *Node) Call(ctx context.Context, ref actors.RoomRef, event string, payload, result any) error {
	if actors.InTurn(ctx) {
		return actors.ErrTurnContext
	}
	raw, err := actors.EncodeArgs(nil, payload)
	if err != nil {
		return fmt.Errorf("call %v %s: %w", ref, event, err)
	}
	if n.stopping.Load() {
		return actors.Errorf(actors.CodeUnavailable, "the node is stopping")
	}
	answer := make(chan *callResult, 1)
	id := n.callID.Add(1)
	n.send(n.caller, &startCall{&roomCall{id: id, room: ref, event: event, payload: raw}, answer})
	select {
	case a := <-answer:
		if a.err != nil {
			return a.err
		}
		if result == nil {
			return nil
		}
		value := actors.Raw{JSON: json.RawMessage("null"), Attachments: a.result.Attachments}
		if elems, err := rawjson.Split(a.result.JSON); err == nil && len(elems) > 0 {
			value.JSON = elems[0]
		}
		return value.Decode(result)
	case <-ctx.Done():
		n.send(n.caller, endCall{id})
		return fmt.Errorf("call %v %s: %w", ref, event, ctx.Err())
	case <-n.ctx.Done():
		return actors.Errorf(actors.CodeUnavailable, "the node has stopped")
	}
}
