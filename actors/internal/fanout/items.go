package fanout

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// admit seats a member: CONNECT answer, then the state or what it missed of
// it, then the events it missed. A connection that is gone is skipped: the
// room hears of that from the connection.
func (m *Machine) admit(r *room, a *wire.Admit) {
	socket, ok := m.config.Sockets.Socket(a.Conn.ID)
	if !ok || a.Conn.Node != m.config.Node {
		m.tally.unknownSocket++
		if old := r.byID[a.Member]; old != nil {
			m.unseat(old)
			m.detach(old)
		}
		return
	}
	mem := &member{id: a.Member, room: r, fresh: !a.Resumed, version: a.Since, offset: a.Offset}
	delete(r.left, a.Member)
	m.attach(mem, a.Conn.ID, socket)
	m.seat(r, mem)
	if !a.Quiet {
		m.push(mem.conn, &actors.Packet{Type: actors.PacketConnect, Namespace: r.namespace, Data: a.Answer})
	}
	if len(a.Replay) > 0 {
		mem.queue = make([]*actors.Packet, len(a.Replay))
		for i := range a.Replay {
			mem.queue[i] = eventPacket(r, &a.Replay[i])
		}
		mem.replay = len(mem.queue)
	}
	m.advance(mem)
}

// emit sends an event: one packet, whoever gets it.
func (m *Machine) emit(r *room, e *wire.Emit) {
	if !e.Volatile {
		r.mirror.overtaken = true
	}
	p := eventPacket(r, e)
	m.mark++
	for _, id := range e.Except {
		if mem := r.byID[id]; mem != nil {
			mem.mark = m.mark
		}
	}
	if e.To == nil {
		for _, mem := range r.members {
			if mem != nil && mem.mark != m.mark {
				m.send(mem, p)
			}
		}
		return
	}
	for _, id := range e.To {
		switch mem := r.byID[id]; {
		case mem == nil:
			m.tally.unknownMember++
		case mem.mark != m.mark:
			mem.mark = m.mark
			m.send(mem, p)
		}
	}
}

func (m *Machine) reply(r *room, a *wire.Reply) {
	mem := r.byID[a.Member]
	if mem == nil {
		m.tally.unknownMember++
		return
	}
	m.send(mem, &actors.Packet{Type: actors.PacketAck, Namespace: r.namespace,
		ID: a.ID, HasID: true, Data: a.Data.JSON, Attachments: a.Data.Attachments})
}

// restart replaces the mirror; every member starts afresh from it.
func (m *Machine) restart(r *room, w *wire.Mirror) {
	r.mirror.reset(w, r.namespace, m.config.Limits)
	for _, mem := range r.members {
		if mem == nil || mem.conn.closed {
			continue
		}
		mem.fresh = true
		mem.run.clear()
		m.advance(mem)
	}
}

// sync advances the mirror and with it every member that keeps up.
func (m *Machine) sync(r *room, s *wire.Sync) {
	prev := r.mirror.version
	if !r.mirror.known || s.Version <= prev {
		m.tally.straySyncs++
		return
	}
	r.mirror.apply(s)
	if !r.mirror.synced {
		return
	}
	for _, mem := range r.members {
		if mem != nil && !mem.conn.closed {
			m.follow(mem, prev)
		}
	}
}

// follow brings mem to the mirror's version, which was prev until a moment
// ago, unless it has to wait for its socket.
func (m *Machine) follow(mem *member, prev uint64) {
	mir := &mem.room.mirror
	if !mem.busy() && mem.version == prev && !mir.concerns(mem.id, prev) {
		mem.version = mir.version
		return
	}
	if m.lagging(mem.conn) {
		m.tally.conflated++
		m.await(mem)
		return
	}
	m.advance(mem)
}

// remove takes a member out of the table.
func (m *Machine) remove(r *room, w *wire.Remove) {
	mem := r.byID[w.Member]
	if mem == nil {
		m.tally.unknownMember++
		return
	}
	m.unseat(mem)
	c := mem.conn
	if w.Close != "" {
		if w.Disconnect {
			m.push(c, disconnectPacket(r))
		}
		m.detach(mem)
		m.closeSocket(c, w.Close)
		return
	}
	if w.Disconnect && !c.closed {
		m.leave(mem)
		return
	}
	m.detach(mem)
}

// leave sends DISCONNECT behind everything before it. A member that has
// something on its way gets that first, out of the table, at the pace of its
// socket: what it was told on leaving may still wait there, and it must not
// see that without the state it refers to.
func (m *Machine) leave(mem *member) {
	if !mem.busy() && mem.behind() {
		m.catchUp(mem)
	}
	if !mem.busy() {
		m.push(mem.conn, disconnectPacket(mem.room))
		m.detach(mem)
		return
	}
	var queue []*actors.Packet
	if mir := &mem.room.mirror; mir.synced {
		from := mem.version
		if mem.run.last != nil {
			from = mem.run.version
		}
		if mem.run.last == nil && mem.fresh || !mir.reaches(from) {
			m.startState(mem)
			from = mem.run.version
		}
		for _, p := range []*actors.Packet{mir.patch(from).packet(false), mir.ownPatch(mem.id, from, false)} {
			if p != nil {
				queue = append(queue, p)
			}
		}
	}
	queue = append(queue, mem.queue...)
	mem.queue = append(queue, disconnectPacket(mem.room))
	mem.leaving = true
	if m.advance(mem); !mem.gone {
		m.leaving = append(m.leaving, mem)
	}
}

// sweep looks after one of those that are leaving: a socket that has closed
// never drains, and no room will remove them.
func (m *Machine) sweep() {
	n := len(m.leaving)
	if n == 0 {
		return
	}
	m.swept = (m.swept + 1) % n
	mem := m.leaving[m.swept]
	if _, ok := m.config.Sockets.Socket(mem.conn.id); ok && !mem.gone {
		return
	}
	m.detach(mem)
	m.leaving[m.swept] = m.leaving[n-1]
	m.leaving[n-1] = nil
	m.leaving = m.leaving[:n-1]
}

func eventPacket(r *room, e *wire.Emit) *actors.Packet {
	p := &actors.Packet{Type: actors.PacketEvent, Namespace: r.namespace, ID: e.AckID, HasID: e.HasAck,
		Data: e.Data.JSON, Attachments: e.Data.Attachments}
	if e.Volatile {
		p.Class = actors.Volatile
	}
	return p
}

func disconnectPacket(r *room) *actors.Packet {
	if r.disconnect == nil {
		r.disconnect = &actors.Packet{Type: actors.PacketDisconnect, Namespace: r.namespace}
	}
	return r.disconnect
}
