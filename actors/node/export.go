package node

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/room"
)

// exportLine is one line of an exported room: the first names it, each other
// one is an entry of a durable field, or an alarm.
type exportLine struct {
	Kind    string          `json:"kind,omitempty"`
	ID      string          `json:"id,omitempty"`
	Version int             `json:"version,omitempty"`
	Field   string          `json:"field,omitempty"`
	Key     string          `json:"key,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Alarm   string          `json:"alarm,omitempty"`
	At      int64           `json:"at,omitempty"` // milliseconds since 1970
}

// maxExportLine is the longest line that Import reads, in bytes.
const maxExportLine = actors.MaxEntryBytes + 64<<10

// Export writes what is kept of a room as JSON, one entry per line: durable
// fields and alarms, all as of one moment, and durable. It wakes the room, and
// blocks until that is done or ctx ends. Members notice nothing.
func (n *Node) Export(ctx context.Context, ref actors.RoomRef, w io.Writer) error {
	var x room.Exported
	if err := n.Call(ctx, ref, room.ExportCall, nil, &x); err != nil {
		return fmt.Errorf("export %v: %w", ref, err)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	lines := []exportLine{{Kind: ref.Kind, ID: ref.ID, Version: x.Version}}
	for _, name := range slices.Sorted(maps.Keys(x.Fields)) {
		for _, key := range slices.Sorted(maps.Keys(x.Fields[name])) {
			lines = append(lines, exportLine{Field: name, Key: key, Value: x.Fields[name][key]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(x.Alarms)) {
		lines = append(lines, exportLine{Alarm: name, At: x.Alarms[name]})
	}
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("export %v: %w", ref, err)
		}
	}
	return nil
}

// Import makes a room of what Export wrote, under any name of the same kind.
// It blocks until that is durable or ctx ends; in the latter case it may have
// been done. It returns an *actors.Error with CodeConflict if the room holds
// anything, or anybody is in it.
func (n *Node) Import(ctx context.Context, ref actors.RoomRef, r io.Reader) error {
	x, err := readExport(ref, r)
	if err != nil {
		return fmt.Errorf("import %v: %w", ref, err)
	}
	if err := n.Call(ctx, ref, room.ImportCall, x, nil); err != nil {
		return fmt.Errorf("import %v: %w", ref, err)
	}
	return nil
}

func readExport(ref actors.RoomRef, r io.Reader) (room.Exported, error) {
	x := room.Exported{Fields: make(map[string]map[string]json.RawMessage), Alarms: make(map[string]int64)}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxExportLine)
	for at := 1; lines.Scan(); at++ {
		var l exportLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return x, fmt.Errorf("line %d: %w", at, err)
		}
		switch {
		case at == 1 && l.Kind != ref.Kind:
			return x, fmt.Errorf("line 1: it is a room of kind %q", l.Kind)
		case at == 1:
			x.Version = l.Version
		case l.Field != "" && l.Value != nil:
			if x.Fields[l.Field] == nil {
				x.Fields[l.Field] = make(map[string]json.RawMessage)
			}
			x.Fields[l.Field][l.Key] = l.Value
		case l.Alarm != "" && l.At != 0:
			x.Alarms[l.Alarm] = l.At
		default:
			return x, fmt.Errorf("line %d: it is neither an entry nor an alarm", at)
		}
	}
	return x, lines.Err()
}
