package room

import (
	"context"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// pendingJoin is a join that has no answer yet: it waits for the room to open,
// or for KindConfig.Authorize.
type pendingJoin struct {
	join   *wire.Join
	id     uint64 // the order in which they came
	seated bool   // counts in Machine.seats
	left   bool   // the connection has gone meanwhile
	cancel context.CancelFunc
}

// Join asks for a seat. It is answered once, with Joined, Refused or Moved;
// the same Join once more changes nothing while it waits or its member is
// there. A connection that asks for another member has left the one before.
func (m *Machine) Join(now time.Time, j *wire.Join) {
	m.step(now, func() {
		m.stir()
		m.causedBy(j.Trace)
		if m.phase == retiring {
			m.effect.Tell(j.Conn, &wire.Moved{Room: m.cfg.Ref, Conn: j.Conn, Member: j.Member})
			return
		}
		old := m.members.byConn[j.Conn]
		if m.joins[j.Member] != nil || old != nil && old.asked == j.Member {
			return
		}
		if old != nil && !m.strays(old, j) {
			m.leave(old, actors.ReasonClientLeft, wire.Remove{Member: old.ID})
			m.runFollowUps()
		}
		m.joinID++
		p := &pendingJoin{join: j, id: m.joinID}
		m.joins[j.Member] = p
		m.whenOpen(waiter{func() { m.park(func() { m.join(p) }) }, func(err *actors.Error) { m.turnAway(p, err) }})
	})
}

// join takes up a join. The room is open.
func (m *Machine) join(p *pendingJoin) {
	j := p.join
	if p.left {
		m.turnAway(p, errLeft())
		return
	}
	if mem := m.members.byPID[j.PID]; mem != nil && j.PID != "" && mem.Identity.Subject == j.Identity.Subject {
		delete(m.joins, j.Member)
		m.resume(mem, j)
		return
	}
	if m.mustReturn(j) {
		m.turnAway(p, errMustReturn())
		return
	}
	if err := m.mayBegin(j); err != nil {
		m.turnAway(p, err)
		return
	}
	if m.members.len()+m.seats >= m.kind.MaxMembers {
		m.turnAway(p, actors.Errorf(actors.CodeRoomFull, "no seat is left"))
		return
	}
	if m.keepsSeats() && !m.fits(seatBytes+len(j.Auth), m.cfg.MaxBytes) {
		m.turnAway(p, errNoSpace())
		return
	}
	p.seated = true
	m.seats++
	if m.kind.Authorize == nil {
		m.admit(p)
		return
	}
	m.authorize(p)
}

// authorize asks KindConfig.Authorize beside the room. If the connection goes
// meanwhile, the seat is free at once and the context given to Authorize ends;
// the join is answered when Authorize has returned.
func (m *Machine) authorize(p *pendingJoin) {
	req := m.request(p.join)
	var gone context.Context
	gone, p.cancel = context.WithCancel(m.ctx)
	m.run(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, m.kind.AuthorizeTimeout)
		defer cancel()
		defer context.AfterFunc(gone, cancel)()
		return m.kind.Authorize(ctx, req)
	}, func(failed *failure) {
		p.cancel()
		if failed != nil {
			if !p.left {
				m.logRefusal(failed)
			}
			m.turnAway(p, failed.refusal())
			return
		}
		m.whenOpen(waiter{func() { m.admit(p) }, func(err *actors.Error) { m.turnAway(p, err) }})
	})
}

func (m *Machine) logRefusal(failed *failure) {
	if failed.stack != nil {
		m.logPanic("authorize panicked", failed)
		return
	}
	m.log.Info("join was not authorized", "error", failed.text)
}

func (m *Machine) request(j *wire.Join) *actors.JoinRequest {
	return &actors.JoinRequest{
		Room: m.cfg.Ref,
		Member: actors.Member{
			ID: m.memberID(j), UserID: j.Identity.Subject, Identity: j.Identity, Permit: j.Identity.In(m.namespace),
			Auth: j.Auth, JoinedAt: m.now, Connected: true,
		},
		Address: j.Address, Handshake: j.Handshake,
		NewRoom: m.members.len() == 0 && m.empty(),
	}
}

// empty reports whether no durable field holds anything.
func (m *Machine) empty() bool {
	empty := true
	for i, spec := range m.fields {
		if spec.Durable && empty {
			m.inst.Each(i, func(string, []byte) { empty = false })
		}
	}
	return empty
}

// admit asks the hook Admit and seats the member. Its seat is reserved. The
// room is open.
func (m *Machine) admit(p *pendingJoin) {
	j := p.join
	if p.left {
		m.turnAway(p, errLeft())
		return
	}
	req := m.request(j)
	var on uint64 // what the turn that admits depends on
	if m.hooks.Admit != nil {
		failed := m.doThen(actors.Cause{Member: req.Member},
			func(t *actors.Turn) error { return m.hooks.Admit(t, req) }, func() { on = m.gate.need })
		switch {
		case m.phase == retiring || m.phase == draining:
			return // the turn has ended the room, and retire answers
		case failed != nil:
			m.depending(failed.on, func() { m.turnAway(p, failed.public) })
			return
		}
	}
	m.free(p)
	delete(m.joins, j.Member)
	mem := &member{Member: req.Member, asked: j.Member, conn: j.Conn, admitted: m.position()}
	m.goOn(mem, j)
	mem.commands = m.commandsOf(mem)
	if m.resumes() {
		mem.pid = m.cfg.NewID()
	}
	m.members.add(mem)
	m.begun()
	m.used = m.now
	m.journal.slack()
	on = max(on, m.storeSeat(mem))
	m.decided(j, m.seatedAs(j), nil)
	m.depending(on, func() { m.attach(mem, wire.Admit{Quiet: j.Again != nil && !m.resumes(), Offset: m.offset()}) })
	m.joinedTurn(mem)
}

// joinedTurn runs the hook Joined. If the room is starting again, it will be
// run by openNow.
func (m *Machine) joinedTurn(mem *member) {
	if m.hooks.Joined != nil && m.phase == open {
		snapshot := mem.Member
		m.turnFor(snapshot, func(t *actors.Turn) { m.hooks.Joined(t, snapshot) })
	}
	m.startTicks()
}

// turnAway answers a join that gets no seat: with Moved if err is ErrMoved. It
// does nothing if the join has its answer.
func (m *Machine) turnAway(p *pendingJoin, err *actors.Error) {
	j := p.join
	if m.joins[j.Member] != p {
		return
	}
	m.free(p)
	delete(m.joins, j.Member)
	if err == ErrMoved {
		m.effect.Tell(j.Conn, &wire.Moved{Room: m.cfg.Ref, Conn: j.Conn, Member: j.Member})
		return
	}
	m.decided(j, JoinRefused, err)
	refused := &wire.Refused{Room: m.cfg.Ref, Conn: j.Conn, Asked: j.Member, Err: err}
	if m.shut() {
		m.hold(held{
			leave: func() { m.effect.Tell(j.Conn, refused) },
			lost:  func() { m.effect.Tell(j.Conn, &wire.Moved{Room: m.cfg.Ref, Conn: j.Conn, Member: j.Member}) },
		})
		return
	}
	m.effect.Tell(j.Conn, refused)
}

// free gives back the seat that is reserved for a join, if one is.
func (m *Machine) free(p *pendingJoin) {
	if p.seated {
		p.seated = false
		m.seats--
	}
}

// errLeft answers a join whose connection has gone: nobody sees it.
func errLeft() *actors.Error { return actors.Errorf(actors.CodeUnavailable, "the client has left") }
