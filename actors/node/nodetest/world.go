// Package nodetest runs several nodes in one process, for tests: a cluster
// that knows everything at once, and a carrier that loses, doubles and cuts on
// request. Who owns a room is decided here, and nothing is fenced.
package nodetest

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// World is a cluster. Its methods may be called from any goroutine.
type World struct {
	mu     sync.Mutex // guards the following
	rand   *rand.Rand
	seats  map[string]*Seat
	owners map[actors.RoomRef]string
	faults Faults
	cut    map[[2]string]bool
	data   uint64

	away                 bool // what says who owns a room
	epoch                uint64
	owned                map[actors.RoomRef]actors.Owned // rooms that were claimed late
	claimed              []actors.RoomRef                // the same, in order
	claiming, mostClaims int
}

// Faults is what happens to batches between nodes, as shares of all of them.
type Faults struct{ Lose, Double float64 }

// New returns a cluster without nodes. The same seed draws the same faults, as
// far as the nodes send the same batches.
func New(seed uint64) *World {
	return &World{
		rand: rand.New(rand.NewPCG(seed, 0)), seats: make(map[string]*Seat),
		owners: make(map[actors.RoomRef]string), owned: make(map[actors.RoomRef]actors.Owned), cut: make(map[[2]string]bool), data: 1,
	}
}

// Seat is the place of one node: its node.Config.Cluster and Carrier.
type Seat struct {
	world *World

	// Guarded by World.mu.
	peer    node.Peer
	joined  bool
	changed func(node.View)
	lost    func(error)
	receive func([]byte)
	inbox   [][]byte
	more    *sync.Cond
	closed  bool
	done    chan struct{} // closed when the receiver has ended
	starts  map[actors.RoomRef]string
}

// Seat returns the place for one more node.
func (w *World) Seat() *Seat {
	return &Seat{world: w, more: sync.NewCond(&w.mu), starts: make(map[actors.RoomRef]string)}
}

// Fault sets what happens to batches from here on.
func (w *World) Fault(f Faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = f
}

// Cut stops, or lets through again, everything between two nodes.
func (w *World) Cut(a, b string, stopped bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[[2]string{a, b}], w.cut[[2]string{b, a}] = stopped, stopped
}

// Forget takes away what says who owns a room. Its owner is not told.
func (w *World) Forget(room actors.RoomRef) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.owners, room)
	delete(w.owned, room)
}

// RolledBack tells the nodes that what the cluster knows, and the store, may
// have lost what came last.
func (w *World) RolledBack() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.data++
	w.publish()
}

// Put says on which node a room is to be woken.
func (w *World) Put(room actors.RoomRef, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owners[room] = id
}

// Away takes away what says who owns a room, or brings it back: rooms of which
// nothing is kept start unclaimed, where w would have them, and others are not
// found.
func (w *World) Away(away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = away
	w.publish()
}

// Start says where one node has a room start while the rest is away.
func (w *World) Start(by string, room actors.RoomRef, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seats[by].starts[room] = id
}

// Owner is the node that has a room, or is to wake it; empty if none is.
func (w *World) Owner(room actors.RoomRef) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.owners[room]
}

// Claimed are the rooms that were claimed after they had started, in order.
func (w *World) Claimed() []actors.RoomRef {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.claimed)
}

// MostClaims is how many of those claims were under way at a moment.
func (w *World) MostClaims() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mostClaims
}

// Kill makes a node vanish for the others, and them for it, as if its process
// had ended. It goes on by itself.
func (w *World) Kill(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seats[id]
	if s == nil {
		return
	}
	delete(w.seats, id)
	for other := range w.seats {
		w.cut[[2]string{id, other}], w.cut[[2]string{other, id}] = true, true
	}
	w.dropOwner(id)
	w.publish()
}

// Expel tells a node that it has lost its place, as well as the others.
func (w *World) Expel(id string, why error) {
	w.mu.Lock()
	s := w.seats[id]
	w.mu.Unlock()
	w.Kill(id)
	if s != nil {
		s.lost(why)
	}
}

func (w *World) dropOwner(id string) {
	for room, owner := range w.owners {
		if owner == id {
			delete(w.owners, room)
			delete(w.owned, room)
		}
	}
}

// publish tells every node who is there. mu is held.
func (w *World) publish() {
	v := w.view()
	for _, s := range w.seats {
		s.changed(v)
	}
}

func (w *World) view() node.View {
	v := node.View{Data: w.data, Away: w.away}
	for _, s := range w.seats {
		v.Peers = append(v.Peers, s.peer)
	}
	slices.SortFunc(v.Peers, func(a, b node.Peer) int { return strings.Compare(a.ID, b.ID) })
	return v
}

