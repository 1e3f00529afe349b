package node

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// asks are the gateway events that wait for clients' acknowledgements: those
// of this node, and those of others that have gone to clients here.
type asks struct {
	mu      sync.Mutex // guards the following
	next    uint64
	pending map[uint64]*ask
	abroad  map[origin]*ask // those of other nodes
}

// origin is an ask as the node that asks calls it.
type origin struct {
	node string
	id   uint64
}

// ask is one of them. It is complete when every hub has said where it went,
// every node whom it asked, and everybody has answered. One of another node is
// passed on to that instead, and ends with its time.
type ask struct {
	id      uint64
	abroad  origin // zero: of this node
	hubs    int    // hubs that have not said yet
	nodes   map[string]*askedNode
	missing int
	index   map[string]int
	answers []actors.ClientAnswer
	waiting []bool   // by answer
	at      []string // by answer: the node of the client
	err     error    // why there may be clients that were not asked
	done    chan struct{}
}

// askedNode is a node that clients of were asked.
type askedNode struct {
	expected int // deliveries; negative: more were reported than were expected so far
	single   int // reports of deliveries that went to one shard
	shared   int // reports of those that went to all
	shards   int
}

func (n *askedNode) complete() bool {
	return n.shared%max(n.shards, 1) == 0 && n.single+n.shared/max(n.shards, 1) == n.expected
}

func (t *asks) open() *ask {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.add(origin{})
}

// add opens an ask. mu is held.
func (t *asks) add(from origin) *ask {
	if t.pending == nil {
		t.pending, t.abroad = make(map[uint64]*ask), make(map[origin]*ask)
	}
	t.next++
	a := &ask{id: t.next, abroad: from, index: make(map[string]int), nodes: make(map[string]*askedNode), done: make(chan struct{})}
	t.pending[a.id] = a
	return a
}

func (t *asks) close(a *ask) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pending, a.id)
	delete(t.abroad, a.abroad)
}

// forward returns the id under which clients here are asked on behalf of
// another node, for as long as that waits.
func (t *asks) forward(from origin, wait time.Duration) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.abroad[from]; a != nil {
		return a.id
	}
	a := t.add(from)
	t.abroad[from] = a
	time.AfterFunc(wait, func() { t.close(a) })
	return a.id
}

// with runs f on an open ask and then sees whether it is complete.
func (t *asks) with(id uint64, f func(*ask)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.pending[id]
	if a == nil {
		return
	}
	f(a)
	if a.abroad != (origin{}) || a.hubs != 0 || a.missing != 0 {
		return
	}
	for _, n := range a.nodes {
		if !n.complete() {
			return
		}
	}
	delete(t.pending, id)
	close(a.done)
}

// expect says that hubs more have yet to say where they sent the event, and
// that nodes are going to report.
func (t *asks) expect(id uint64, hubs int, nodes ...string) {
	t.with(id, func(a *ask) {
		a.hubs += hubs
		for _, n := range nodes {
			a.node(n).expected++
		}
	})
}

func (a *ask) node(id string) *askedNode {
	n := a.nodes[id]
	if n == nil {
		n = &askedNode{}
		a.nodes[id] = n
	}
	return n
}

// asked says whom one of the shards of a node has sent an event.
func (t *asks) asked(id uint64, node string, shards int, clients []string) {
	t.with(id, func(a *ask) {
		n := a.node(node)
		if shards == 1 {
			n.single++
		} else {
			n.shared++
			n.shards = shards
		}
		for _, c := range clients {
			a.index[c] = len(a.answers)
			a.answers = append(a.answers, actors.ClientAnswer{Client: c, Err: actors.Errorf(actors.CodeTimeout, "no answer in time")})
			a.waiting = append(a.waiting, true)
			a.at = append(a.at, node)
			a.missing++
		}
	})
}

// errUnasked is the error of an ask whose question may have got lost.
var errUnasked = actors.Errorf(actors.CodeUnavailable, "not everybody may have been asked")

// unreached says that a hub was not reached, or a node that clients of were to
// be asked.
func (a *ask) unreached() { a.err = errUnasked }

// asked is told by a shard of the fan-out whom it has sent an event. A client
// that went before that was known answers here.
func (n *Node) asked(e *wire.GateEmit, clients []string) {
	shards := len(n.fans)
	if e.Scope == wire.ScopeClient {
		shards = 1
	}
	n.asks.asked(e.AskID, n.id, shards, clients)
	if from := n.asks.abroadOf(e.AskID); from != (origin{}) {
		n.toPeer(from.node, link.Control, actors.Reliable, &wire.Asked{Ask: from.id, Node: n.id, Shards: shards, Clients: clients})
	}
	for _, c := range clients {
		if _, here := n.clients.Load(c); !here {
			n.clientGone(c)
		}
	}
}

// abroadOf returns on whose behalf an ask is; the zero origin if on this
// node's.
func (t *asks) abroadOf(id uint64) origin {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.pending[id]; a != nil {
		return a.abroad
	}
	return origin{}
}

// answered takes a local client's acknowledgement, or says that there will be
// none.
func (n *Node) answered(id uint64, client string, args actors.Args, err *actors.Error) {
	from := n.asks.abroadOf(id)
	if from == (origin{}) {
		n.asks.answer(id, client, args, errorOf(err))
		return
	}
	if n.asks.answer(id, client, args, errorOf(err)) {
		n.toPeer(from.node, link.Control, actors.Reliable, &wire.Answered{Ask: from.id, Client: client, Args: args, Err: err})
	}
}

// answer takes a client's acknowledgement and reports whether it was waited
// for.
func (t *asks) answer(id uint64, client string, args actors.Args, err error) (first bool) {
	t.with(id, func(a *ask) { first = a.answer(client, args, err) })
	return first
}

func (a *ask) answer(client string, args actors.Args, err error) bool {
	i, ok := a.index[client]
	if !ok || !a.waiting[i] {
		return false
	}
	a.waiting[i] = false
	a.missing--
	a.answers[i].Args, a.answers[i].Err = args, err
	return true
}

// clientGone answers for a client of this node that has left.
func (n *Node) clientGone(client string) {
	for _, id := range n.asks.waitingFor(func(c, _ string) bool { return c == client }) {
		n.answered(id.ask, client, actors.Args{}, errGone)
	}
}

// waitingAsk is an ask that waits for a client.
type waitingAsk struct {
	ask    uint64
	client string
}

// waitingFor returns what waits for clients.
func (t *asks) waitingFor(is func(client, node string) bool) (found []waitingAsk) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, a := range t.pending {
		for c, i := range a.index {
			if a.waiting[i] && is(c, a.at[i]) {
				found = append(found, waitingAsk{id, c})
			}
		}
	}
	return found
}

// lost ends the waiting for a node that has gone, and for its clients.
func (t *asks) lost(node string) {
	for _, w := range t.waitingFor(func(_, at string) bool { return at == node }) {
		t.answer(w.ask, w.client, actors.Args{}, errGone)
	}
	t.mu.Lock()
	var ids []uint64
	for id, a := range t.pending {
		if a.nodes[node] != nil {
			ids = append(ids, id)
		}
	}
	t.mu.Unlock()
	for _, id := range ids {
		t.with(id, func(a *ask) {
			if asked := a.nodes[node]; asked != nil && !asked.complete() {
				a.unreached()
			}
			delete(a.nodes, node)
		})
	}
}

// result returns what came so far, by client id, and why it may lack clients.
func (t *asks) result(a *ask) ([]actors.ClientAnswer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(slices.Values(a.answers), func(x, y actors.ClientAnswer) int { return strings.Compare(x.Client, y.Client) }), a.err
}
