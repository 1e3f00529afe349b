package room

import (
	"cmp"
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
	asked   []actors.MemberID            // in the order of the event's receivers
	missing map[actors.MemberID]struct{} // those of asked that have not answered
	answers []actors.Answer              // in the order they came
	timer   *timer
	life    int
}

// startAsk notes who is asked: the connected members the event is for. If
// there are none, the answer comes at the next Wake.
func (m *Machine) startAsk(a *ask, out *actors.Outgoing) {
	a.missing = make(map[actors.MemberID]struct{})
	add := func(mem *member) {
		if mem == nil || !mem.Connected || slices.Contains(out.Except, mem.ID) {
			return
		}
		if _, twice := a.missing[mem.ID]; !twice {
			a.missing[mem.ID] = struct{}{}
			a.asked = append(a.asked, mem.ID)
		}
	}
	if out.To == nil {
		for mem := range m.members.all() {
			add(mem)
		}
	}
	for _, id := range out.To {
		add(m.members.byID[id])
	}
	wait := a.timeout
	if len(a.asked) == 0 {
		wait = 0
	}
	m.askID++
	a.id, a.life = m.askID, m.life
	m.asks = append(m.asks, a)
	a.timer = m.after(wait, true, func() { m.endAsk(a) })
}

// Ack hands in a client's acknowledgement.
func (m *Machine) Ack(now time.Time, e *wire.Ack) {
	m.step(now, func() {
		m.stir()
		mem := m.members.byID[e.Member]
		i, found := m.findAsk(e.ID)
		if !found || mem == nil || mem.conn != e.Conn {
			return
		}
		args, err := rawjson.Split(e.Data.JSON)
		if err != nil {
			return
		}
		m.answered(m.asks[i], actors.Answer{Member: e.Member, Args: actors.Args{List: args, Attachments: e.Data.Attachments}})
	})
}

func (m *Machine) findAsk(id uint64) (int, bool) {
	return slices.BinarySearchFunc(m.asks, id, func(a *ask, id uint64) int { return cmp.Compare(a.id, id) })
}

func (m *Machine) answered(a *ask, answer actors.Answer) {
	if _, asked := a.missing[answer.Member]; !asked {
		return
	}
	delete(a.missing, answer.Member)
	a.answers = append(a.answers, answer)
	if len(a.missing) == 0 {
		m.endAsk(a)
	}
}

// forgetAsked answers for a member that left.
func (m *Machine) forgetAsked(id actors.MemberID) {
	for _, a := range slices.Clone(m.asks) {
		m.answered(a, actors.Answer{Member: id, Err: actors.Errorf(actors.CodeNotFound, "the member left")})
	}
}

// endAsk hands over what was answered, when the present turn is over.
func (m *Machine) endAsk(a *ask) {
	i, found := m.findAsk(a.id)
	if !found {
		return
	}
	m.asks = slices.Delete(m.asks, i, i+1)
	m.cancelTimer(a.timer)
	for _, id := range a.asked {
		if _, missing := a.missing[id]; missing {
			a.answers = append(a.answers, actors.Answer{Member: id, Err: actors.Errorf(actors.CodeTimeout, "no answer within %v", a.timeout)})
		}
	}
	m.follow(func() { m.continueWith(a.life, func(t *actors.Turn) { a.then(t, a.answers) }) })
}

// continueWith runs a turn that an earlier one of the same instance asked for.
func (m *Machine) continueWith(life int, f func(*actors.Turn)) {
	if life == m.life && (m.phase == open || m.phase == ending) {
		m.park(func() {
			if life == m.life {
				m.turnFor(actors.Member{}, f)
			}
		})
	}
}
