package lasting

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// asked is what a witness asks of a ledger: to write a line, or for all lines.
type asked struct {
	room  string
	write bool
	line  line
}

// answer is what it was told; nothing, if nobody knows what came of it.
type answer struct {
	known bool
	at    int    // where the line stands
	lines []line // all lines
}

// history is what witnesses asked and were answered, with a clock that tells
// no two moments apart that a client could not.
type history struct {
	clock atomic.Int64

	mu  sync.Mutex // guards the following
	ops []porcupine.Operation
}

func (h *history) now() int64 { return h.clock.Add(1) }

// add notes an operation that has ended. One whose outcome nobody knows may
// take effect at any time from its call on, or never: it ends after all others,
// and is settled by the last read.
func (h *history) add(client int, call int64, in asked, out answer) {
	op := porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: math.MaxInt64}
	if out.known {
		op.Return = h.now()
	} else if !in.write {
		return // it changed nothing and told nothing
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

// ledgerModel is a ledger that has one turn at a time.
var ledgerModel = porcupine.Model{
	Partition: func(ops []porcupine.Operation) (parts [][]porcupine.Operation) {
		byRoom := make(map[string][]porcupine.Operation)
		for _, op := range ops {
			room := op.Input.(asked).room
			byRoom[room] = append(byRoom[room], op)
		}
		for _, part := range byRoom {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return []line(nil) },
	Step: func(state, input, output any) (bool, any) {
		lines, in, out := state.([]line), input.(asked), output.(answer)
		if !in.write {
			return slices.Equal(out.lines, lines), lines
		}
		if out.known && out.at != len(lines) {
			return false, nil
		}
		return true, append(slices.Clone(lines), in.line)
	},
	Equal: func(a, b any) bool { return slices.Equal(a.([]line), b.([]line)) },
	DescribeOperation: func(input, output any) string {
		in, out := input.(asked), output.(answer)
		switch {
		case !in.write:
			return fmt.Sprintf("read → %d lines", len(out.lines))
		case !out.known:
			return fmt.Sprintf("write %v → ?", in.line)
		}
		return fmt.Sprintf("write %v → %d", in.line, out.at)
	},
}

// settled is the history without what nobody knows of, for which porcupine
// would try every order. Lines only come, and the last look at a room is behind
// all else: a line that it has took effect where it stands, before its answer;
// of one that it has not, nothing is to be explained.
func settled(ops []porcupine.Operation) (known []porcupine.Operation) {
	last := make(map[string]porcupine.Operation) // read, by room
	for _, op := range ops {
		if in := op.Input.(asked); !in.write && op.Return > last[in.room].Return {
			last[in.room] = op
		}
	}
	for _, op := range ops {
		in := op.Input.(asked)
		if look, ok := last[in.room]; ok && !op.Output.(answer).known {
			at := slices.Index(look.Output.(answer).lines, in.line)
			if at < 0 {
				continue
			}
			op.Output, op.Return = answer{known: true, at: at}, look.Return
		}
		known = append(known, op)
	}
	return known
}

// judge says whether some order of the turns explains the history.
func (h *history) judge() porcupine.CheckResult {
	h.mu.Lock()
	defer h.mu.Unlock()
	return porcupine.CheckOperationsTimeout(ledgerModel, settled(h.ops), time.Minute)
}
