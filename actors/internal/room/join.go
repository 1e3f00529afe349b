package room

import (
	"context"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// pendingJoin is a seat reserved while KindConfig.Authorize decides.
type pendingJoin struct {
	join      *wire.Join
	cancelled bool // the connection has gone meanwhile
}

// Join asks for a seat. The answer is Joined, Refused or Moved.
func (m *Machine) Join(now time.Time, j *wire.Join) {
	m.step(now, func() {
		m.whenOpen(func() { m.join(j) }, func(err *actors.Error) { m.refuse(j, err) })
	})
}

func (m *Machine) join(j *wire.Join) {
	if m.phase == retiring {
		m.effect.Tell(j.Conn, &wire.Moved{Room: m.cfg.Ref, Conn: j.Conn})
		return
	}
	if mem := m.members.byPID[j.PID]; mem != nil && j.PID != "" && mem.Identity.Subject == j.Identity.Subject {
		m.resume(mem, j)
		return
	}
	if m.members.len()+len(m.seats) >= m.kind.MaxMembers {
		m.refuse(j, actors.Errorf(actors.CodeRoomFull, "no seat is left"))
		return
	}
	p := &pendingJoin{join: j}
	m.seats[j.Member] = p
	if m.kind.Authorize == nil {
		m.admit(p)
		return
	}
	req := m.request(j)
	m.run(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, m.kind.AuthorizeTimeout)
		defer cancel()
		return m.kind.Authorize(ctx, req)
	}, func(err error) {
		if err != nil {
			m.log.Info("join was not authorized", "room", m.cfg.Ref.String(), "error", err)
			m.unseat(p, clientError(err, actors.CodeForbidden))
			return
		}
		m.whenOpen(func() { m.admit(p) }, func(err *actors.Error) { m.unseat(p, err) })
	})
}

func (m *Machine) request(j *wire.Join) *actors.JoinRequest {
	return &actors.JoinRequest{
		Room: m.cfg.Ref,
		Member: actors.Member{
			ID: j.Member, UserID: j.Identity.Subject, Identity: j.Identity, JoinedAt: m.now, Connected: true,
		},
		Auth: j.Auth, Address: j.Address, Handshake: j.Handshake,
		NewRoom: m.members.len() == 0 && m.empty(),
	}
}

// empty reports whether no durable field holds anything.
func (m *Machine) empty() bool {
	any := false
	for i, spec := range m.fields {
		if spec.Durable {
			m.inst.Each(i, func(string, []byte) { any = true })
		}
	}
	return !any
}

// admit asks the hook Admit and seats the member. Its seat is reserved.
func (m *Machine) admit(p *pendingJoin) {
	j := p.join
	if m.seats[j.Member] != p {
		return
	}
	if p.cancelled {
		delete(m.seats, j.Member)
		return
	}
	if m.phase == retiring {
		delete(m.seats, j.Member)
		m.effect.Tell(j.Conn, &wire.Moved{Room: m.cfg.Ref, Conn: j.Conn})
		return
	}
	req := m.request(j)
	if m.hooks.Admit != nil {
		err := m.do(actors.Cause{Member: req.Member}, func(t *actors.Turn) error { return m.hooks.Admit(t, req) })
		if err != nil {
			m.unseat(p, clientError(err, actors.CodeInternal))
			return
		}
	}
	delete(m.seats, j.Member)
	mem := &member{Member: req.Member, conn: j.Conn}
	if m.resumes() {
		mem.pid = m.cfg.NewID()
	}
	mem.admitted = m.history.now(m.sync.version)
	m.members.add(mem)
	m.attach(mem, j, wire.Admit{})
	m.joinedTurn(mem)
}

func (m *Machine) joinedTurn(mem *member) {
	if m.hooks.Joined != nil && m.phase == open {
		snapshot := mem.Member
		_ = m.do(actors.Cause{Member: snapshot}, func(t *actors.Turn) error { m.hooks.Joined(t, snapshot); return nil })
	}
	m.startTicks()
}

// attach puts a member into the table of its node, ahead of everything else
// that is sent to it, and tells the connection.
func (m *Machine) attach(mem *member, j *wire.Join, a wire.Admit) {
	m.members.byConn[mem.conn] = mem
	n := m.node(mem.conn.Node)
	n.members++
	if m.synced && !n.mirrored {
		m.flush()
		n.mirrored = true
		n.send(m.mirror())
	}
	a.Conn, a.Member, a.Answer = mem.conn, mem.ID, wire.ConnectAnswer(string(mem.ID), mem.pid)
	n.send(a)
	m.effect.Tell(mem.conn, &wire.Joined{Room: m.cfg.Ref, Conn: mem.conn, Member: mem.ID, Asked: j.Member})
}

// detach takes a member out of the table of its node.
func (m *Machine) detach(mem *member, r wire.Remove) {
	if !mem.Connected {
		return
	}
	mem.Connected = false
	delete(m.members.byConn, mem.conn)
	n := m.node(mem.conn.Node)
	if n.members--; n.members == 0 {
		n.mirrored = false // the fan-out forgets a room without members
	}
	n.send(r)
	m.effect.Tell(mem.conn, &wire.Gone{Room: m.cfg.Ref, Conn: mem.conn, Member: mem.ID})
}

func (m *Machine) unseat(p *pendingJoin, err *actors.Error) {
	delete(m.seats, p.join.Member)
	if !p.cancelled {
		m.refuse(p.join, err)
	}
}

func (m *Machine) refuse(j *wire.Join, err *actors.Error) {
	m.effect.Tell(j.Conn, &wire.Refused{Room: m.cfg.Ref, Conn: j.Conn, Asked: j.Member, Err: err})
}

// resume gives a seat back: to whoever shows its pid. Where the history does
// not reach back, the seat is kept but the answer has another pid, which stock
// clients take for recovered: false.
func (m *Machine) resume(mem *member, j *wire.Join) {
	if mem.Connected {
		m.detach(mem, wire.Remove{Member: mem.ID, Close: actors.ReasonReplaced})
	}
	m.cancel(mem.grace)
	mem.grace = nil
	at, known := mem.admitted, true
	if j.Offset != "" {
		at, known = parseOffset(j.Offset)
	}
	missed, whole := m.history.since(at, mem.ID)
	recovered := known && whole
	mem.conn, mem.link, mem.credited = j.Conn, 0, 0
	mem.Connected = true
	mem.Identity = j.Identity
	a := wire.Admit{Resumed: recovered && j.Offset != "", Since: at.version, Replay: missed}
	if !recovered {
		m.members.rename(mem, m.cfg.NewID())
		a.Replay = nil
	}
	m.attach(mem, j, a)
	if m.hooks.Resumed != nil {
		snapshot := mem.Member
		_ = m.do(actors.Cause{Member: snapshot}, func(t *actors.Turn) error { m.hooks.Resumed(t, snapshot); return nil })
	}
	m.startTicks()
}
