package room

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Renew takes another credential of a member: what it may do from then on. The
// subject is the same; another one changes nothing.
func (m *Machine) Renew(now time.Time, r *wire.Renew) {
	m.step(now, func() {
		mem := m.members.byConn[r.Conn]
		if mem == nil || !mem.isFrom(r.Conn, r.Member) || mem.Identity.Subject != r.Identity.Subject {
			return
		}
		m.identify(mem, r.Identity)
		m.storeSeat(mem)
	})
}

// identify makes id who the member has proved to be.
func (m *Machine) identify(mem *member, id actors.Identity) {
	mem.Identity, mem.Permit = id, id.In(m.namespace)
}
