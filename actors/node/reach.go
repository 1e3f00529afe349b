package node

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// How gateways reach clients wherever they are. A client's id begins with the
// id of its node.

const nodeIDLen = 8

// isClientID reports whether a room's name may be the id of a client.
func isClientID(name string) bool { return len(name) == nodeIDLen+22 }

func (n *Node) isHere(client string) bool {
	_, here := n.clients.Load(client)
	return here
}

// nodeOf returns the node where the client that a room's name is the id of is
// here, or began; empty if it is not one of a living node.
func (n *Node) nodeOf(name string) string {
	if !isClientID(name) {
		return ""
	}
	if n.isHere(name) {
		return n.id
	}
	if id := name[:nodeIDLen]; id == n.id || n.peer(id) != nil {
		return id
	}
	return ""
}

// deliverGateTo hands items to the fan-out of a node, behind those before.
func (n *Node) deliverGateTo(node string, d *wire.GateDeliver) {
	if node == n.id {
		n.deliverGate(d, receipt{})
		return
	}
	class := actors.Volatile
	for _, item := range d.Items {
		if e, ok := item.(wire.GateEmit); !ok || !e.Volatile {
			class = actors.Reliable
		}
	}
	n.toPeer(node, link.Data, class, d)
}

// deliverGate hands items to the shards of this node that they concern.
// Clients answer what another node asks them under ids of this one.
func (n *Node) deliverGate(d *wire.GateDeliver, r receipt) {
	for i, item := range d.Items {
		if e, ok := item.(wire.GateEmit); ok && e.AskID != 0 && e.From != n.id {
			e.AskID = n.asks.forward(origin{e.From, e.AskID}, e.AskFor)
			d.Items[i] = e
		}
	}
	d.Prepare()
	if len(d.Items) == 1 {
		if e, ok := d.Items[0].(wire.GateEmit); ok && e.Scope == wire.ScopeClient {
			n.send(n.gateShard(e.Room).pid, &gateDelivery{d, r})
			return
		}
	}
	for i, f := range n.fans {
		if i == 0 {
			n.send(f.pid, &gateDelivery{d, r})
		} else {
			n.send(f.pid, d)
		}
	}
}

// reenter takes the local clients of gateways' rooms into them once more,
// wherever the rooms are then.
func (n *Node) reenter(rooms []actors.RoomRef) {
	for _, ref := range rooms {
		if !isHub(ref) {
			continue
		}
		namespace := strings.TrimPrefix(ref.Kind, "@")
		n.clients.Range(func(_, v any) bool {
			if c := v.(*client); c.details.Namespace == namespace {
				if c.entry(ref.ID) != nil {
					n.send(c.shard.pid, &again{c, ref.ID}) // which knows what it was sent
				}
			}
			return true
		})
	}
}

// again has a client enter a room once more.
type again struct {
	client *client
	room   string
}

func (a *fan) again(m *again) {
	if e := m.client.entry(m.room); e != nil {
		e.Had = a.gate.Had(m.client.details.Namespace, m.client.id, m.room)
		a.node.tellHub(m.client.details.Namespace, m.room, e)
	}
}

// nodeOp does what another node asks of this one.
func (n *Node) nodeOp(ctx context.Context, id uint64, op wire.NodeOp) *wire.Answer {
	a := &wire.Answer{ID: id}
	switch op := op.(type) {
	case *wire.RoomHere:
		a.Moved = !n.hasRoom(ctx, op.Room)
	case *wire.ClientsList:
		a.Done = &wire.HubDone{Members: n.localClients(op)}
	case *wire.ClientsMove:
		for _, c := range n.local(op.Namespace, op.IDs) {
			if err := c.move(ctx, op.Join, op.Leave); err != nil && a.Err == nil {
				a.Err = actors.AsError(err)
			}
		}
	case *wire.ClientsEnd:
		for _, c := range n.local(op.Namespace, op.IDs) {
			c.Disconnect(op.Close)
		}
	case *wire.ClientTake:
		a.Moves = n.takeFrom(ctx, op)
	case *wire.ClientHand:
		a.Moves = n.handOver(ctx, op)
	case *wire.ServerEvent:
		a.Result, a.Err = n.serverEvent(ctx, op)
	}
	return a
}

