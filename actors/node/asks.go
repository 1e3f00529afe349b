package node

import (
	"slices"
	"strings"
	"sync"

	"github.com/parlor-rooms/parlor/actors"
)

// asks are the gateway events that wait for clients' acknowledgements.
type asks struct {
	mu      sync.Mutex // guards the following
	next    uint64
	pending map[uint64]*ask
}

// ask is one of them. It is complete when every hub has said where it went,
// every shard whom it asked, and everybody has answered.
type ask struct {
	id      uint64
	hubs    int // hubs that have not said yet
	shards  int // shards that have not reported yet; negative: more have than were expected so far
	missing int
	index   map[string]int
	answers []actors.ClientAnswer
	waiting []bool // by answer
	done    chan struct{}
}

func (t *asks) open() *ask {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending == nil {
		t.pending = make(map[uint64]*ask)
	}
	t.next++
	a := &ask{id: t.next, index: make(map[string]int), done: make(chan struct{})}
	t.pending[a.id] = a
	return a
}

func (t *asks) close(a *ask) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pending, a.id)
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
	if a.hubs == 0 && a.shards == 0 && a.missing == 0 {
		delete(t.pending, id)
		close(a.done)
	}
}

func (t *asks) expect(id uint64, hubs, shards int) {
	t.with(id, func(a *ask) { a.hubs += hubs; a.shards += shards })
}

// asked says whom a shard has sent an event.
func (t *asks) asked(id uint64, clients []string) {
	t.with(id, func(a *ask) {
		a.shards--
		for _, c := range clients {
			a.index[c] = len(a.answers)
			a.answers = append(a.answers, actors.ClientAnswer{Client: c, Err: actors.Errorf(actors.CodeTimeout, "no answer in time")})
			a.waiting = append(a.waiting, true)
			a.missing++
		}
	})
}

// asked says whom a shard has sent an event. A client that went before that
// was known answers here.
func (n *Node) asked(id uint64, clients []string) {
	n.asks.asked(id, clients)
	for _, c := range clients {
		if _, here := n.clients.Load(c); !here {
			n.asks.gone(c)
		}
	}
}

// answer takes a client's acknowledgement.
func (t *asks) answer(id uint64, client string, args actors.Args, err error) {
	t.with(id, func(a *ask) { a.answer(client, args, err) })
}

func (a *ask) answer(client string, args actors.Args, err error) {
	i, ok := a.index[client]
	if !ok || !a.waiting[i] {
		return
	}
	a.waiting[i] = false
	a.missing--
	a.answers[i].Args, a.answers[i].Err = args, err
}

// gone answers for a client that has left.
func (t *asks) gone(client string) {
	t.mu.Lock()
	var ids []uint64
	for id, a := range t.pending {
		if _, ok := a.index[client]; ok {
			ids = append(ids, id)
		}
	}
	t.mu.Unlock()
	for _, id := range ids {
		t.answer(id, client, actors.Args{}, actors.Errorf(actors.CodeNotFound, "the client has gone"))
	}
}

// result returns what came so far, by client id.
func (t *asks) result(a *ask) []actors.ClientAnswer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(slices.Values(a.answers), func(x, y actors.ClientAnswer) int { return strings.Compare(x.Client, y.Client) })
}
