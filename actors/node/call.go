package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/room"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// roomCall is an event for a room from outside any connection.
type roomCall struct {
	id      uint64
	room    actors.RoomRef
	event   string
	payload actors.Raw
	op      any // for a gateway's room, instead of event and payload
	from    *actor.PID
	node    string // the node that asks, with its id; empty: from does
}

// errMoved answers a call whose room is somewhere else.
var errMoved = room.ErrMoved

type callResult struct {
	id     uint64
	room   actors.RoomRef
	result actors.Raw
	done   *wire.HubDone // of an op
	moves  *wire.Session // of an op
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
func (t *callTable) receive(msg any, done func(*callResult)) {
	switch msg := msg.(type) {
	case *located:
		t.routes.located(msg)
	case *unreachable:
		if msg.err == nil {
			t.routes.asleep(msg.room)
			return
		}
		t.routes.drop(msg.room)
		for id, c := range t.pending {
			if c.room == msg.room {
				delete(t.pending, id)
				done(&callResult{id: id, room: msg.room, err: msg.err})
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
	case nodeLost:
		t.routes.lost(msg.node)
	case *callResult:
		c := t.pending[msg.id]
		if c == nil {
			return
		}
		if msg.err == errMoved {
			t.routes.mislead(msg.room)
			t.routes.forget(msg.room)
			t.routes.send(c.room, c)
			return
		}
		t.end(c)
		done(msg)
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
	if !isHub(c.room) { // the directory says when a hub has gone
		t.routes.forget(c.room)
	}
}

// hubSend is an emit for a gateway's room that nobody waits for.
type hubSend struct {
	room actors.RoomRef
	emit *wire.HubEmit
}

// caller is the actor behind Node.Call, and behind everything that gateways
// tell the rooms of its shard.
type caller struct {
	node    *Node
	out     callTable
	waiting map[uint64]chan<- *callResult
	held    holds
}

type startCall struct {
	*roomCall
	answer chan<- *callResult // buffered; nil if nobody waits
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
		if msg.answer != nil {
			c.waiting[msg.id] = msg.answer
		}
		c.out.call(msg.roomCall)
	case endCall:
		delete(c.waiting, msg.id)
		if pending := c.out.pending[msg.id]; pending != nil {
			c.out.end(pending)
		}
	case nodeLost:
		rooms := c.out.routes.lost(msg.node)
		for _, room := range rooms {
			if isHub(room) {
				c.node.send(c.node.shards[c.node.shardOf(room)], deserts{room})
			}
		}
		c.node.reenter(rooms)
	case *located:
		c.out.receive(msg, c.answered)
		c.located(msg.room)
	case *unreachable:
		c.unreachable(msg)
	case *callResult, *actor.DeadLetterResponse:
		c.out.receive(msg, c.answered)
	case *hubSend:
		c.emit(msg.room, msg.emit, false)
	case *hubMoved:
		c.out.routes.forgetAt(msg.room, msg.pid, msg.node)
		c.emit(msg.room, msg.emit, msg.wakes)
	case askAgain:
		c.out.routes.askAgain(msg.room)
	case giveUp:
		c.giveUp(slices.Collect(maps.Keys(c.held.rooms)))
		msg.done <- struct{}{} // buffered
	case forgotten:
		if msg.pid == nil {
			c.out.routes.forget(msg.room)
		} else {
			c.out.routes.forgetAt(msg.room, msg.pid, "")
		}
	}
}

// answered hands an answer to whoever waits for it.
func (c *caller) answered(r *callResult) {
	if answer := c.waiting[r.id]; answer != nil {
		delete(c.waiting, r.id)
		answer <- r
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
	a, err := n.request(ctx, &roomCall{room: ref, event: event, payload: raw})
	if err != nil {
		return err
	}
	if result == nil {
		return nil
	}
	value := actors.Raw{JSON: json.RawMessage("null"), Attachments: a.result.Attachments}
	if elems, err := rawjson.Split(a.result.JSON); err == nil && len(elems) > 0 {
		value.JSON = elems[0]
	}
	return value.Decode(result)
}

// request sends c and waits for the answer.
func (n *Node) request(ctx context.Context, c *roomCall) (*callResult, error) {
	if n.stopping.Load() && c.op == nil {
		return nil, actors.Errorf(actors.CodeUnavailable, "the node is stopping")
	}
	answer := make(chan *callResult, 1)
	c.id = n.callID.Add(1)
	caller := n.callers[n.shardOf(c.room)]
	n.send(caller, &startCall{c, answer})
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, a.err
		}
		return a, nil
	case <-ctx.Done():
		n.send(caller, endCall{c.id})
		return nil, fmt.Errorf("call %v %s: %w", c.room, c.event, ctx.Err())
	case <-n.ctx.Done():
		return nil, actors.Errorf(actors.CodeUnavailable, "the node has stopped")
	}
}
