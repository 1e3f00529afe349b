package actors

// Maps is a set of Maps whose names are known only when the room is made, for
// rooms that are configured rather than written. Its tag is `room:"*,..."`
// with the options that all of them share; the function given to NewKind names
// them with Define.
type Maps[K comparable, V any] struct {
	_      noCopy
	named  map[string]*Map[K, V]
	order  []string
	closed bool // the room is bound
}

// Define adds a Map under each name; the names are those of the wire. It is
// called by the function given to NewKind, and panics anywhere else.
func (g *Maps[K, V]) Define(names ...string) {
	if g.closed {
		panic("actors: Define in a room that is made: only the function given to NewKind may define maps")
	}
	if g.named == nil {
		g.named = make(map[string]*Map[K, V])
	}
	for _, name := range names {
		g.named[name] = new(Map[K, V])
		g.order = append(g.order, name)
	}
}

// Get returns the Map of that name, or nil.
func (g *Maps[K, V]) Get(name string) *Map[K, V] { return g.named[name] }

// group is what Maps is to the transaction.
type group interface{ members() []namedField }

type namedField struct {
	name  string
	field tagged
}

// members ends the definition.
func (g *Maps[K, V]) members() []namedField {
	g.closed = true
	var all []namedField
	for _, name := range g.order {
		all = append(all, namedField{name, g.named[name]})
	}
	return all
}