func (n *Node) serverEvent(ctx context.Context, op *wire.ServerEvent) (result actors.Raw, failed *actors.Error) {
	g := n.gateway(op.Namespace)
	if g == nil {
		return actors.Raw{}, actors.Errorf(actors.CodeUnknownNamespace, "this node does not serve %s", clip(op.Namespace))
	}
	defer func() {
		if v := recover(); v != nil {
			n.log.Error("gateway's server handler panicked", "namespace", op.Namespace, "event", op.Event, "panic", v)
			failed = actors.Errorf(actors.CodeInternal, "internal error")
		}
	}()
	elems, err := rawjson.Split(op.Args.JSON)
	if err == nil {
		result, err = g.behavior.Server(ctx, op.Event, actors.Args{List: elems, Attachments: op.Args.Attachments})
	}
	return result, actors.AsError(err)
}

// local returns the clients of a namespace that are here of those named.
func (n *Node) local(namespace string, ids []string) (found []*client) {
	for _, id := range ids {
		if v, ok := n.clients.Load(id); ok && v.(*client).details.Namespace == namespace {
			found = append(found, v.(*client))
		}
	}
	return found
}

func (n *Node) localClients(q *wire.ClientsList) (infos []actors.ClientInfo) {
	if !q.All {
		for _, c := range n.local(q.Namespace, q.IDs) {
			infos = append(infos, c.info())
		}
		return infos
	}
	n.clients.Range(func(_, v any) bool {
		if c := v.(*client); c.details.Namespace == q.Namespace && c.accepted() {
			infos = append(infos, c.info())
		}
		return true
	})
	return infos
}

// clientsOf asks one node for clients.
func (n *Node) clientsOf(ctx context.Context, node string, q *wire.ClientsList) ([]actors.ClientInfo, error) {
	if node == n.id {
		return n.localClients(q), nil
	}
	r, err := n.askNode(ctx, node, q)
	if err != nil || r.done == nil {
		return nil, err
	}
	return r.done.Members, nil
}

// clientsEverywhere asks every node for the clients of a namespace.
func (n *Node) clientsEverywhere(ctx context.Context, namespace string) ([]actors.ClientInfo, error) {
	q := &wire.ClientsList{Namespace: namespace, All: true}
	all := n.localClients(q)
	err := n.ofOthers(func(node string) (func(), error) {
		infos, err := n.clientsOf(ctx, node, q)
		return func() { all = append(all, infos...) }, err
	})
	return all, err
}

// ofOthers calls f for every other node at once, and what it returns one after
// the other. A node that has gone meanwhile counts as none.
func (n *Node) ofOthers(f func(node string) (take func(), err error)) error {
	var mu sync.Mutex
	var errs []error
	var calls sync.WaitGroup
	for _, node := range n.others() {
		calls.Go(func() {
			take, err := f(node)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				take()
			case n.peer(node) != nil:
				errs = append(errs, err)
			}
		})
	}
	calls.Wait()
	return errors.Join(errs...)
}

// ServerEmit implements actors.GatewayHost.
func (g *gateway) ServerEmit(ctx context.Context, namespace, event string, args actors.Raw) ([]json.RawMessage, error) {
	n := g.node
	var answers []json.RawMessage
	err := n.ofOthers(func(node string) (func(), error) {
		r, err := n.askNode(ctx, node, &wire.ServerEvent{Namespace: namespace, Event: event, Args: args})
		if e := actors.AsError(err); e != nil && e.Code == actors.CodeUnknownNamespace {
			return func() {}, nil
		}
		if err != nil {
			return nil, err
		}
		elems, err := rawjson.Split(r.result.JSON)
		if err != nil || len(elems) == 0 {
			elems = []json.RawMessage{json.RawMessage("null")}
		}
		return func() { answers = append(answers, elems[0]) }, nil
	})
	return answers, err
}
