package actors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
)

// Op is something that a credential may allow its holder to do in a room or a
// gateway. The constants are the whole list, except that "publish:" and the
// name of an event allows that event alone; docs/protocol.md section 8 says
// what the runtime asks for when.
type Op string

// The operations.
const (
	OpCreate   Op = "create"   // be the one for whom a room begins that holds nothing and nobody
	OpJoin     Op = "join"     // enter, and come back
	OpPublish  Op = "publish"  // send any event
	OpPresence Op = "presence" // see who is there
	OpHistory  Op = "history"  // be sent what happened before
	OpModerate Op = "moderate" // act on other members, where a room or gateway offers it
)

// OpPublishEvent allows to send one event.
func OpPublishEvent(event string) Op { return OpPublish + ":" + Op(event) }

// Limits of grants.
const (
	MaxGrants      = 64    // in one identity
	MaxGrantOps    = 64    // in one grant
	MaxPattern     = 256   // bytes
	MaxGrantedSeat = 2_048 // bytes of JSON
)

// Grant allows operations wherever Pattern matches.
type Grant struct {
	// Pattern names rooms and gateways. "board/q3" is a room and "/chat" a
	// gateway; the slash in front may be given or left out. "/chat,lobby" is
	// the room lobby of a gateway, which its namespace alone does not cover.
	// A star stands for any number of bytes, none included, but for no slash;
	// behind the comma for any bytes. Everything else stands for itself, and
	// the pattern has to match the whole name.
	Pattern string
	Ops     []Op            // at least one
	Seat    json.RawMessage // any JSON, for the room; nil if there is none
}

// Grants are what a credential allows. A nil *Grants allows everything that
// rooms and guards allow; one without any grant allows nothing, and so does
// every operation and place that is not named. Grants are immutable and may be
// shared by goroutines. Their JSON is that of the claim "rooms": see
// ParseGrants.
type Grants struct{ list []compiledGrant }

type compiledGrant struct {
	Grant
	pattern pattern
	permit  Permit
}

// NewGrants returns the grants of a list, which it copies except for the JSON
// in it. The error says which grant is malformed and how.
func NewGrants(list ...Grant) (*Grants, error) {
	if len(list) > MaxGrants {
		return nil, fmt.Errorf("%d grants: want at most %d", len(list), MaxGrants)
	}
	g := &Grants{list: make([]compiledGrant, 0, len(list))}
	for i, one := range list {
		c, err := compileGrant(one)
		if err != nil {
			return nil, fmt.Errorf("grant %d: %w", i, err)
		}
		g.list = append(g.list, c)
	}
	return g, nil
}

func compileGrant(g Grant) (compiledGrant, error) {
	p, err := compilePattern(g.Pattern)
	switch {
	case err != nil:
		return compiledGrant{}, err
	case len(g.Ops) == 0 || len(g.Ops) > MaxGrantOps:
		return compiledGrant{}, fmt.Errorf("%d operations: want 1 to %d", len(g.Ops), MaxGrantOps)
	case len(g.Seat) > MaxGrantedSeat:
		return compiledGrant{}, fmt.Errorf("the seat has %d bytes: want at most %d", len(g.Seat), MaxGrantedSeat)
	case len(g.Seat) > 0 && !json.Valid(g.Seat):
		return compiledGrant{}, errors.New("the seat is not JSON")
	}
	g.Ops = slices.Clone(g.Ops)
	permit := Permit{Seat: g.Seat}
	for _, op := range g.Ops {
		if err := permit.add(op); err != nil {
			return compiledGrant{}, err
		}
	}
	return compiledGrant{Grant: g, pattern: p, permit: permit}, nil
}

// List returns the grants, for reading. It returns nil for nil.
func (g *Grants) List() []Grant {
	if g == nil {
		return nil
	}
	list := make([]Grant, 0, len(g.list))
	for _, c := range g.list {
		list = append(list, c.Grant)
	}
	return list
}

// In returns what is allowed in a namespace, that of a room or of a gateway:
// all operations of all grants that match, and the seat of the first of them
// that has one.
func (g *Grants) In(namespace string) Permit {
	return g.permit(func(p *pattern) bool { return p.matchNamespace(namespace) })
}

// InRoom returns what is allowed in a room of a gateway. Otherwise it is In.
func (g *Grants) InRoom(namespace, room string) Permit {
	return g.permit(func(p *pattern) bool { return p.matchRoom(namespace, room) })
}

func (g *Grants) permit(matches func(*pattern) bool) Permit {
	if g == nil {
		return Permit{ops: everyOp}
	}
	var all Permit
	for i := range g.list {
		if c := &g.list[i]; matches(&c.pattern) {
			all.merge(c.permit)
		}
	}
	return all
}

