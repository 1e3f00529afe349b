package room

import (
	"encoding/json"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// keySleep is where a room that hibernates stores what is not part of its
// lasting state: storedSleep.
const keySleep = "h"

// watchAsleep is how often a room that hibernates is looked after, in case its
// node has died and its members with it.
const watchAsleep = time.Hour

// storedSleep is what only the next life of the same activation can use: the
// fan-outs and connections have not noticed anything.
type storedSleep struct {
	Epoch    uint64       `json:"epoch"`         // in which the room is owned
	Active   uint64       `json:"act,omitempty"` // of the activation, for the world
	Sequence uint64       `json:"seq"`           // of batches, behind the one that this is in: it is void after another
	Version  uint64       `json:"v"`
	Tag      string       `json:"tag,omitempty"`
	AskID    uint64       `json:"ask,omitempty"`
	Links    []storedLink `json:"links"` // of the members
	Mirrored []string     `json:"mirrored,omitempty"`
}

// storedLink is where a connection stands.
type storedLink struct {
	Member   actors.MemberID `json:"m"`
	Link     uint64          `json:"l,omitempty"`
	Credited uint64          `json:"c,omitempty"`
	Version  uint64          `json:"v,omitempty"` // of the state when it was admitted
}

// sleepState is about leaving memory while members are connected.
type sleepState struct {
	timer *timer
	batch uint64 // the one that holds storedSleep; 0: none is on its way
	stirs uint64 // Machine.stirs when it was written
	woken bool   // this machine has come out of hibernation
}

// stir notes that somebody wants something of the room.
func (m *Machine) stir() {
	m.stirred = m.now
	m.stirs++
}

// watchQuiet has a room whose members are quiet leave memory.
func (m *Machine) watchQuiet() {
	s := &m.sleep
	if m.kind.HibernateAfter == 0 || !m.journal.lasts {
		return
	}
	if s.batch > 0 && m.journal.done >= s.batch {
		s.batch = 0
		if m.stirs == s.stirs && m.quiet() {
			m.hibernate()
			return
		}
	}
	if s.timer == nil && s.batch == 0 && m.members.len() > 0 {
		s.timer = m.after(m.stirred.Add(m.kind.HibernateAfter).Sub(m.now), false, m.fallAsleep)
	}
}

// fallAsleep stores what is needed to wake up, if the room has been quiet for
// long enough.
func (m *Machine) fallAsleep() {
	s := &m.sleep
	s.timer = nil
	if m.now.Sub(m.stirred) < m.kind.HibernateAfter || s.batch > 0 {
		return // watchQuiet sets the timer anew
	}
	m.prune() // what comes behind the batch would make it void
	if !m.quiet() {
		m.stirred = m.now
		return
	}
	m.stirred, s.stirs = m.now, m.stirs
	for mem := range m.members.all() {
		m.storeSeat(mem)
	}
	s.batch = m.journal.write(keySleep, encode(m.sleeper()))
}

func (m *Machine) sleeper() storedSleep {
	st := storedSleep{
		Epoch: m.journal.owned.Epoch, Active: m.epoch, Sequence: m.journal.owned.Sequence + 1, Version: m.sync.version, Tag: m.history.tag, AskID: m.askID,
	}
	for mem := range m.members.all() {
		st.Links = append(st.Links, storedLink{mem.ID, mem.link, mem.credited, mem.admitted.version})
	}
	for _, n := range m.nodes {
		if n.mirrored {
			st.Mirrored = append(st.Mirrored, n.name)
		}
	}
	return st
}

// quiet reports whether nothing would be lost, and nobody notice, if the room
// left memory: everything is durable and seen, ephemeral synced fields are
// empty, and the room waits for nothing and owes nothing.
func (m *Machine) quiet() bool {
	busy := m.phase != open || m.members.len() == 0 || m.seats > 0 || len(m.joins) > 0 || m.userTimers > 0 || m.work.busy() || len(m.asks) > 0 ||
		!m.journal.idle() || len(m.gate.queue) > 0 || len(m.gate.parked) > 0 || len(m.sync.dirty) > 0 || len(m.members.byConn) < m.members.len()
	if busy || m.laters.owes() {
		return false
	}
	for _, n := range m.nodes {
		if n.unconfirmed > 0 {
			return false
		}
	}
	for mem := range m.members.all() {
		if mem.laters.owes() {
			return false
		}
	}
	empty := true
	for i, spec := range m.fields {
		if spec.Synced && !spec.Durable {
			m.inst.Each(i, func(string, []byte) { empty = false })
		}
	}
	return empty
}

// owes reports whether an answer is still to be given.
func (l *laterList) owes() bool {
	l.tidy()
	return len(l.list) > 0
}

// hibernate leaves memory. The room stays this activation's.
func (m *Machine) hibernate() {
	m.phase = asleep
	m.life++
	m.cancel()
	m.timers, m.userTimers, m.idle = nil, 0, nil
	wake := m.alarmAt()
	if at := m.now.Add(watchAsleep); wake.IsZero() || at.Before(wake) {
		wake = at
	}
	m.effect.Schedule(wake)
	var nodes []string
	for _, n := range m.nodes {
		if n.members > 0 {
			nodes = append(nodes, n.name)
		}
	}
	m.effect.Hibernate(m.journal.owned, nodes)
}

// of reports whether a room that is owned as o is as it was when it fell asleep.
func (st *storedSleep) of(o actors.Owned) bool {
	return st != nil && st.Epoch == o.Epoch && st.Sequence == o.Sequence
}

// leaveBehind says to nodes that the activation which they have heard is over:
// the store was rolled back while it slept. Members' connections come to this
// one.
func (m *Machine) leaveBehind(nodes []string) {
	for _, name := range nodes {
		m.effect.Deliver(name, &wire.Deliver{Room: m.cfg.Ref, Namespace: m.namespace, Epoch: m.epoch, Confirm: true})
	}
}

// wakeUp takes up the life of the activation where hibernate left it, if s is
// of the same activation and nothing has been stored since.
func (m *Machine) wakeUp(s *stored) {
	st := s.sleep
	if !st.of(m.journal.owned) {
		return
	}
	m.sleep.woken = true
	if st.Active != 0 {
		m.epoch = st.Active
	}
	m.sync.version, m.history.tag, m.askID = st.Version, st.Tag, st.AskID
	links := make(map[actors.MemberID]storedLink, len(st.Links))
	for _, l := range st.Links {
		links[l.Member] = l
	}
	for _, mem := range s.seats {
		l := links[mem.ID]
		mem.restored, mem.Connected = false, true
		mem.link, mem.credited = l.Link, l.Credited
		mem.admitted.version = l.Version
		m.members.byConn[mem.conn] = mem
		m.tables[mem.ID] = mem.conn
		n := m.node(mem.conn.Node)
		n.members++
		n.inTable = true
	}
	for _, name := range st.Mirrored {
		m.node(name).mirrored = true
	}
}

func (s *stored) parseSleep(value []byte) error {
	s.sleep = new(storedSleep)
	return json.Unmarshal(value, s.sleep)
}