// Join implements node.Cluster.
func (s *Seat) Join(_ context.Context, self node.Peer, changed func(node.View), lost func(error)) error {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	s.peer, s.changed, s.lost, s.joined = self, changed, lost, true
	w.seats[self.ID] = s
	w.publish()
	return nil
}

// Leave implements node.Cluster.
func (s *Seat) Leave(context.Context) error {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.joined && w.seats[s.peer.ID] == s {
		delete(w.seats, s.peer.ID)
		w.dropOwner(s.peer.ID)
		w.publish()
	}
	s.joined = false
	return nil
}

// Drain implements node.Cluster: what the node has stays there until it is
// released.
func (s *Seat) Drain() {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	s.peer.Draining = true
	w.publish()
}

// Lease implements node.Cluster: nothing is ever away.
func (s *Seat) Lease() node.Lease { return node.Lease{} }

// Locate implements node.Cluster.
func (s *Seat) Locate(_ context.Context, q node.Query) (node.Place, error) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return s.whileAway(q)
	}
	owner := w.owners[q.Room]
	if owner != "" && owner == q.Misled {
		delete(w.owners, q.Room)
		owner = ""
	}
	switch {
	case owner != "" || q.Peek:
		return s.place(q, owner), nil
	case q.Here && !s.peer.Draining:
		owner = s.peer.ID
	default:
		owner = w.choose(q.Room)
	}
	if owner == "" {
		return node.Place{}, actors.Errorf(actors.CodeUnavailable, "no node takes the room")
	}
	w.owners[q.Room] = owner
	return s.place(q, owner), nil
}

// place is the answer that names an owner. Rooms that keep something claim
// themselves in the store of the test. mu is held.
func (s *Seat) place(q node.Query, owner string) node.Place {
	p := node.Place{Node: owner}
	if keeps := !q.Brief && !strings.HasPrefix(q.Room.Kind, "@"); owner == s.peer.ID && !q.Peek && !keeps {
		if s.world.owned[q.Room].Owner.Node != owner {
			s.world.claim(q.Room, owner)
		}
		p.Owned = s.world.owned[q.Room]
	}
	return p
}

// claim makes a node the owner of a room in a new epoch. mu is held.
func (w *World) claim(room actors.RoomRef, id string) {
	w.owners[room] = id
	w.epoch = max(w.epoch+1, uint64(time.Now().UnixMicro()))
	w.owned[room] = actors.Owned{Owner: actors.Owner{Node: id, Nonce: "claimed"}, Epoch: w.epoch}
}

// Reclaim implements node.Cluster.
func (s *Seat) Reclaim(_ context.Context, room actors.RoomRef, _ actors.Owned) (actors.Owned, error) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if owner := w.owners[room]; owner != "" && owner != s.peer.ID {
		return actors.Owned{}, fmt.Errorf("%v is %s's: %w", room, owner, actors.ErrHeld)
	}
	w.claim(room, s.peer.ID)
	return w.owned[room], nil
}

// whileAway is Locate while nobody can be asked. mu is held.
func (s *Seat) whileAway(q node.Query) (node.Place, error) {
	at := s.starts[q.Room] // as this node alone sees it
	if at == "" {
		at = s.world.choose(q.Room)
	}
	if q.Here {
		at = s.peer.ID
	}
	if !q.Brief || q.Peek || at == "" {
		return node.Place{}, actors.Errorf(actors.CodeUnavailable, "nobody can be asked")
	}
	return node.Place{Node: at, Unclaimed: true}, nil
}

// Claim implements node.Cluster.
func (s *Seat) Claim(ctx context.Context, room actors.RoomRef) (node.Place, error) {
	w := s.world
	w.mu.Lock()
	w.claiming++
	w.mostClaims = max(w.mostClaims, w.claiming)
	for w.away {
		w.mu.Unlock()
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return node.Place{}, ctx.Err()
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	w.claiming--
	w.claimed = append(w.claimed, room)
	if owner := w.owners[room]; owner != "" && owner != s.peer.ID {
		return node.Place{Node: owner}, nil
	}
	w.claim(room, s.peer.ID)
	return node.Place{Node: s.peer.ID, Owned: w.owned[room]}, nil
}

// Release implements node.Cluster.
func (s *Seat) Release(room actors.RoomRef, o actors.Owned) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owners[room] == s.peer.ID && w.owned[room] == o {
		delete(w.owners, room)
		delete(w.owned, room)
	}
}

// choose is rendezvous hashing. mu is held.
func (w *World) choose(room actors.RoomRef) (best string) {
	var most uint64
	for id, s := range w.seats {
		if s.peer.Draining || !strings.HasPrefix(room.Kind, "@") && !slices.Contains(s.peer.Kinds, room.Kind) {
			continue
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(room.String() + id))
		if sum := h.Sum64() * 0x9e3779b97f4a7c15; best == "" || sum > most {
			best, most = id, sum
		}
	}
	return best
}
