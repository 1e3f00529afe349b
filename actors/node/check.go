package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// Fault is a sort of disagreement between two tables of a node.
type Fault string

// The faults. docs/operations.md says what each means to an operator.
const (
	FaultSilent           Fault = "silent"                    // an actor does not answer
	FaultConnections      Fault = "connections"               // the count of connections is not how many there are
	FaultRooms            Fault = "rooms"                     // the same of rooms
	FaultMemberConnection Fault = "member_without_connection" // a member is sent to whose connection does not know of it, or is gone
	FaultMemberUnsent     Fault = "member_not_sent_to"        // a connection or a room has a member that nothing is sent to
	FaultMemberRoom       Fault = "member_not_in_room"        // a member is sent to that its room, which is here, does not have
	FaultMemberNode       Fault = "member_of_lost_node"       // a room has a connected member on a node that is gone
	FaultClientConnection Fault = "client_without_connection" // the same of clients of gateways
	FaultClientUnsent     Fault = "client_not_sent_to"
	FaultOwner            Fault = "room_owned_elsewhere" // the store says that a room which is awake here is another's
)

// Disagreement is one place where two tables of a node differ.
type Disagreement struct {
	Fault  Fault  `json:"fault"`
	Room   string `json:"room,omitempty"`   // or the namespace of a gateway
	Member string `json:"member,omitempty"` // or client
	Detail string `json:"detail,omitempty"`
}

func (d Disagreement) compare(o Disagreement) int {
	return cmp.Or(cmp.Compare(d.Fault, o.Fault), cmp.Compare(d.Room, o.Room), cmp.Compare(d.Member, o.Member), cmp.Compare(d.Detail, o.Detail))
}

// Report is what Check has found.
type Report struct {
	// Disagreements are those that were there twice, sorted, at most
	// MaxDisagreements of them.
	Disagreements []Disagreement `json:"disagreements"`
	Total         int            `json:"total"` // how many there are

	// What was compared, the second time.
	Connections int `json:"connections"`
	Rooms       int `json:"rooms"` // awake ones
	Asleep      int `json:"asleep"`
	Members     int `json:"members"` // of this node, of rooms anywhere
	Clients     int `json:"clients"`
	Owners      int `json:"owners"` // rooms of which the store was asked
}

const (
	// MaxDisagreements is how many a Report names.
	MaxDisagreements = 100

	// ownersChecked is of how many rooms a look asks the store at the most.
	ownersChecked = 1_000

	// lookPatience is how long an actor may take to answer.
	lookPatience = 5 * time.Second
)

// Check compares the tables of the node with each other, twice, and reports
// where they differed both times: what is under way is over by the second look
// if pause is longer than a message waits. It asks the actors and does not hold
// them up. What waits for a store that does not answer is reported too. Rooms
// on other nodes are not asked. It blocks for the pause and the answers, or
// until ctx ends.
func (n *Node) Check(ctx context.Context, pause time.Duration) (*Report, error) {
	first, err := n.look(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(pause):
	}
	second, err := n.look(ctx)
	if err != nil {
		return nil, err
	}
	r := second.report
	r.Disagreements = []Disagreement{} // an empty list, not null, in JSON
	for d := range second.found {
		if first.found[d] {
			r.Disagreements = append(r.Disagreements, d)
		}
	}
	slices.SortFunc(r.Disagreements, Disagreement.compare)
	r.Total = len(r.Disagreements)
	r.Disagreements = r.Disagreements[:min(r.Total, MaxDisagreements)]
	return &r, nil
}

// inspect asks an actor for its table; it answers with one of the types below,
// once. There is room for every answer, so that no actor waits.
type inspect struct{ answers chan<- any }

