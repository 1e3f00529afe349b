package fanout

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// mirror is the node's copy of a room's synced fields. Each entry stands in a
// list of its field by the version of its last change, removed ones in a list
// of their own, so that what changed since a version is the end of a list:
// each key once, with its latest value. That reaches back as far as removed
// entries are remembered, and costs no more than the state itself, however
// often a key changes.
type mirror struct {
	known     bool // a wire.Mirror has come
	synced    bool // there are synced fields
	namespace string
	partSize  int // Limits.Part
	removed   int // Limits.Removed

	version    uint64
	offset     string
	overtaken  bool // events have gone out since offset was where the history stood
	fields     []field
	live, dead int    // entries in all fields
	floor      uint64 // the oldest version a patch can start from
	ownChanged uint64 // version of the latest change to a field of KeyMember

	// Encoded on demand, for whoever needs the same.
	patches   map[uint64]*patch // by the version they start from, all to version
	recent    *patch            // the last one looked up
	patchSize int               // bytes that the last one had
	whole     *state            // of version or a little before; nil if there is none
	changed   int               // entries changed since whole was encoded
}

// field is one synced field.
type field struct {
	name     []byte // as an object's key: quoted, with the colon
	synced   bool
	single   bool
	own      bool // each entry is for the member that is its key
	entries  map[string]*entry
	set, del list // in the order of their versions
}

type entry struct {
	key        string
	value      []byte // JSON; nil if removed
	version    uint64 // of the last change
	prev, next *entry
}

func (mir *mirror) reset(w *wire.Mirror, namespace string, limits Limits) {
	*mir = mirror{known: true, namespace: namespace, partSize: limits.Part, removed: limits.Removed,
		version: w.Version, offset: w.Offset, floor: w.Version, ownChanged: w.Version,
		fields: make([]field, len(w.Fields)), patches: make(map[uint64]*patch)}
	for i, spec := range w.Fields {
		f := &mir.fields[i]
		// A field for an audience this node does not know is for nobody.
		f.synced = spec.Synced && spec.Audience <= actors.KeyMember
		if !f.synced {
			continue
		}
		mir.synced = true
		f.name = append(appendString(nil, spec.Name), ':')
		f.single, f.own = spec.Single, spec.Audience == actors.KeyMember
		f.entries = make(map[string]*entry)
	}
	for i := range w.Entries {
		mir.change(&w.Entries[i])
	}
}

// apply advances the mirror by one step.
func (mir *mirror) apply(s *wire.Sync) {
	mir.version, mir.offset, mir.overtaken = s.Version, s.Offset, false
	for i := range s.Changes {
		mir.change(&s.Changes[i])
	}
	for mir.dead > max(mir.removed, mir.live) && mir.forget() {
	}
	clear(mir.patches)
	mir.recent = nil
	if mir.changed += len(s.Changes); !mir.wholeServes() {
		mir.whole = nil
	}
}

func (mir *mirror) change(c *actors.Change) {
	if c.Field < 0 || c.Field >= len(mir.fields) || !mir.fields[c.Field].synced {
		return
	}
	f := &mir.fields[c.Field]
	e := f.entries[c.Key]
	if len(c.Value) == 0 {
		if e == nil || e.value == nil {
			return // nobody can have it
		}
		f.set.remove(e)
		f.del.push(e)
		mir.live--
		mir.dead++
		e.value = nil
	} else {
		switch {
		case e == nil:
			e = &entry{key: c.Key}
			f.entries[c.Key] = e
			mir.live++
		case e.value == nil:
			f.del.remove(e)
			mir.dead--
			mir.live++
		default:
			f.set.remove(e)
		}
		f.set.push(e)
		e.value = c.Value
	}
	e.version = mir.version
	if f.own {
		mir.ownChanged = mir.version
	}
}

// forget drops what was removed longest ago, unless that is part of the latest
// step.
func (mir *mirror) forget() bool {
	var f *field
	for i := range mir.fields {
		if g := &mir.fields[i]; g.del.head != nil && (f == nil || g.del.head.version < f.del.head.version) {
			f = g
		}
	}
	e := f.del.head
	if e.version == mir.version {
		return false
	}
	f.del.remove(e)
	delete(f.entries, e.key)
	mir.dead--
	mir.floor = max(mir.floor, e.version)
	return true
}

// reaches reports whether a patch can start from version.
func (mir *mirror) reaches(version uint64) bool {
	return mir.floor <= version && version <= mir.version
}

// concerns reports whether anything that the member sees changed since from.
func (mir *mirror) concerns(id actors.MemberID, from uint64) bool {
	if !mir.patch(from).empty() {
		return true
	}
	if mir.ownChanged <= from {
		return false
	}
	for i := range mir.fields {
		if f := &mir.fields[i]; f.own {
			if e := f.entries[string(id)]; e != nil && e.version > from {
				return true
			}
		}
	}
	return false
}

// maxPatches is how many merged patches of one version are kept: as many as
// there are versions at which members may be, at the worst, each as large as
// the state.
const maxPatches = 32

// patch returns the patch for everybody from a version it reaches.
func (mir *mirror) patch(from uint64) *patch {
	if mir.recent != nil && mir.recent.from == from {
		return mir.recent
	}
	p := mir.patches[from]
	if p == nil {
		p = mir.encodePatch(from)
		if len(mir.patches) >= maxPatches {
			clear(mir.patches)
		}
		mir.patches[from] = p
	}
	mir.recent = p
	return p
}

// ownPatch returns the patch from a version with what only this member sees,
// or nil if nothing of that changed.
func (mir *mirror) ownPatch(id actors.MemberID, from uint64, stamped bool) *actors.Packet {
	if mir.ownChanged <= from {
		return nil
	}
	b, some := mir.appendPatch(nil, audience{own: true, id: string(id)}, from)
	if !some {
		return nil
	}
	return mir.event(finish(b, mir.offset, stamped))
}

// state returns the whole state, of the mirror's version or one from which a
// patch is short: when a thousand members enter a room in which each of them
// changes something, it is not encoded a thousand times.
func (mir *mirror) state() *state {
	if mir.whole == nil {
		mir.whole = mir.encodeState()
		mir.changed = 0
	}
	return mir.whole
}

// wholeServes reports whether members may still start from whole. What only
// one member sees goes with it and is known of the current version only.
func (mir *mirror) wholeServes() bool {
	if mir.whole == nil || !mir.reaches(mir.whole.version) || mir.changed > mir.live/4 {
		return false
	}
	return !mir.whole.unfinished
}

// event makes a packet of an EVENT payload.
func (mir *mirror) event(data []byte) *actors.Packet {
	return &actors.Packet{Type: actors.PacketEvent, Namespace: mir.namespace, Data: data}
}

// list is a doubly linked list of entries.
type list struct{ head, tail *entry }

func (l *list) push(e *entry) {
	e.prev, e.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = e
	} else {
		l.head = e
	}
	l.tail = e
}

func (l *list) remove(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.tail = e.prev
	}
	e.prev, e.next = nil, nil
}

// since returns the first entry that changed after version, or nil.
func (l *list) since(version uint64) *entry {
	var first *entry
	for e := l.tail; e != nil && e.version > version; e = e.prev {
		first = e
	}
	return first
}
