package fanout

import (
	"strconv"
	"unicode/utf8"

	"github.com/parlor-rooms/parlor/actors"
)

// audience is whose share of the fields is meant: what everybody sees, or what
// only one member does.
type audience struct {
	own bool
	id  string
}

// changed returns the entries of f for an audience that were set (or removed)
// after a version: those from first up to, and without, end.
func (f *field) changed(a audience, removed bool, from uint64) (first, end *entry) {
	if !f.synced || f.own != a.own {
		return nil, nil
	}
	if f.own {
		if e := f.entries[a.id]; e != nil && e.version > from && (e.value == nil) == removed {
			return e, e.next
		}
		return nil, nil
	}
	if removed {
		return f.del.since(from), nil
	}
	return f.set.since(from), nil
}

// patch is a room:patch for everybody. It is encoded once; the variant without
// offset is made when somebody needs it.
type patch struct {
	from    uint64
	stamped *actors.Packet // nil if nothing changed
	bare    *actors.Packet
	body    int // bytes of stamped.Data before the offset or closing bracket
}

func (p *patch) empty() bool { return p.stamped == nil }

// packet returns the packet with or without offset, or nil if nothing changed.
func (p *patch) packet(stamped bool) *actors.Packet {
	if stamped || p.stamped == nil {
		return p.stamped
	}
	if p.bare == nil {
		data := append(make([]byte, 0, p.body+1), p.stamped.Data[:p.body]...)
		p.bare = &actors.Packet{Type: actors.PacketEvent, Namespace: p.stamped.Namespace, Data: append(data, ']')}
	}
	return p.bare
}

func (mir *mirror) encodePatch(from uint64) *patch {
	p := &patch{from: from}
	b, some := mir.appendPatch(make([]byte, 0, mir.patchSize+mir.patchSize/16), audience{}, from)
	if !some {
		return p
	}
	p.body = len(b)
	b = finish(b, mir.offset, true)
	mir.patchSize = len(b)
	if p.stamped = mir.event(b); mir.offset == "" {
		p.bare = p.stamped
	}
	return p
}

// appendPatch appends the array of a room:patch up to what closes it, and
// reports whether anything changed.
func (mir *mirror) appendPatch(b []byte, a audience, from uint64) ([]byte, bool) {
	b = append(b, `["room:patch",{"v":`...)
	b = strconv.AppendUint(b, mir.version, 10)
	head := len(b)
	b = mir.appendSet(b, a, from)
	b = mir.appendDel(b, a, from)
	return append(b, '}'), len(b) > head
}

// appendSet appends the key set with what was set after a version, or nothing.
func (mir *mirror) appendSet(b []byte, a audience, from uint64) []byte {
	before := `,"set":{`
	for i := range mir.fields {
		f := &mir.fields[i]
		first, end := f.changed(a, false, from)
		if first == nil {
			continue
		}
		b = append(append(b, before...), f.name...)
		before = ","
		if f.single {
			b = append(b, first.value...)
			continue
		}
		sep := byte('{')
		for e := first; e != end; e = e.next {
			b = appendEntry(append(b, sep), e)
			sep = ','
		}
		b = append(b, '}')
	}
	if before == "," {
		b = append(b, '}')
	}
	return b
}

// appendDel appends the key del with what was removed after a version, or
// nothing.
func (mir *mirror) appendDel(b []byte, a audience, from uint64) []byte {
	before := `,"del":{`
	for i := range mir.fields {
		f := &mir.fields[i]
		first, end := f.changed(a, true, from)
		if first == nil {
			continue
		}
		b = append(append(b, before...), f.name...)
		before = ","
		if f.single {
			b = append(b, "true"...)
			continue
		}
		sep := byte('[')
		for e := first; e != end; e = e.next {
			b = appendString(append(b, sep), e.key)
			sep = ','
		}
		b = append(b, ']')
	}
	if before == "," {
		b = append(b, '}')
	}
	return b
}

// finish closes the array of an EVENT payload, with the offset if it is stamped
// and the kind resumes.
func finish(b []byte, offset string, stamped bool) []byte {
	if stamped && offset != "" {
		b = appendString(append(b, ','), offset)
	}
	return append(b, ']')
}

func appendEntry(b []byte, e *entry) []byte {
	return append(append(appendString(b, e.key), ':'), e.value...)
}

const hex = "0123456789abcdef"

// appendString appends s as a JSON string. Like encoding/json without HTML
// escaping, it replaces what is not UTF-8.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			if c == '"' || c == '\\' {
				b = append(b, '\\', c)
			} else {
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + n
		}
		i += n
	}
	return append(append(b, s[start:]...), '"')
}