type (
	// membership is a member of a room on a connection of this node.
	membership struct {
		room   actors.RoomRef
		conn   uint64
		member actors.MemberID
	}
	gatewayClient struct{ namespace, id string }

	connTable struct {
		members []membership
		clients []gatewayClient
	}
	fanTable struct {
		members []membership
		clients []gatewayClient
	}
	directoryTable struct {
		awake  map[actors.RoomRef]*actor.PID
		asleep int
	}
	roomTable struct {
		ref     actors.RoomRef
		closed  bool         // it is being loaded, falls asleep, or has retired
		owner   actors.Owner // zero: nobody's, or not yet known
		members []membership
		lost    []Disagreement
	}
)

// look is one look at all tables.
type look struct {
	found  map[Disagreement]bool
	report Report
}

func (l *look) note(f Fault, room, member, detail string) {
	l.found[Disagreement{f, room, member, detail}] = true
}

func (n *Node) look(ctx context.Context) (*look, error) {
	l := &look{found: make(map[Disagreement]bool)}
	directories, err := inspectAll[directoryTable](ctx, l, n, "directory", n.shards)
	if err != nil {
		return nil, err
	}
	var roomPIDs []*actor.PID
	for _, d := range directories {
		l.report.Asleep += d.asleep
		for ref, pid := range d.awake {
			if !isHub(ref) {
				roomPIDs = append(roomPIDs, pid)
			}
		}
	}
	rooms, err := inspectAll[roomTable](ctx, l, n, "room", roomPIDs)
	if err != nil {
		return nil, err
	}
	fans, err := inspectAll[fanTable](ctx, l, n, "fan-out", n.fanPIDs())
	if err != nil {
		return nil, err
	}
	var connPIDs []*actor.PID
	n.conns.Range(func(_, c any) bool {
		connPIDs = append(connPIDs, c.(*connection).pid)
		return true
	})
	conns, err := inspectAll[connTable](ctx, l, n, "connection", connPIDs)
	if err != nil {
		return nil, err
	}
	l.compareCounts(n, len(connPIDs), directories)
	l.compareMembers(rooms, fans, conns)
	l.compareClients(fans, conns)
	return l, l.compareOwners(ctx, n, rooms)
}

