package fanout

import "github.com/parlor-rooms/parlor/actors"

// member is one stay of a member on a connection. Another Admit of the same
// member makes another one.
type member struct {
	id   actors.MemberID
	room *room
	conn *conn
	at   int    // index in room.members
	mark uint64 // of the last Emit that is not, or no more, to be sent to it

	fresh   bool   // needs the whole state; version means nothing
	version uint64 // of the state it was sent

	// What is on its way, in this order; between them comes a patch if the
	// mirror moved on meanwhile.
	run    run
	queue  []*actors.Packet // reliable packets
	replay int              // how many at the front of queue do not count as backlog
	bytes  int              // of those in queue that do

	offset string         // of its Admit
	last   *actors.Packet // the latest reliable event that was pushed; see Machine.Seek

	waiting bool // in conn.waiting
	leaving bool // out of the table; gone once queue is empty
	gone    bool // detached from conn
}

// run is a state or a large patch that is pushed packet by packet.
type run struct {
	packets []*actors.Packet // shared between members; what is before last
	last    *actors.Packet   // nil if there is no run
	next    int
	version uint64 // of the state after it
}

// pushed reports whether all of the run was pushed.
func (r *run) pushed() bool { return r.last != nil && r.next > len(r.packets) }

func (r *run) clear() { *r = run{} }

// busy reports whether packets of mem wait here, so that others must not pass.
func (mem *member) busy() bool { return mem.run.last != nil || len(mem.queue) > 0 }

// behind reports whether mem was not sent the mirror's state yet.
func (mem *member) behind() bool {
	mir := &mem.room.mirror
	return mir.synced && !mem.leaving && (mem.fresh || mem.version != mir.version)
}

// send pushes an event or acknowledgement to mem, or queues or drops it.
func (m *Machine) send(mem *member, p *actors.Packet) {
	c := mem.conn
	switch {
	case c.closed:
	case p.Class == actors.Volatile:
		m.sendVolatile(mem, p)
	default:
		// Whoever sees an event has the state it refers to, even if its socket
		// lags: this costs one patch per event at the most.
		if !mem.busy() && mem.behind() {
			if m.catchUp(mem); mem.busy() {
				m.advance(mem)
			}
		}
		if mem.busy() {
			m.enqueue(mem, p)
			return
		}
		if m.push(c, p) {
			mem.pushed(p)
		}
	}
}

// pushed notes that a packet of the queue, or that need not have waited there,
// was pushed.
func (mem *member) pushed(p *actors.Packet) {
	if p.Type == actors.PacketEvent {
		mem.last = p
	}
}

func (m *Machine) sendVolatile(mem *member, p *actors.Packet) {
	m.advance(mem) // if that stops short of the latest state, the socket lags
	if m.lagging(mem.conn) {
		m.tally.volatileDropped++
		return
	}
	m.push(mem.conn, p)
}

func (m *Machine) enqueue(mem *member, p *actors.Packet) {
	n := size(p)
	limits := &m.config.Limits
	if frames := len(mem.queue) - mem.replay; frames >= limits.Backlog || frames > 0 && mem.bytes+n > limits.BacklogBytes {
		m.tally.tooSlow++
		m.closeSocket(mem.conn, actors.ReasonTooSlow)
		return
	}
	mem.queue = append(mem.queue, p)
	mem.bytes += n
}

func (mem *member) dequeue() {
	if mem.replay > 0 {
		mem.replay--
	} else {
		mem.bytes -= size(mem.queue[0])
	}
	mem.queue[0] = nil
	if mem.queue = mem.queue[1:]; len(mem.queue) == 0 {
		mem.queue = nil
	}
}

// next returns the packet of mem to be pushed next, or nil if there is none: a
// patch or state has yet to be made, or a run to be taken by the socket.
func (mem *member) next() *actors.Packet {
	run := &mem.run
	switch {
	case run.pushed() || run.last == nil && mem.behind():
		return nil
	case run.last == nil:
		return mem.queue[0]
	case run.next < len(run.packets):
		return run.packets[run.next]
	}
	return run.last
}

// advance pushes what is on its way to mem, and a patch if it is behind, as
// far as its socket takes it. What is left waits until the socket has drained.
func (m *Machine) advance(mem *member) {
	c, run := mem.conn, &mem.run
	for !c.closed && (mem.busy() || mem.behind()) {
		p := mem.next()
		if !m.ready(c, p) {
			m.await(mem)
			return
		}
		switch {
		case run.pushed():
			run.clear()
		case p == nil:
			m.catchUp(mem)
		case !m.push(c, p):
		case run.last == nil:
			mem.pushed(p)
			mem.dequeue()
		default:
			m.step(mem, p)
		}
	}
	if c.closed {
		mem.release()
	}
	if mem.leaving {
		m.detach(mem)
	}
}

// step notes that p of mem's run was pushed. A run that ends in a large packet
// goes on until the socket took that: on top of it, the next event could be
// too much for the outbox of a reader that is not slow.
func (m *Machine) step(mem *member, p *actors.Packet) {
	run := &mem.run
	if run.next++; !run.pushed() {
		return
	}
	mem.fresh, mem.version = false, run.version
	if size(p) <= m.config.Limits.Part {
		run.clear()
		return
	}
	m.flush(mem.conn)
}

// catchUp pushes the patch that brings mem to the mirror's version, whether
// its socket lags or not. If there is none, or it is large, it becomes mem.run.
//
// The offset in a patch or state says that the client has every event up to a
// sequence and the state at a version. So it is left out while events still
// wait for mem, and where a second patch for this version follows: a client
// that were lost in between would return claiming what it never got. And it is
// left out once events have gone out since: a client that has seen them, whose
// offsets claim only the version before because they were held back, would
// return claiming less, and be told of them again.
func (m *Machine) catchUp(mem *member) {
	mir := &mem.room.mirror
	if mem.fresh || !mir.reaches(mem.version) {
		m.startState(mem)
		return
	}
	stamped := len(mem.queue) == 0 && !mir.overtaken
	own := mir.ownPatch(mem.id, mem.version, stamped)
	shared := mir.patch(mem.version).packet(stamped && own == nil)
	if n := size(shared) + size(own); n > m.config.Limits.Part {
		mem.run = run{version: mir.version}
		switch {
		case own == nil:
			mem.run.last = shared
		case shared == nil:
			mem.run.last = own
		default:
			mem.run.packets, mem.run.last = []*actors.Packet{shared}, own
		}
		return
	}
	if shared != nil {
		m.push(mem.conn, shared)
	}
	if own != nil {
		m.push(mem.conn, own)
	}
	mem.version = mir.version
}

// startState makes the whole state what mem is sent next.
func (m *Machine) startState(mem *member) {
	m.tally.states++
	mir := &mem.room.mirror
	s := mir.state()
	stamped := len(mem.queue) == 0 && !mir.overtaken && s.version == mir.version // a patch follows otherwise
	mem.run = run{packets: s.parts, last: mir.lastPart(s, mem.id, stamped), version: s.version}
}

// release lets go of what will not be sent any more.
func (mem *member) release() {
	mem.run.clear()
	mem.queue, mem.replay, mem.bytes = nil, 0, 0
}
