package room

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parlor-rooms/parlor/actors"
)

// errFull refuses what would have to wait for the store, where too much does.
func errFull() *actors.Error {
	return actors.Errorf(actors.CodeUnavailable, "what the room keeps cannot be stored at the moment; try again")
}

func errTooMuch() *actors.Error {
	return actors.Errorf(actors.CodeTooLarge, "the turn changes more than can be stored at once")
}

func errNoSpace() *actors.Error {
	return actors.Errorf(actors.CodeTooLarge, "the room keeps as much as it may")
}

// Counted is how much an entry counts towards Config.MaxBytes: what a durable
// field or a seat takes. The rest is bounded by itself.
func Counted(key string, value []byte) int {
	if strings.HasPrefix(key, areaField) || strings.HasPrefix(key, areaSeat) {
		return len(key) + len(value)
	}
	return 0
}

// MostBytes is up to where a room of maxBytes may grow by turns that nobody
// asked for, and so what an activation has to load.
func MostBytes(maxBytes int) int { return maxBytes + maxBytes/8 }

// fits reports whether the room may keep more bytes, where it may keep most.
func (m *Machine) fits(more, most int) bool {
	return m.cfg.MaxBytes == 0 || more <= 0 || m.kept+more <= most
}

// seatBytes is about what the seat of a member takes, beside what it brings.
const seatBytes = 512

// turnEntries is how many entries one turn may write: a batch, but for what
// goes with it.
const turnEntries = actors.MaxBatchEntries - 12

// keepsSeats reports whether seats are stored.
func (m *Machine) keepsSeats() bool {
	return m.journal.lasts && (m.resumes() || m.kind.HibernateAfter > 0)
}

// weigh finds out whether the present turn, which has succeeded, writes, and
// returns the batch it then belongs to; else the one it depends on. A turn
// that is too large for a batch is refused, and so is an event's where the
// gate is full.
func (m *Machine) weigh(c actors.Cause, on uint64) (uint64, *failure) {
	s := &m.turn
	entries, bytes, more := len(s.entries)+len(s.alarms), 0, 0
	for i, ch := range m.inst.Changes() {
		spec := &m.fields[ch.Field]
		if !spec.Durable {
			continue
		}
		key := len(areaField) + len(spec.Name) + 1 + len(ch.Key)
		if key > actors.MaxEntryKey || len(ch.Value) > actors.MaxEntryBytes {
			return on, refused(errTooMuch())
		}
		entries++
		bytes += key + len(ch.Value)
		more += grown(key, ch.Value, m.inst.Replaced()[i])
	}
	if s.cid != "" {
		entries++
		bytes += 2 * actors.MaxEntryKey
	}
	if m.resumes() && s.sends > 0 {
		entries += s.sends + 1
		bytes += s.bytes + 256*s.sends
	}
	most := m.cfg.MaxBytes
	if c.Event == "" {
		most = MostBytes(most)
	}
	switch {
	case entries == 0 && on == 0:
		return 0, nil
	case entries > turnEntries || bytes > actors.MaxBatchBytes:
		return on, refused(errTooMuch())
	case !m.fits(more, most):
		return on, refused(errNoSpace())
	case c.Event != "":
		m.gate.durable.learn(c.Event)
		if m.full() {
			return on, refused(errFull())
		}
	}
	if entries > 0 {
		on = m.journal.reserve(entries, bytes)
	}
	return on, nil
}

// grown is by how much an entry takes more, with a key of so many bytes, where
// value takes the place of before; nil: there is none.
func grown(key int, value, before []byte) int {
	more := len(value) - len(before)
	if before == nil {
		more += key
	}
	if value == nil {
		more -= key
	}
	return more
}

// store has the journal keep what a turn has changed. Nothing before it in the
// turn was seen.
func (m *Machine) store(changes []actors.Change) {
	for i, c := range changes {
		if spec := &m.fields[c.Field]; spec.Durable {
			key := fieldKey(spec.Name, c.Key)
			m.kept += grown(len(key), c.Value, m.inst.Replaced()[i])
			m.journal.write(key, c.Value)
		}
	}
	for _, e := range m.turn.entries {
		m.journal.write(e.Key, e.Value)
	}
}

// describe stores what concerns the room as a whole.
func (m *Machine) describe() {
	m.journal.described = true
	m.journal.write(keyMeta, m.meta())
}

func (m *Machine) meta() []byte {
	meta := storedMeta{Version: m.kind.Version, Seq: m.history.seq}
	if m.kind.Retention > 0 {
		meta.Used = m.used.UnixMilli()
	}
	return encode(meta)
}

