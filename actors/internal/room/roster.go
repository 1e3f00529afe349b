package room

import (
	"iter"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// member is a seat that is taken.
type member struct {
	actors.Member
	conn     wire.ConnRef // where it is, or was last
	link     uint64       // last event taken from conn
	credited uint64       // last event that conn was told of
	pid      string
	admitted position // of the room's history when it was admitted
	grace    *timer   // runs while it is away
	commands commandLog
}

// roster holds the members in the order they joined.
type roster struct {
	byID   map[actors.MemberID]*member
	byPID  map[string]*member
	byConn map[wire.ConnRef]*member // connected members
	order  []*member                // nil where one has left
	holes  int
}

func (r *roster) init() {
	r.byID = make(map[actors.MemberID]*member)
	r.byPID = make(map[string]*member)
	r.byConn = make(map[wire.ConnRef]*member)
}

func (r *roster) len() int { return len(r.byID) }

func (r *roster) add(m *member) {
	r.byID[m.ID] = m
	r.order = append(r.order, m)
	if m.pid != "" {
		r.byPID[m.pid] = m
	}
}

func (r *roster) remove(m *member) {
	delete(r.byID, m.ID)
	delete(r.byPID, m.pid)
	for i, other := range r.order {
		if other == m {
			r.order[i] = nil
			r.holes++
			break
		}
	}
	if r.holes > 16 && r.holes > len(r.order)/2 {
		kept := r.order[:0]
		for _, m := range r.order {
			if m != nil {
				kept = append(kept, m)
			}
		}
		clear(r.order[len(kept):])
		r.order, r.holes = kept, 0
	}
}

// all iterates in the order of joining. Members may be added and removed
// meanwhile; those added are not seen.
func (r *roster) all() iter.Seq[*member] {
	return func(yield func(*member) bool) {
		for _, m := range append([]*member(nil), r.order...) {
			if m != nil && r.byID[m.ID] == m && !yield(m) {
				return
			}
		}
	}
}

func (r *roster) rename(m *member, pid string) {
	delete(r.byPID, m.pid)
	m.pid = pid
	if pid != "" {
		r.byPID[pid] = m
	}
}
