package room

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/parlor-rooms/parlor/actors"
)

// The calls that read a room as it is kept, and make one of that. Members
// cannot send them: the names are reserved.
const (
	ExportCall = "room:export" // answered with an Exported
	ImportCall = "room:import" // its argument is an Exported
)

// Exported is what makes a room: its durable fields and alarms. Seats, events
// that may be replayed and commands belong to the room that it was taken from.
type Exported struct {
	Version int                                   `json:"version,omitempty"` // of the kind
	Fields  map[string]map[string]json.RawMessage `json:"fields"`
	Alarms  map[string]int64                      `json:"alarms,omitempty"` // milliseconds since 1970
}

// keyImport is there while a room is imported in more than one batch: where it
// is found, the rest is missing.
const keyImport = "i"

// admin carries out a call for the runtime instead of the user's room, and
// reports whether it is one.
func (m *Machine) admin(r *request, args []json.RawMessage) bool {
	switch r.event.Name {
	case ExportCall:
		m.depending(m.journal.pending(), func() {
			r.answered = true
			ack, err := actors.EncodeArgs(nil, m.export())
			r.deliver(ack, public(err))
		})
	case ImportCall:
		if err := m.importRoom(r, args); err != nil {
			r.refuse(err)
		}
	default:
		return false
	}
	return true
}

func (m *Machine) export() Exported {
	x := Exported{Version: m.kind.Version, Fields: make(map[string]map[string]json.RawMessage), Alarms: make(map[string]int64)}
	for i, spec := range m.fields {
		if spec.Durable {
			entries := make(map[string]json.RawMessage)
			m.inst.Each(i, func(key string, value []byte) { entries[key] = value })
			x.Fields[spec.Name] = entries
		}
	}
	for name, a := range m.alarms {
		x.Alarms[name] = a.at.UnixMilli()
	}
	return x
}

// importRoom stores what makes a room, and ends the activation: the next one
// is that room. It answers r once everything is durable.
func (m *Machine) importRoom(r *request, args []json.RawMessage) *actors.Error {
	var x Exported
	switch {
	case len(args) != 1 || json.Unmarshal(args[0], &x) != nil:
		return actors.Errorf(actors.CodeBadPayload, "it is not a room")
	case !m.journal.lasts:
		return actors.Errorf(actors.CodeInvalid, "nothing is kept of rooms of this kind")
	case x.Version > m.kind.Version:
		return actors.Errorf(actors.CodeInvalid, "it was exported by version %d of its kind, and this is version %d", x.Version, m.kind.Version)
	case m.members.len() > 0 || len(m.joins) > 0 || len(m.alarms) > 0 || !m.empty() || m.work.busy():
		return actors.Errorf(actors.CodeConflict, "the room is there already")
	}
	entries := changedEntries(nil, x.Fields)
	for _, name := range slices.Sorted(maps.Keys(x.Alarms)) {
		entries = append(entries, actors.Entry{Key: areaAlarm + name, Value: strconv.AppendInt(nil, x.Alarms[name], 10)})
	}
	bytes := 0
	for _, e := range entries {
		bytes += Counted(e.Key, e.Value)
		if len(e.Key) > actors.MaxEntryKey || len(e.Value) > actors.MaxEntryBytes {
			return actors.Errorf(actors.CodeTooLarge, "%.100q is more than can be stored", e.Key)
		}
	}
	if !m.fits(bytes, m.cfg.MaxBytes) {
		return errNoSpace()
	}
	m.journal.described, m.journal.repair.never = true, true
	m.journal.write(keyMeta, encode(storedMeta{Version: x.Version, Seq: m.history.seq, Used: m.now.UnixMilli()}))
	m.journal.write(keyImport, []byte("1"))
	for _, e := range entries {
		m.journal.reserve(1, len(e.Key)+len(e.Value))
		m.journal.write(e.Key, e.Value)
	}
	r.answered = true
	m.depending(m.journal.write(keyImport, nil), func() { r.deliver(actors.Raw{}, nil) })
	if len(x.Alarms) > 0 {
		m.effect.Schedule(millis(slices.Min(slices.Collect(maps.Values(x.Alarms)))))
	}
	m.abandoned = true // no hook is run: it would be of the room that was not there
	m.cancelTimer(m.idle)
	m.drain()
	return nil
}

// undoImport removes what an import has stored that was cut short, and so was
// never answered: there was no room before.
func (m *Machine) undoImport(entries []actors.Entry) {
	for _, e := range entries {
		if e.Key != keyImport {
			m.unstore(e.Key)
		}
	}
	m.journal.write(keyImport, nil) // last
}