// inspectAll asks actors for their tables. Those that do not answer in time are noted.
func inspectAll[T any](ctx context.Context, l *look, n *Node, what string, pids []*actor.PID) ([]T, error) {
	answers := make(chan any, len(pids))
	for _, pid := range pids {
		n.send(pid, inspect{answers})
	}
	patience := time.NewTimer(lookPatience)
	defer patience.Stop()
	tables := make([]T, 0, len(pids))
	for range pids {
		select {
		case a := <-answers:
			if t, ok := a.(T); ok {
				tables = append(tables, t)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-patience.C:
			l.note(FaultSilent, "", "", "a "+what+" does not answer")
			return tables, nil
		}
	}
	return tables, nil
}

func (l *look) compareCounts(n *Node, conns int, directories []directoryTable) {
	rooms := 0
	for _, d := range directories {
		rooms += len(d.awake) + d.asleep
	}
	if live := n.live.Load(); live != int64(conns) {
		l.note(FaultConnections, "", "", fmt.Sprintf("%d more are counted than there are", live-int64(conns)))
	}
	if counted := n.rooms.Load(); counted != int64(rooms) {
		l.note(FaultRooms, "", "", fmt.Sprintf("%d more are counted than there are", counted-int64(rooms)))
	}
	l.report.Connections = conns
}

// set is what tables hold, together.
func set[T any, K comparable](tables []T, of func(T) []K) map[K]bool {
	all := make(map[K]bool)
	for _, t := range tables {
		for _, k := range of(t) {
			all[k] = true
		}
	}
	return all
}

func (l *look) compareMembers(rooms []roomTable, fans []fanTable, conns []connTable) {
	sent := set(fans, func(t fanTable) []membership { return t.members })
	held := set(conns, func(t connTable) []membership { return t.members })
	inside := set(rooms, func(t roomTable) []membership { return t.members })
	awake := make(map[actors.RoomRef]bool, len(rooms))
	for _, r := range rooms {
		awake[r.ref] = !r.closed
		l.report.Rooms++
		for _, d := range r.lost {
			l.found[d] = true
		}
	}
	l.report.Members = len(sent)
	for m := range sent {
		if !held[m] {
			l.note(FaultMemberConnection, m.room.String(), string(m.member), "")
		}
		if awake[m.room] && !inside[m] {
			l.note(FaultMemberRoom, m.room.String(), string(m.member), "")
		}
	}
	for m := range held {
		if !sent[m] {
			l.note(FaultMemberUnsent, m.room.String(), string(m.member), "its connection has it")
		}
	}
	for m := range inside {
		if awake[m.room] && !sent[m] {
			l.note(FaultMemberUnsent, m.room.String(), string(m.member), "its room has it")
		}
	}
}

func (l *look) compareClients(fans []fanTable, conns []connTable) {
	sent := set(fans, func(t fanTable) []gatewayClient { return t.clients })
	held := set(conns, func(t connTable) []gatewayClient { return t.clients })
	l.report.Clients = len(sent)
	for c := range sent {
		if !held[c] {
			l.note(FaultClientConnection, c.namespace, c.id, "")
		}
	}
	for c := range held {
		if !sent[c] {
			l.note(FaultClientUnsent, c.namespace, c.id, "")
		}
	}
}

// compareOwners asks the store who owns rooms that are awake here. Where there
// are more than ownersChecked it asks about as many at random, so that a fault
// is reported only if both looks happen to fall on its room.
func (l *look) compareOwners(ctx context.Context, n *Node, rooms []roomTable) error {
	for _, r := range rooms {
		if r.owner == (actors.Owner{}) || r.closed {
			continue
		}
		if l.report.Owners == ownersChecked {
			break
		}
		owner, err := n.store.Owner(ctx, r.ref)
		if err != nil {
			return fmt.Errorf("who owns a room cannot be asked: %w", err)
		}
		l.report.Owners++
		if owner != r.owner {
			l.note(FaultOwner, r.ref.String(), "", cmp.Or(owner.Node, "nobody"))
		}
	}
	return nil
}

// table answers an inspection.
func (a *connActor) table() connTable {
	var t connTable
	a.machine.Stays(func(namespace string, gateway bool, member actors.MemberID) {
		if gateway {
			if c := a.clients[namespace]; c != nil && c.live() {
				t.clients = append(t.clients, gatewayClient{namespace, c.id})
			}
			return
		}
		if ref, err := actors.ParseRoom(namespace); err == nil {
			t.members = append(t.members, membership{ref, a.c.id, member})
		}
	})
	return t
}

// table answers an inspection.
func (a *fan) table() fanTable {
	var t fanTable
	a.machine.Members(func(room actors.RoomRef, conn uint64, member actors.MemberID) {
		t.members = append(t.members, membership{room, conn, member})
	})
	a.gate.Connected(func(namespace, client string) { t.clients = append(t.clients, gatewayClient{namespace, client}) })
	return t
}

// table answers an inspection.
func (d *directory) table() directoryTable {
	t := directoryTable{awake: make(map[actors.RoomRef]*actor.PID)}
	for ref, e := range d.rooms {
		if e.pid == nil {
			t.asleep++
		} else {
			t.awake[ref] = e.pid
		}
	}
	return t
}

// table answers an inspection.
func (r *roomActor) table() roomTable {
	t := roomTable{ref: r.ref, closed: r.paused != nil || r.machine.Retired() || !r.machine.Open()}
	if r.machine == nil {
		return t
	}
	t.owner = r.machine.Owner()
	r.machine.Connected(func(c wire.ConnRef, member actors.MemberID) {
		switch {
		case c.Node == r.node.id:
			t.members = append(t.members, membership{r.ref, c.ID, member})
		case r.node.peer(c.Node) == nil:
			t.lost = append(t.lost, Disagreement{FaultMemberNode, r.ref.String(), string(member), c.Node})
		}
	})
	return t
}

// live reports whether the client's connect hooks are over and nothing has
// ended it.
func (c *client) live() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == clientLive
}
