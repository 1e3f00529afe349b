package room

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// What is stored of a room, by the first bytes of the key. Values are JSON.
//
//	f/<field>/<key>    an entry of a durable field
//	e/<sequence>       a reliable event, of kinds that resume
//	c/<subject>/<cid>  what a command was answered
//	s/<member>         a seat, of kinds that resume or hibernate
//	l/<member>         storedMark, of a seat
//	a/<name>           an alarm: when, in milliseconds since 1970
//	m                  about the whole: storedMeta
//	t                  the latest activations, of kinds that resume: a list of life
//	i                  the room is being imported
//	h                  what a room that hibernates wakes up with: storedSleep
const (
	areaField   = "f/"
	areaEvent   = "e/"
	areaCommand = "c/"
	areaSeat    = "s/"
	areaMark    = "l/"
	areaAlarm   = "a/"
	keyMeta     = "m"
	keyLives    = "t"
)

func fieldKey(name, key string) string { return areaField + name + "/" + key }
func eventKey(seq uint64) string       { return areaEvent + strconv.FormatUint(seq, 10) }
func seatKey(id actors.MemberID) string {
	return areaSeat + string(id)
}

// storedMeta is what is stored once per room.
type storedMeta struct {
	Version int    `json:"version,omitempty"` // of the kind
	Seq     uint64 `json:"seq,omitempty"`     // of the latest reliable event
	Used    int64  `json:"used,omitempty"`    // when somebody used the room last, if the kind has a Retention
}

// storedEvent is a reliable event without its offset.
type storedEvent struct {
	Data        json.RawMessage   `json:"d"`
	Attachments [][]byte          `json:"b,omitempty"`
	To          []actors.MemberID `json:"to"` // null: everybody
	Except      []actors.MemberID `json:"ex,omitempty"`
}

// storedSeat is a seat.
type storedSeat struct {
	N      uint64          `json:"n"` // the order of joining
	PID    string          `json:"pid,omitempty"`
	Node   string          `json:"node"`
	Conn   uint64          `json:"conn"`
	Asked  actors.MemberID `json:"asked"`
	Who    actors.Identity `json:"who"`
	Auth   json.RawMessage `json:"auth,omitempty"`
	Joined int64           `json:"at"`            // milliseconds since 1970
	Seq    uint64          `json:"seq,omitempty"` // of the history when it was admitted
	Away   int64           `json:"away,omitempty"`
}

// storedCommand is what a command was answered.
type storedCommand struct {
	N           uint64          `json:"n"` // the order in which they came
	Done        bool            `json:"done,omitempty"`
	Ack         json.RawMessage `json:"ack,omitempty"`
	Attachments [][]byte        `json:"b,omitempty"`
	Err         *storedError    `json:"err,omitempty"`
}

