package room

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// repair is about a store that was rolled back, as a Redis is that was killed,
// or whose replica has taken its place. The activation has in memory what the
// store has lost, and gives it back: it takes the room back (Effects.Reclaim)
// and has the store replace what is there by the room as it is, in one batch.
// That batch is every batch that was not durable, too. Nobody notices: this
// activation goes on, and its epoch, its history and its offsets with it. Only
// the epoch in which it owns the room is another.
type repair struct {
	asked bool         // Effects.Reclaim has not come back
	due   bool         // what is stored is to be replaced
	from  actors.Owned // the room as the store has it, if due
	never bool         // the room in memory is not what is to be stored
}

// busy reports whether the journal waits for a repair.
func (r *repair) busy() bool { return r.asked || r.due }

func (m *Machine) reclaim() {
	if m.journal.repair.asked = true; m.journal.flight == nil {
		m.journal.since = m.now
	}
	m.effect.Reclaim(m.journal.owned)
}

// Recheck looks whether the store still has what it acknowledged, and gives it
// back if not. A room that has a batch on its way will be told.
func (m *Machine) Recheck(now time.Time) {
	m.step(now, func() {
		j := &m.journal
		if j.lasts && j.flight == nil && !j.destroying && !j.repair.busy() && !j.repair.never && m.phase != asleep && m.phase != retiring {
			m.reclaim()
		}
	})
}

// Reclaimed says what has become of Effects.Reclaim: the room as the store has
// it and this activation owns it, or an error if the room is another's. An
// outcome that is not known is not told: it is found out.
func (m *Machine) Reclaimed(now time.Time, owned actors.Owned, err error) {
	m.step(now, func() {
		j := &m.journal
		if !j.repair.asked || m.phase == retiring {
			return
		}
		j.repair.asked = false
		if err != nil {
			m.fenced(err)
			return
		}
		lost := j.flight != nil || owned.Generation != j.owned.Generation || owned.Sequence != j.owned.Sequence
		j.owned.Epoch = owned.Epoch
		if m.destroyed {
			j.flight, j.destroying = nil, false // it is asked once more
			return
		}
		j.repair.due, j.repair.from = lost, owned
	})
}

// giveBack hands over the room as it is, if that is due. While an instance is
// being made there is none.
func (m *Machine) giveBack() {
	j := &m.journal
	if !j.repair.due || m.phase == opening || m.phase == retiring {
		return
	}
	b := &batch{number: j.last, entries: m.whole(), bytes: j.bytes}
	generation := j.owned.Generation
	if generation == "" {
		generation = m.history.long
	}
	b.sent = &actors.Batch{
		Owned: j.repair.from, ID: m.cfg.NewID(), NewGeneration: generation, Replace: true, Durability: m.kind.Durability, Entries: b.entries,
	}
	if err := b.sent.Check(m.cfg.Ref); err != nil {
		m.fenced(err) // there is too much of it
		return
	}
	m.log.Warn("the store has lost what it had acknowledged, and is given it back",
		"entries", len(b.entries), "batches", j.owned.Sequence, "left", j.repair.from.Sequence)
	j.repair.due = false
	j.flight, j.since, j.ready, j.open = b, m.now, nil, nil
	j.described, j.named = true, m.history.tag != ""
	j.agenda.known, j.agenda.stale = false, true // it may be older, too
	m.sleep.batch = 0
	m.effect.Append(Append{Batch: b.sent, Wake: m.sooner()})
}

// whole lists what is stored of the room as its turns have it, by key. Not
// among it is what only helps a room out of hibernation.
func (m *Machine) whole() []actors.Entry {
	all := slices.Clone(m.foreign)
	put := func(key string, value []byte) { all = append(all, actors.Entry{Key: key, Value: value}) }
	put(keyMeta, m.meta())
	if m.history.tag != "" {
		put(keyLives, encode(m.history.lives))
	}
	for i, spec := range m.fields {
		if spec.Durable {
			m.inst.Each(i, func(key string, value []byte) { put(fieldKey(spec.Name, key), value) })
		}
	}
	if m.resumes() {
		for _, k := range m.history.kept {
			put(eventKey(k.seq), encodeEvent(unstamped(k.item)))
		}
	}
	if m.keepsSeats() {
		for mem := range m.members.all() {
			put(seatKey(mem.ID), encodeSeat(mem))
			if mem.mark != nil {
				put(markKey(mem.ID), mem.mark)
			}
		}
	}
	for _, l := range m.subjects {
		for _, c := range l.byID {
			put(c.key(), encodeCommand(c.serial, c.finished, c.ack, c.err))
		}
	}
	for name, a := range m.alarms {
		put(areaAlarm+name, strconv.AppendInt(nil, a.at.UnixMilli(), 10))
	}
	slices.SortFunc(all, func(a, b actors.Entry) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// unstamped is an event of the history without its offset.
func unstamped(e wire.Emit) wire.Emit {
	end := bytes.LastIndexByte(e.Data.JSON, ',') // the offset is the last element, and has none
	e.Data.JSON = append(e.Data.JSON[:end:end], ']')
	return e
}