// Permit is what an identity may do in one place. The zero value allows
// nothing. It is immutable.
type Permit struct {
	Seat json.RawMessage // what the credential says of the holder's seat there; nil if nothing

	ops    opSet
	events []string // that may be sent although not every event may
}

// May reports whether op is allowed. OpPublish asks for every event, and an
// operation that is not one is not allowed.
func (p Permit) May(op Op) bool {
	if event, one := strings.CutPrefix(string(op), string(OpPublish)+":"); one {
		return p.MayPublish(event)
	}
	bit := opBits[op]
	return bit != 0 && p.ops&bit != 0
}

// MayPublish reports whether the event may be sent. It does not allocate.
func (p Permit) MayPublish(event string) bool {
	return p.ops&opBits[OpPublish] != 0 || slices.Contains(p.events, event)
}

// opSet has one bit per operation, publishing single events aside.
type opSet uint8

var opBits = map[Op]opSet{OpCreate: 1, OpJoin: 2, OpPublish: 4, OpPresence: 8, OpHistory: 16, OpModerate: 32}

const everyOp opSet = 1<<6 - 1

func (p *Permit) add(op Op) error {
	if event, one := strings.CutPrefix(string(op), string(OpPublish)+":"); one {
		if err := checkEventName(event); err != nil {
			return err
		}
		p.events = append(p.events, event)
		return nil
	}
	bit := opBits[op]
	if bit == 0 {
		return fmt.Errorf("operation %q: want create, join, publish, publish:EVENT, presence, history or moderate", clip(string(op), 64))
	}
	p.ops |= bit
	return nil
}

func (p *Permit) merge(other Permit) {
	p.ops |= other.ops
	p.events = slices.Concat(p.events, other.events) // never into memory that others read
	if p.Seat == nil {
		p.Seat = other.Seat
	}
}

// ParseGrants reads what a token says in its claim "rooms": an array of
// objects with the keys p (the pattern), ops (an array) and seat (anything;
// optional). A key that is unknown, differs in case or comes twice is an
// error, as is everything NewGrants refuses. null is an error too: a token
// without the claim has no grants, which is not for this function to say.
func ParseGrants(data []byte) (*Grants, error) {
	if !json.Valid(data) {
		return nil, errors.New("grants: not JSON")
	}
	elems, err := rawjson.Split(bytes.TrimSpace(data))
	if err != nil {
		return nil, errors.New("grants: want an array")
	}
	if len(elems) > MaxGrants {
		return nil, fmt.Errorf("%d grants: want at most %d", len(elems), MaxGrants)
	}
	list := make([]Grant, len(elems))
	for i, elem := range elems {
		if list[i], err = parseGrant(elem); err != nil {
			return nil, fmt.Errorf("grant %d: %w", i, err)
		}
	}
	return NewGrants(list...)
}

func parseGrant(data []byte) (Grant, error) {
	var g Grant
	members, err := rawjson.Object(data)
	if err != nil {
		return g, errors.New("want an object with p and ops")
	}
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		if seen[m.Key] {
			return g, fmt.Errorf("the key %q comes twice", clip(m.Key, 64))
		}
		seen[m.Key] = true
		switch m.Key {
		case "p":
			err = json.Unmarshal(m.Value, &g.Pattern)
		case "ops":
			err = json.Unmarshal(m.Value, &g.Ops)
		case "seat":
			if g.Seat = bytes.Clone(m.Value); string(g.Seat) == "null" {
				g.Seat = nil
			}
		default:
			return g, fmt.Errorf("unknown key %q, want p, ops and seat", clip(m.Key, 64))
		}
		if err != nil {
			return g, fmt.Errorf("%s: want a text for p and a list of texts for ops", m.Key)
		}
	}
	return g, nil
}

// MarshalJSON implements json.Marshaler. It writes what ParseGrants reads.
func (g *Grants) MarshalJSON() ([]byte, error) {
	type form struct {
		Pattern string          `json:"p"`
		Ops     []Op            `json:"ops"`
		Seat    json.RawMessage `json:"seat,omitempty"`
	}
	list := make([]form, 0)
	for _, one := range g.List() {
		list = append(list, form(one))
	}
	return json.Marshal(list)
}

// UnmarshalJSON implements json.Unmarshaler. See ParseGrants.
func (g *Grants) UnmarshalJSON(data []byte) error {
	parsed, err := ParseGrants(data)
	if err != nil {
		return err
	}
	*g = *parsed
	return nil
}
