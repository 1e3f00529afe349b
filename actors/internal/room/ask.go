package room

import (
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// ask is an event that waits for the clients' acknowledgements.
type ask struct {
	id      uint64
	timeout time.Duration
	then    func(*actors.Turn, []actors.Answer)
	missing []actors.MemberID
	answers []actors.Answer
	timer   *timer
	life    int
}

func (m *Machine) startAsk(a *ask, out *actors.Outgoing) {
	for mem := range m.members.all() {
		if mem.Connected && meantFor(wire.Emit{To: out.To, Except: out.Except}, mem.ID) {
			a.missing = append(a.missing, mem.ID)
		}
	}
	m.askID++
	a.id, a.life = m.askID, m.life
	m.asks[a.id] = a
	if len(a.missing) == 0 {
		a.timeout = 0 // then still runs as a turn of its own
	}
	a.timer = m.after(a.timeout, true, func() { m.endAsk(a) })
}

// Ack hands in a client's acknowledgement.
func (m *Machine) Ack(now time.Time, e *wire.Ack) {
	m.step(now, func() {
		a := m.asks[e.ID]
		mem := m.members.byID[e.Member]
		if a == nil || mem == nil || mem.conn != e.Conn {
			return
		}
		args, err := rawjson.Split(e.Data.JSON)
		if err != nil {
			return
		}
		m.answered(a, actors.Answer{Member: e.Member, Args: args})
	})
}

func (m *Machine) answered(a *ask, answer actors.Answer) {
	i := slices.Index(a.missing, answer.Member)
	if i < 0 {
		return
	}
	a.missing = slices.Delete(a.missing, i, i+1)
	a.answers = append(a.answers, answer)
	if len(a.missing) == 0 {
		m.endAsk(a)
	}
}

// forgetAsked answers for a member that left.
func (m *Machine) forgetAsked(id actors.MemberID) {
	for _, a := range m.asks {
		m.answered(a, actors.Answer{Member: id, Err: actors.Errorf(actors.CodeNotFound, "the member left")})
	}
}

func (m *Machine) endAsk(a *ask) {
	delete(m.asks, a.id)
	m.cancel(a.timer)
	for _, id := range a.missing {
		a.answers = append(a.answers, actors.Answer{Member: id, Err: actors.Errorf(actors.CodeTimeout, "no answer within %v", a.timeout)})
	}
	if a.life == m.life && m.phase == open {
		_ = m.do(actors.Cause{}, func(t *actors.Turn) error { a.then(t, a.answers); return nil })
	}
}
