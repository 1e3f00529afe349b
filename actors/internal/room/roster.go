package room

import (
	"iter"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// member is a seat that is taken.
type member struct {
	actors.Member
	asked     actors.MemberID // the id it asked for when it came to conn
	conn      wire.ConnRef    // where it is, or was last
	link      uint64          // last event taken from conn
	credited  uint64          // last event that conn was told of
	settled   uint64          // last event that was not durable when its turn was over, and is
	unsettled int             // events whose turns are not durable
	mark      []byte          // storedMark as it is stored; nil if none is
	pid       string
	admitted  position // of the room's history when it was admitted, or had to start afresh
	grace     *timer   // runs while it is away
	commands  *commandLog
	laters    laterList
	stored    int    // bytes that the seat takes in the store
	serial    uint64 // the order in which members joined
	restored  bool   // from the store, and its instance has not opened since
	at        int    // index in roster.order
}

// isFrom reports whether the member is, or was last, the one that was asked
// for under this id on a connection.
func (m *member) isFrom(conn wire.ConnRef, id actors.MemberID) bool {
	return m.conn == conn && (m.ID == id || m.asked == id)
}

// roster holds the members in the order they joined.
type roster struct {
	byID   map[actors.MemberID]*member
	byPID  map[string]*member
	byConn map[wire.ConnRef]*member // connected members
	order  []*member                // nil where one has left
	serial uint64                   // of the latest
}

func (r *roster) init() {
	r.byID = make(map[actors.MemberID]*member)
	r.byPID = make(map[string]*member)
	r.byConn = make(map[wire.ConnRef]*member)
}

func (r *roster) len() int { return len(r.byID) }

func (r *roster) add(m *member) {
	r.byID[m.ID] = m
	if m.serial == 0 {
		m.serial = r.serial + 1
	}
	r.serial = max(r.serial, m.serial)
	m.at = len(r.order)
	r.order = append(r.order, m)
	if m.pid != "" {
		r.byPID[m.pid] = m
	}
}

func (r *roster) remove(m *member) {
	delete(r.byID, m.ID)
	delete(r.byPID, m.pid)
	r.order[m.at] = nil
	if holes := len(r.order) - len(r.byID); holes > 16 && holes > len(r.order)/2 {
		kept := r.order[:0]
		for _, m := range r.order {
			if m != nil {
				m.at = len(kept)
				kept = append(kept, m)
			}
		}
		clear(r.order[len(kept):])
		r.order = kept
	}
}

// all iterates in the order of joining, while nobody joins or leaves.
func (r *roster) all() iter.Seq[*member] {
	return func(yield func(*member) bool) {
		for _, m := range r.order {
			if m != nil && !yield(m) {
				return
			}
		}
	}
}

// list returns the members in the order of joining. Some may have left by the
// time the caller comes to them.
func (r *roster) list() []*member {
	list := make([]*member, 0, r.len())
	for m := range r.all() {
		list = append(list, m)
	}
	return list
}

// has reports whether a member of list is still there.
func (r *roster) has(m *member) bool { return r.byID[m.ID] == m }

func (r *roster) rename(m *member, pid string) {
	delete(r.byPID, m.pid)
	m.pid = pid
	r.byPID[pid] = m
}
