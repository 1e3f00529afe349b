package lasting

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// line is what a member writes; its numbers count up.
type line struct {
	By string `json:"by"`
	N  int    `json:"n"`
}

// written is what everybody is told of a line.
type written struct {
	line
	At int `json:"at"`
}

// ledger is a room that keeps lines in the order in which they came. It takes
// a line twice if it is asked twice: that a command takes effect once is for
// the runtime to see to.
type ledger struct {
	Lines actors.Map[int, line] `room:"lines,durable"`
	Count actors.Value[int]     `room:"count,durable,synced"`
	Looks actors.Value[int]     `room:"looks,durable"`
}

// Write answers with where the line stands.
func (l *ledger) Write(t *actors.Turn, in line) (int, error) {
	at := l.Count.Get()
	l.Lines.Set(at, in)
	l.Count.Set(at + 1)
	t.Broadcast("written", written{in, at})
	return at, nil
}

// pageLines is how many lines Read answers with at most.
const pageLines = 1_000

// Read answers with the lines from one on.
func (l *ledger) Read(_ *actors.Turn, from int) ([]line, error) {
	page := []line{}
	for at := from; at < min(l.Count.Get(), from+pageLines); at++ {
		in, _ := l.Lines.Get(at)
		page = append(page, in)
	}
	return page, nil
}

// Look is Read, of the first lines, and writes something: so that only the
// owner of the room can answer it.
func (l *ledger) Look(t *actors.Turn, _ int) ([]line, error) {
	l.Looks.Set(l.Looks.Get() + 1)
	return l.Read(t, 0)
}

// ledgerKind is ledgers that are kept at a level; the empty one is the default.
func ledgerKind(level actors.Durability) actors.Behavior {
	k := actors.NewKind("ledger", func() *ledger { return new(ledger) }, actors.KindConfig{
		Create: actors.CreateAnyone, Durability: level, ResumeWithin: time.Minute, ResumeEvents: 20_000, ResumeBytes: 16 << 20,
	})
	actors.OnAck(k, "write", (*ledger).Write)
	actors.OnAck(k, "read", (*ledger).Read)
	actors.OnAck(k, "look", (*ledger).Look)
	return k
}