type storedError struct {
	Code    actors.Code     `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// stored is what was found of a room.
type stored struct {
	meta     storedMeta
	fields   map[string]map[string]json.RawMessage
	events   []keptEvent // ascending
	lives    []life      // in the order of beginning
	seats    []*member   // in the order of joining
	away     map[actors.MemberID]time.Time
	marks    map[actors.MemberID]storedMark
	commands []foundCommand // in the order in which they came
	alarms   map[string]time.Time
	bytes    int          // that count towards Config.MaxBytes
	partial  bool         // an import was cut short
	sleep    *storedSleep // nil: the room has never hibernated
}

type foundCommand struct {
	subject, cid string
	storedCommand
}

// parseStored reads what an activation before has stored.
func parseStored(entries []actors.Entry) (*stored, error) {
	s := &stored{
		fields: make(map[string]map[string]json.RawMessage),
		away:   make(map[actors.MemberID]time.Time), alarms: make(map[string]time.Time),
		marks: make(map[actors.MemberID]storedMark),
	}
	for _, e := range entries {
		if err := s.parse(e); err != nil {
			return nil, fmt.Errorf("stored entry %q: %w", e.Key, err)
		}
	}
	slices.SortFunc(s.events, func(a, b keptEvent) int { return cmp64(a.seq, b.seq) })
	slices.SortFunc(s.seats, func(a, b *member) int { return cmp64(a.serial, b.serial) })
	slices.SortFunc(s.commands, func(a, b foundCommand) int { return cmp64(a.N, b.N) })
	return s, nil
}

func cmp64(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (s *stored) parse(e actors.Entry) error {
	s.bytes += Counted(e.Key, e.Value)
	area, rest := e.Key, ""
	if i := strings.IndexByte(e.Key, '/'); i >= 0 {
		area, rest = e.Key[:i+1], e.Key[i+1:]
	}
	name, key, _ := strings.Cut(rest, "/")
	switch area {
	case areaField:
		if s.fields[name] == nil {
			s.fields[name] = make(map[string]json.RawMessage)
		}
		s.fields[name][key] = e.Value
		return nil
	case areaMark:
		return s.parseMark(actors.MemberID(rest), e.Value)
	case areaEvent:
		return s.parseEvent(rest, e.Value)
	case areaSeat:
		return s.parseSeat(actors.MemberID(rest), e.Value)
	case areaCommand:
		f := foundCommand{subject: name, cid: key}
		err := json.Unmarshal(e.Value, &f.storedCommand)
		s.commands = append(s.commands, f)
		return err
	case areaAlarm:
		at, err := strconv.ParseInt(string(e.Value), 10, 64)
		s.alarms[rest] = millis(at)
		return err
	case keyMeta:
		return json.Unmarshal(e.Value, &s.meta)
	case keyLives:
		return json.Unmarshal(e.Value, &s.lives)
	case keySleep:
		return s.parseSleep(e.Value)
	case keyImport:
		s.partial = true
		return nil
	}
	return fmt.Errorf("it is of no known area")
}

func (s *stored) parseEvent(seq string, value []byte) error {
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return err
	}
	var e storedEvent
	if err := json.Unmarshal(value, &e); err != nil {
		return err
	}
	s.events = append(s.events, keptEvent{n, wire.Emit{Data: actors.Raw{JSON: e.Data, Attachments: e.Attachments}, To: e.To, Except: e.Except}})
	return nil
}

func encodeEvent(e wire.Emit) []byte {
	return encode(storedEvent{Data: e.Data.JSON, Attachments: e.Data.Attachments, To: e.To, Except: e.Except})
}

func (s *stored) parseSeat(id actors.MemberID, value []byte) error {
	var seat storedSeat
	if err := json.Unmarshal(value, &seat); err != nil {
		return err
	}
	mem := &member{
		asked: seat.Asked, conn: wire.ConnRef{Node: seat.Node, ID: seat.Conn}, pid: seat.PID, serial: seat.N, restored: true,
	}
	mem.Member = actors.Member{
		ID: id, UserID: seat.Who.Subject, Identity: seat.Who, Auth: seat.Auth, JoinedAt: millis(seat.Joined),
	}
	mem.admitted.seq = seat.Seq
	mem.stored = len(seatKey(id)) + len(value)
	s.seats = append(s.seats, mem)
	if seat.Away != 0 {
		s.away[id] = millis(seat.Away)
	}
	return nil
}

func encodeSeat(mem *member) []byte {
	seat := storedSeat{
		N: mem.serial, PID: mem.pid, Node: mem.conn.Node, Conn: mem.conn.ID, Asked: mem.asked,
		Who: mem.Identity, Auth: mem.Auth, Joined: mem.JoinedAt.UnixMilli(), Seq: mem.admitted.seq,
	}
	if mem.grace != nil {
		seat.Away = mem.grace.at.UnixMilli()
	}
	return encode(seat)
}

func encodeCommand(n uint64, done bool, ack actors.Raw, err *actors.Error) []byte {
	c := storedCommand{N: n, Done: done, Ack: ack.JSON, Attachments: ack.Attachments}
	if err != nil {
		c.Err = &storedError{Code: err.Code, Message: err.Message}
		if raw, is := err.Data.(actors.Raw); is {
			c.Err.Data = raw.JSON
		}
	}
	return encode(c)
}

// encode is for values that can be encoded.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("room: encode %T: %v", v, err))
	}
	return b
}

// changedEntries lists what makes one state of fields another.
func changedEntries(from, to map[string]map[string]json.RawMessage) []actors.Entry {
	var changed []actors.Entry
	for _, name := range slices.Sorted(maps.Keys(from)) {
		for _, key := range slices.Sorted(maps.Keys(from[name])) {
			if _, kept := to[name][key]; !kept {
				changed = append(changed, actors.Entry{Key: fieldKey(name, key)})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(to)) {
		for _, key := range slices.Sorted(maps.Keys(to[name])) {
			value := to[name][key]
			if before, was := from[name][key]; !was || string(before) != string(value) {
				changed = append(changed, actors.Entry{Key: fieldKey(name, key), Value: value})
			}
		}
	}
	return changed
}
