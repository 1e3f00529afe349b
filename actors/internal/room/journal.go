package room

import (
	"errors"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// A batch is closed when it holds so much, so that none takes long. A turn is
// never torn apart: what one turn writes is in one batch, and may be more.
const (
	batchEntries = 1024
	batchBytes   = 1 << 20
)

// journal is what the room has its store keep. One batch is on its way at a
// time; what turns write meanwhile is gathered for the next.
type journal struct {
	apart  bool // turns share no batch
	lasts  bool // there is a store, and the room is this activation's
	owned  actors.Owned
	flight *batch       // on its way
	since  time.Time    // when it was handed over
	ready  []*batch     // closed, in their order
	open   *batch       // turns write into it; nil if nothing was written
	bytes  int          // of all of these
	last   uint64       // number of the latest batch
	trace  actors.Trace // of what writes at present
	done   uint64       // every batch up to this one is durable
	writes uint64       // entries that were set or removed

	described bool // this activation has stored storedMeta
	named     bool // and that it is one of those that had the history
	agenda    agenda
	repair    repair

	destroying bool // the store was asked to forget the room
	gone       bool // it has
}

// batch is what is appended at once.
type batch struct {
	number  uint64
	entries []actors.Entry
	at      map[string]int // by key
	bytes   int
	sent    *actors.Batch // once it is on its way
	trace   actors.Trace  // of the latest turn in it that is traced
}

// pending returns the latest batch that is not durable, 0 if there is none.
func (j *journal) pending() uint64 {
	if j.last > j.done {
		return j.last
	}
	return 0
}

// reserve returns the batch that the present turn writes into, given how much
// that will be.
func (j *journal) reserve(entries, bytes int) uint64 {
	if b := j.open; b != nil && (j.apart || len(b.entries)+entries > batchEntries || b.bytes+bytes > batchBytes) {
		j.ready = append(j.ready, b)
		j.open = nil
	}
	if j.open == nil {
		j.last++
		j.open = &batch{number: j.last, at: make(map[string]int)}
	}
	return j.open.number
}

// write sets an entry, or removes it if value is nil, and returns the batch.
// It does nothing if nothing of the room is kept.
func (j *journal) write(key string, value []byte) uint64 {
	if !j.lasts {
		return 0
	}
	if j.open == nil {
		j.reserve(1, len(key)+len(value))
	}
	j.put(j.open, key, value)
	return j.open.number
}

func (j *journal) put(b *batch, key string, value []byte) {
	if j.trace.Sampled() {
		b.trace = j.trace
	}
	n := len(value)
	j.writes++
	if i, ok := b.at[key]; ok {
		n -= len(b.entries[i].Value)
		b.entries[i].Value = value
	} else {
		n += len(key)
		b.at[key] = len(b.entries)
		b.entries = append(b.entries, actors.Entry{Key: key, Value: value})
	}
	b.bytes += n
	j.bytes += n
}

// slack makes sure that the batch that is written into has room for a turn, so
// that what is written now and that turn are kept or lost together.
func (j *journal) slack() {
	if j.open != nil && j.lasts {
		j.reserve(batchEntries/2, batchBytes/2)
	}
}

// next takes the batch that is to be handed over; nil if there is none.
func (j *journal) next() *batch {
	b := j.open
	if len(j.ready) > 0 {
		b = j.ready[0]
		j.ready[0] = nil
		j.ready = j.ready[1:]
	} else {
		j.open = nil
	}
	return b
}

// idle reports whether everything is durable.
func (j *journal) idle() bool {
	return j.flight == nil && !j.repair.busy() && (j.open == nil && len(j.ready) == 0 || j.gone)
}

// written reports whether the store holds anything of the room.
func (j *journal) written() bool { return j.owned.Generation != "" }

// append hands the next batch over, if none is on its way.
func (m *Machine) append() {
	j := &m.journal
	if !j.lasts || j.flight != nil || j.repair.busy() || m.phase == retiring {
		return
	}
	if m.destroyed {
		if !j.destroying {
			j.destroying = true
			m.effect.Destroy()
		}
		return
	}
	b := j.next()
	if b == nil {
		return
	}
	if !j.described {
		j.described = true
		j.put(b, keyMeta, m.meta())
	}
	if !j.named && m.history.tag != "" { // before anybody is given an offset with the tag
		j.named = true
		j.put(b, keyLives, encode(m.history.lives))
	}
	b.sent = &actors.Batch{Owned: j.owned, ID: m.cfg.NewID(), Durability: m.kind.Durability, Entries: b.entries}
	if j.owned.Generation == "" {
		b.sent.NewGeneration = m.history.long
	}
	j.flight, j.since = b, m.now
	m.effect.Append(Append{Batch: b.sent, Wake: m.sooner(), Trace: b.trace})
}

// Appended says what has become of the batch with an id: nil if it is durable,
// or an error if it was not applied and never will be, because the room is
// another's, or the store was rolled back. An outcome that is not known is not told: it is found out. Only
// the first call for a batch counts.
func (m *Machine) Appended(now time.Time, id string, err error) {
	m.step(now, func() {
		j := &m.journal
		b := j.flight
		if b == nil || b.sent.ID != id || j.repair.busy() || m.phase == retiring {
			return
		}
		if err != nil {
			m.refused(err)
			return
		}
		j.flight = nil
		j.bytes -= b.bytes
		j.done = b.number
		j.owned = b.sent.After()
		m.release()
	})
}

// Destroyed says what has become of Effects.Destroy, as Appended does.
func (m *Machine) Destroyed(now time.Time, err error) {
	m.step(now, func() {
		j := &m.journal
		if !j.destroying || j.gone || j.repair.asked || m.phase == retiring {
			return
		}
		if err != nil {
			m.refused(err)
			return
		}
		j.gone = true
		j.open, j.ready, j.bytes = nil, nil, 0
		j.done = j.last
		m.release()
	})
}

// refused finds out why the store does not take what it was given.
func (m *Machine) refused(err error) {
	if !errors.Is(err, actors.ErrFenced) || m.journal.repair.never {
		m.fenced(err)
		return
	}
	m.reclaim()
}

// fenced ends an activation that is not the room any more. What it holds back
// never happened; members come back to the one that has taken its place.
func (m *Machine) fenced(err error) {
	m.log.Warn("the room is another's", "error", err)
	m.journal.flight, m.journal.open, m.journal.ready = nil, nil, nil
	m.laters.abandon()
	m.abandon(actors.ReasonShutdown)
}