// storeSeat stores a seat and returns the batch; 0 if seats are not kept.
func (m *Machine) storeSeat(mem *member) uint64 {
	if !m.keepsSeats() {
		return 0
	}
	seat := encodeSeat(mem)
	m.takes(mem, len(seatKey(mem.ID))+len(seat))
	return m.journal.write(seatKey(mem.ID), seat)
}

// takes notes how much the seat of a member takes in the store.
func (m *Machine) takes(mem *member, bytes int) {
	m.kept += bytes - mem.stored
	mem.stored = bytes
}

// forgetSeat lists what makes a seat, and what goes with it, forgotten.
func (m *Machine) forgetSeat(mem *member) []actors.Entry {
	var gone []actors.Entry
	if m.keepsSeats() {
		m.takes(mem, 0)
		gone = append(gone, actors.Entry{Key: seatKey(mem.ID)}, actors.Entry{Key: markKey(mem.ID)})
	}
	if m.journal.lasts && mem.Identity.Subject == "" {
		for _, c := range mem.commands.order {
			if mem.commands.has(c) {
				gone = append(gone, actors.Entry{Key: c.key()})
			}
		}
		m.commands -= len(mem.commands.byID)
		mem.commands.count(-mem.commands.bytes)
		mem.commands.byID = nil
		delete(m.subjects, mem.commands.subject)
	}
	return gone
}

// takeUp restores what an activation before has stored.
func (m *Machine) takeUp(s *stored) error {
	if s.meta.Version > m.kind.Version {
		return actors.Errorf(actors.CodeUnavailable, "the room was stored by version %d of its kind, and this is version %d", s.meta.Version, m.kind.Version)
	}
	m.kept = s.bytes
	if err := m.migrate(s); err != nil {
		return err
	}
	if err := m.restoreFields(s.fields); err != nil {
		return err
	}
	m.wakeUp(s)
	m.history.restore(s.meta.Seq, s.events)
	m.history.begin(s.lives, s.meta.Seq)
	m.takeUpSeats(s)
	m.takeUpCommands(s.commands)
	m.takeUpAlarms(s.alarms)
	m.used = m.now
	if s.meta.Used != 0 {
		m.used = millis(s.meta.Used)
	}
	return nil
}

// migrate brings what an older version of the kind has stored up to date.
func (m *Machine) migrate(s *stored) error {
	from := s.meta.Version
	if from == m.kind.Version || m.journal.owned.Generation == "" || m.kind.Migrate == nil {
		return nil
	}
	to := make(map[string]map[string]json.RawMessage, len(s.fields))
	for name, entries := range s.fields {
		to[name] = maps.Clone(entries)
	}
	if err := m.kind.Migrate(from, to); err != nil {
		return fmt.Errorf("migrate from version %d to %d: %w", from, m.kind.Version, err)
	}
	changed := changedEntries(s.fields, to)
	bytes, more := 0, 0
	for _, e := range changed {
		bytes += len(e.Key) + len(e.Value)
		name, key, _ := strings.Cut(e.Key[len(areaField):], "/")
		more += grown(len(e.Key), e.Value, s.fields[name][key])
	}
	if !m.fits(more, MostBytes(m.cfg.MaxBytes)) {
		return errNoSpace()
	}
	m.kept += more
	if len(changed) > turnEntries || bytes > actors.MaxBatchBytes {
		return fmt.Errorf("migrate from version %d to %d: it changes %d entries of %d bytes, more than can be stored at once", from, m.kind.Version, len(changed), bytes)
	}
	for _, e := range changed {
		m.journal.write(e.Key, e.Value)
	}
	m.history.seq = s.meta.Seq
	m.describe()
	s.fields = to
	return nil
}

// restoreFields puts back durable fields, by name. What is stored of a field
// that the kind does not have stays stored, and is left alone.
func (m *Machine) restoreFields(fields map[string]map[string]json.RawMessage) error {
	known := make(map[string]bool)
	for i, spec := range m.fields {
		if !spec.Durable {
			continue
		}
		known[spec.Name] = true
		entries := fields[spec.Name]
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			if err := m.inst.Restore(i, key, entries[key]); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !known[name] {
			for key, value := range fields[name] {
				m.foreign = append(m.foreign, actors.Entry{Key: fieldKey(name, key), Value: value})
			}
			m.log.Warn("the store holds a durable field that the kind does not have", "field", name, "entries", len(fields[name]))
		}
	}
	return nil
}
