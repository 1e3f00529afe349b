package room

import (
	"slices"
	"strconv"
	"strings"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// position is a place in a room's history.
type position struct {
	generation string
	seq        uint64 // reliable events up to here
	version    uint64 // state version
	tag        string // of the activation that counts versions; empty where one has the whole history
}

// offset writes a position as clients see it, docs/protocol.md section 6. It
// stands for itself as a JSON string.
func (p position) offset() string {
	b := make([]byte, 0, 64)
	b = append(append(append(b, "r1."...), p.generation...), '.')
	b = append(strconv.AppendUint(b, p.seq, 10), '.')
	b = strconv.AppendUint(b, p.version, 10)
	if p.tag != "" {
		b = append(append(b, '.'), p.tag...)
	}
	return string(b)
}

// parseOffset reads what a client sends back.
func parseOffset(s string) (position, bool) {
	parts := strings.Split(s, ".")
	if len(s) > 200 || len(parts) < 4 || len(parts) > 5 || parts[0] != "r1" {
		return position{}, false
	}
	tag := ""
	if len(parts) == 5 {
		tag = parts[4]
	}
	seq, err1 := strconv.ParseUint(parts[2], 10, 64)
	version, err2 := strconv.ParseUint(parts[3], 10, 64)
	return position{parts[1], seq, version, tag}, err1 == nil && err2 == nil
}

// history keeps the latest reliable events for members that return.
type history struct {
	long       string      // names one life of the history; no other has it
	generation string      // what clients see of long
	tag        string      // of this activation, if the history may outlive it
	lives      []life      // the latest activations that stored something, and this one
	seq        uint64      // of the latest reliable event
	sent       uint64      // of the latest that was not held back
	kept       []keptEvent // ascending, without gaps, up to seq
	bytes      int         // of kept
	maxEvents  int
	maxBytes   int
	floor      uint64 // events up to here are not kept any more
	pruned     uint64 // of those, events up to here are not stored any more
}

type keptEvent struct {
	seq  uint64
	item wire.Emit
}

// rememberLives is how many activations a room remembers. Who returns with the
// offset of one before them starts afresh.
const rememberLives = 64

// life is an activation that had the history.
type life struct {
	Tag  string `json:"tag"`
	From uint64 `json:"from"` // the events it found
}

// begin notes that this activation has the history from here on, unless it had
// it before it hibernated.
func (h *history) begin(lives []life, seq uint64) {
	h.lives = lives
	if h.tag == "" || slices.ContainsFunc(lives, func(l life) bool { return l.Tag == h.tag }) {
		return
	}
	h.lives = append(lives[max(0, len(lives)+1-rememberLives):], life{h.tag, seq})
}

// follows reports whether the history has what was seen of it at p, in an
// earlier activation. If a later one found fewer events than that, the store
// had lost some, as a Redis whose replica was behind, and others may have taken
// their place since. Of an activation that is not remembered nobody knows.
func (h *history) follows(p position) bool {
	i := slices.IndexFunc(h.lives, func(l life) bool { return l.Tag == p.tag })
	return i >= 0 && !slices.ContainsFunc(h.lives[i+1:], func(l life) bool { return l.From < p.seq })
}

func (h *history) init(k actors.KindConfig, generation string) {
	h.long, h.generation = generation, generation[:min(len(generation), 8)]
	h.maxEvents, h.maxBytes = k.ResumeEvents, k.ResumeBytes
}

// restore takes up a history that an earlier activation has stored: its events
// are without offset. Where one is missing, those before it are worth nothing.
func (h *history) restore(seq uint64, events []keptEvent) {
	h.seq, h.sent, h.floor, h.pruned = seq, seq, seq, seq
	if len(events) > 0 {
		h.pruned = events[0].seq - 1
	}
	first := len(events)
	for first > 0 && events[first-1].seq == h.floor {
		first--
		h.floor--
	}
	for _, e := range events[first:] {
		p := position{h.generation, e.seq, 0, h.tag}
		e.item.Data.JSON = stamped(e.item.Data.JSON, p)
		h.kept = append(h.kept, e)
		h.bytes += size(e.item)
	}
	h.bound()
}

// keep remembers item as the event of the present sequence number.
func (h *history) keep(item wire.Emit) {
	h.kept = append(h.kept, keptEvent{h.seq, item})
	h.bytes += size(item)
	h.bound()
}

// bound forgets the oldest events, as long as there are too many.
func (h *history) bound() {
	drop := 0
	for drop < len(h.kept) && (len(h.kept)-drop > h.maxEvents || h.bytes > h.maxBytes) {
		h.bytes -= size(h.kept[drop].item)
		h.floor = h.kept[drop].seq
		h.kept[drop] = keptEvent{}
		drop++
	}
	h.kept = h.kept[drop:]
}

// trim forgets the older half of what is kept, but nothing that is held back.
func (h *history) trim() {
	n := 0
	for n < (len(h.kept)+1)/2 && h.kept[n].seq <= h.sent {
		h.bytes -= size(h.kept[n].item)
		h.floor = h.kept[n].seq
		n++
	}
	h.kept = slices.Clone(h.kept[n:]) // the array is as long as it ever was
}

// Trim forgets the older half of the events that are kept for members that
// return, for want of memory. Who needs one of them is told that it has missed
// something, as always.
func (m *Machine) Trim() { m.history.trim() }

// size is about what an event takes in memory.
func size(e wire.Emit) int {
	const id = 16 // the text is shared
	return rawSize(e.Data) + id*(len(e.To)+len(e.Except))
}

func rawSize(r actors.Raw) int {
	n := len(r.JSON)
	for _, a := range r.Attachments {
		n += len(a)
	}
	return n
}

// since returns the events after seq that were meant for a member, and whether
// none is missing.
func (h *history) since(seq uint64, id actors.MemberID) (missed []wire.Emit, whole bool) {
	if seq < h.floor || seq > h.seq {
		return nil, false
	}
	for _, k := range h.kept {
		if k.seq > seq && meantFor(k.item, id) {
			item := k.item
			item.To, item.Except = nil, nil
			missed = append(missed, item)
		}
	}
	return missed, true
}

func meantFor(e wire.Emit, id actors.MemberID) bool {
	if slices.Contains(e.Except, id) {
		return false
	}
	return e.To == nil || slices.Contains(e.To, id)
}
