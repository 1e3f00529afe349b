package node

import (
	"context"
	"sync"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
	"github.com/parlor-rooms/parlor/actors/internal/room"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// away are the calls that wait for an answer of another node.
type away struct {
	mu      sync.Mutex // guards the following
	pending map[uint64]*awayCall
}

type awayCall struct {
	node string
	call *roomCall
	done func(*callResult) // called once, from any goroutine; does not block
}

// open numbers a call to a node.
func (a *away) open(n *Node, c *awayCall) uint64 {
	id := n.callID.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pending == nil {
		a.pending = make(map[uint64]*awayCall)
	}
	a.pending[id] = c
	return id
}

func (a *away) take(id uint64) *awayCall {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.pending[id]
	delete(a.pending, id)
	return c
}

func (a *away) answer(msg *wire.Answer) {
	c := a.take(msg.ID)
	if c == nil {
		return
	}
	r := &callResult{result: msg.Result, done: msg.Done, moves: msg.Moves, err: msg.Err}
	if msg.Moved {
		r.err = room.ErrMoved
	}
	c.done(r)
}

// lost ends the calls to a node that is lost. What may be done twice is done
// again where the room is then.
func (a *away) lost(node string) {
	a.mu.Lock()
	var ended []*awayCall
	for id, c := range a.pending {
		if c.node == node {
			delete(a.pending, id)
			ended = append(ended, c)
		}
	}
	a.mu.Unlock()
	for _, c := range ended {
		r := &callResult{err: actors.Errorf(actors.CodeTimeout, "the node that was asked is lost; it may have taken effect")}
		if c.call != nil && repeatable(c.call.op) {
			r.err = room.ErrMoved
		}
		c.done(r)
	}
}

// repeatable reports whether an operation may be done twice.
func repeatable(op any) bool {
	switch op.(type) {
	case *wire.HubEnter, *wire.HubExit, *wire.HubList, *wire.RoomDue:
		return true
	}
	return false
}

// toRoom sends what a router holds for a room to the node that has it. It
// reports false if there is no such node.
func (n *Node) toRoom(node string, ref actors.RoomRef, msg any) bool {
	switch msg := msg.(type) {
	case *roomCall:
		c := &awayCall{node: node, call: msg, done: func(r *callResult) { n.answerCall(msg, r) }}
		id := n.away.open(n, c)
		sent := n.toPeer(node, link.Data, actors.Reliable, &wire.Call{
			ID: id, From: n.id, Room: ref, Event: msg.event, Payload: msg.payload, Op: msg.op,
		})
		if !sent {
			n.away.take(id)
		}
		return sent
	case *wire.HubEmit:
		return n.toPeer(node, link.Data, volatile(msg.Volatile), &wire.HubSend{Room: ref, Emit: *msg})
	case *wire.HubSend:
		return n.toPeer(node, link.Data, volatile(msg.Emit.Volatile), msg)
	}
	return n.toPeer(node, link.Data, actors.Reliable, msg)
}

func volatile(is bool) actors.Class {
	if is {
		return actors.Volatile
	}
	return actors.Reliable
}

// askNode asks another node about its clients and waits for the answer.
func (n *Node) askNode(ctx context.Context, node string, op wire.NodeOp) (*callResult, error) {
	answer := make(chan *callResult, 1)
	id := n.away.open(n, &awayCall{node: node, done: func(r *callResult) { answer <- r }})
	if !n.toPeer(node, link.Data, actors.Reliable, &wire.Call{ID: id, From: n.id, Op: op}) {
		n.away.take(id)
		return nil, actors.Errorf(actors.CodeNotFound, "the node is not there")
	}
	select {
	case r := <-answer:
		if r.err != nil {
			return nil, r.err
		}
		return r, nil
	case <-ctx.Done():
		n.away.take(id)
		return nil, ctx.Err()
	}
}
