package fanout

import (
	"slices"
	"strconv"

	"github.com/parlor-rooms/parlor/actors"
)

// state is a room:state of one version, encoded once. Its last part is either
// the same for everybody or unfinished: each member's own entries go there.
type state struct {
	version    uint64
	offset     string
	parts      []*actors.Packet // all but the last
	tail       []byte           // payload of the last part up to the end of its fields; nil if finished
	unfinished bool

	stamped, bare *actors.Packet // the last part with and without offset, if finished
}

// lastPart returns the last part of s for a member.
func (mir *mirror) lastPart(s *state, id actors.MemberID, stamped bool) *actors.Packet {
	switch {
	case s.unfinished:
		b := mir.appendOwn(slices.Clone(s.tail), string(id))
		return mir.event(finish(append(b, "}}"...), s.offset, stamped))
	case stamped:
		return s.stamped
	}
	return s.bare
}

// appendOwn appends the fields of which each member sees only its own entry.
func (mir *mirror) appendOwn(b []byte, id string) []byte {
	for i := range mir.fields {
		f := &mir.fields[i]
		if !f.synced || !f.own {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(b, f.name...), '{')
		if e := f.entries[id]; e != nil && e.value != nil {
			b = appendEntry(b, e)
		}
		b = append(b, '}')
	}
	return b
}

func (mir *mirror) encodeState() *state {
	s := &state{version: mir.version, offset: mir.offset}
	w := stateWriter{mirror: mir, state: s}
	for i := range mir.fields {
		f := &mir.fields[i]
		switch {
		case !f.synced:
		case f.own:
			s.unfinished = true
		case !f.single:
			w.entries(f)
		case f.set.head != nil:
			w.value(f)
		}
	}
	s.tail = w.part(true)
	if s.unfinished {
		return s
	}
	bare := append(slices.Clone(s.tail), "}}"...)
	s.stamped = mir.event(finish(append(s.tail, "}}"...), s.offset, true))
	s.bare, s.tail = s.stamped, nil
	if s.offset != "" {
		s.bare = mir.event(append(bare, ']'))
	}
	return s
}

// stateWriter gathers the fields of one part after the other.
type stateWriter struct {
	mirror *mirror
	state  *state
	fields []byte // of the current part, without the braces around them
	filled bool   // with at least one entry
}

// value writes a field with a single value.
func (w *stateWriter) value(f *field) {
	e := f.set.head
	if w.full(len(f.name) + len(e.value)) {
		w.cut()
	}
	w.name(f)
	w.fields = append(w.fields, e.value...)
	w.filled = true
}

// entries writes a map, also an empty one: clients need not ask if it is there.
func (w *stateWriter) entries(f *field) {
	w.name(f)
	w.fields = append(w.fields, '{')
	for e := f.set.head; e != nil; e = e.next {
		if w.full(len(e.key) + len(e.value)) {
			w.fields = append(w.fields, '}')
			w.cut()
			w.name(f)
			w.fields = append(w.fields, '{')
		} else if e != f.set.head {
			w.fields = append(w.fields, ',')
		}
		w.fields = appendEntry(w.fields, e)
		w.filled = true
	}
	w.fields = append(w.fields, '}')
}

// full reports whether n more bytes are too many for the current part.
func (w *stateWriter) full(n int) bool {
	return w.filled && len(w.fields)+n > w.mirror.partSize
}

// cut ends the current part and begins another one.
func (w *stateWriter) cut() {
	w.state.parts = append(w.state.parts, w.mirror.event(append(w.part(false), "}}]"...)))
	w.fields, w.filled = w.fields[:0], false
}

func (w *stateWriter) name(f *field) {
	if len(w.fields) > 0 {
		w.fields = append(w.fields, ',')
	}
	w.fields = append(w.fields, f.name...)
}

// part returns the payload of the current part up to the end of its fields.
func (w *stateWriter) part(last bool) []byte {
	b := make([]byte, 0, len(w.fields)+128)
	b = append(b, `["room:state",{"v":`...)
	b = strconv.AppendUint(b, w.state.version, 10)
	b = append(b, `,"part":`...)
	b = strconv.AppendInt(b, int64(len(w.state.parts)), 10)
	b = append(b, `,"last":`...)
	b = strconv.AppendBool(b, last)
	b = append(b, `,"fields":{`...)
	return append(b, w.fields...)
}
