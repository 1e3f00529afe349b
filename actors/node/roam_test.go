package node_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/node/nodetest"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

const roamNS = "/roam"

// roamData is what handlers keep of a roaming client.
type roamData struct{ Visits int }

// fleet is nodes with a gateway that recovers, and what its hooks have seen.
type fleet struct {
	t     *testing.T
	world *nodetest.World
	nodes []*node.Node
	gates []*actors.Gateway[roamData]
	stops []func() // of nodes
	notes *ledger
	store actors.Store
	links node.LinkLimits
}

func newFleet(t *testing.T, count int, config actors.GatewayConfig) *fleet {
	t.Helper()
	return newLinkedFleet(t, count, config, node.LinkLimits{})
}

func newLinkedFleet(t *testing.T, count int, config actors.GatewayConfig, links node.LinkLimits) *fleet {
	t.Helper()
	f := &fleet{t: t, world: nodetest.New(1), notes: &ledger{}, links: links}
	f.store = memory.New(memory.Config{})
	for range count {
		f.add(f.store, config)
	}
	return f
}

func (f *fleet) add(store actors.Store, config actors.GatewayConfig) {
	g := actors.NewGateway[roamData](roamNS, config)
	g.OnConnect(func(_ context.Context, c *actors.Client[roamData]) error {
		c.Data.Visits++
		f.notes.note("connect %s %v %d", c.ID(), c.Recovered(), c.Data.Visits)
		return nil
	})
	g.OnDisconnect(func(_ context.Context, c *actors.Client[roamData], why actors.LeaveReason) {
		f.notes.note("gone %s", c.ID())
	})
	actors.Handle(g, "join", func(ctx context.Context, c *actors.Client[roamData], rooms []string) (any, error) {
		return c.Rooms(), c.Join(ctx, rooms...)
	})
	actors.Handle(g, "rooms", func(_ context.Context, c *actors.Client[roamData], _ struct{}) (any, error) {
		return c.Rooms(), nil
	})
	seat := f.world.Seat()
	n, stop := startToStop(f.t, node.Config{
		Gateways: []actors.GatewayBehavior{g}, Cluster: seat, Carrier: seat, Store: store, Authenticator: byName{},
		Links: f.links, DrainTimeout: time.Second, // clients that are away are not waited for
	})
	f.nodes, f.gates, f.stops = append(f.nodes, n), append(f.gates, g), append(f.stops, stop)
}

// byName takes a token for the name of the user.
type byName struct{}

func (byName) Authenticate(_ context.Context, r *actors.AuthRequest) (actors.Identity, error) {
	return actors.Identity{Subject: r.Token}, nil
}

// roamer is a client that keeps what a stock client keeps.
type roamer struct {
	*peer
	f         *fleet
	namespace string // empty: roamNS
	user      string
	id, pid   string
	offset    string
	got       []string
}

// open connects to a node, and reports whether it has recovered.
func (r *roamer) open(at int) (recovered bool) {
	r.f.t.Helper()
	r.peer = connect(r.f.t, r.f.nodes[at])
	auth := map[string]string{"token": r.user}
	if r.pid != "" {
		auth["pid"], auth["offset"] = r.pid, r.offset
	}
	data, err := json.Marshal(auth)
	if err != nil {
		r.f.t.Fatal(err)
	}
	namespace := cmp.Or(r.namespace, roamNS)
	r.send(actors.PacketConnect, namespace, string(data))
	var answer struct{ SID, PID string }
	if err := json.Unmarshal(r.await(actors.PacketConnect, namespace, "sid").Data, &answer); err != nil {
		r.f.t.Fatal(err)
	}
	recovered = answer.PID == r.pid
	r.id, r.pid = answer.SID, answer.PID
	return recovered
}

// drop loses the connection, or leaves it behind alive, after having read a
// part of what was sent.
func (r *roamer) drop(read int, dies bool) {
	r.read(read)
	if dies {
		r.conn.Closed(actors.ReasonTransportClosed)
	}
}

// read takes up to so many events that were sent.
func (r *roamer) read(most int) {
	for i, p := range r.find(actors.PacketEvent, cmp.Or(r.namespace, roamNS), `["news"`) {
		if i == most {
			return
		}
		var args []string
		if err := json.Unmarshal(p.Data, &args); err != nil {
			r.f.t.Fatal(err)
		}
		r.got, r.offset = append(r.got, args[1]), args[len(args)-1]
	}
}

func (r *roamer) ask(event, payload string) string {
	r.f.t.Helper()
	r.send(actors.PacketEvent, roamNS, fmt.Sprintf("[%q,%s]", event, payload), 1)
	return string(r.await(actors.PacketAck, roamNS, "").Data)
}

// streams sorts what was received by sender and target.
func (r *roamer) streams() map[string][]string {
	streams := make(map[string][]string)
	for _, text := range r.got {
		stream, n, _ := strings.Cut(text, "#")
		streams[stream] = append(streams[stream], n)
	}
	return streams
}

// speaker emits from a node to everything that concerns a roamer.
type speaker struct {
	gate *actors.Gateway[roamData]
	name string
	said map[string]int
}

func (s *speaker) say(r *rand.Rand, client string) {
	targets := map[string]actors.Broadcast[roamData]{
		"all":  s.gate.All(),
		"x":    s.gate.To("x"),
		"y":    s.gate.To("y"),
		"both": s.gate.To("x", "y"),
		"self": s.gate.To(client),
		"user": s.gate.ToUser("ada"),
	}
	names := []string{"all", "x", "y", "both", "self", "user"}
	target := names[r.IntN(len(names))]
	s.said[target]++
	if err := targets[target].Emit("news", fmt.Sprintf("%s/%s#%d", s.name, target, s.said[target])); err != nil {
		panic(err)
	}
}

// TestAClientRecoversOnAnyNode drops a client at random moments, with its
// connection dead or still open, and has it come back on a node drawn at
// random, while all nodes emit to it in every way.
func TestAClientRecoversOnAnyNode(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	f := newFleet(t, 3, actors.GatewayConfig{RecoverWithin: time.Minute, RecoverEvents: 100_000, RecoverBytes: 64 << 20})
	r := &roamer{f: f, user: "ada"}
	r.open(draw.IntN(3))
	id := r.id
	r.ask("join", `["x","y"]`)

	var speakers []*speaker
	var work sync.WaitGroup
	stop := make(chan struct{})
	for i, g := range f.gates {
		s := &speaker{gate: g, name: fmt.Sprint(i), said: make(map[string]int)}
		speakers = append(speakers, s)
		own := rand.New(rand.NewPCG(seed, uint64(i)+1))
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(own.IntN(2000)) * time.Microsecond):
					for range own.IntN(4) {
						s.say(own, id)
					}
				}
			}
		})
	}
	const rounds = 40
	moved := 0
	for round := range rounds {
		<-time.After(time.Duration(draw.IntN(30)) * time.Millisecond)
		r.drop(draw.IntN(60), draw.IntN(3) > 0)
		at := draw.IntN(3)
		if !r.open(at) {
			t.Fatalf("round %d: not recovered", round)
		}
		if !strings.HasPrefix(id, f.nodes[at].ID()) {
			moved++
		}
		if r.id != id {
			t.Fatalf("round %d: another id", round)
		}
	}
	close(stop)
	work.Wait()
	before := r.got
	complete := func() bool {
		r.got = slices.Clone(before)
		r.read(1 << 30)
		streams := r.streams()
		for _, s := range speakers {
			for target, n := range s.said {
				if got := streams[s.name+"/"+target]; len(got) < n || got[len(got)-1] != fmt.Sprint(n) {
					return false
				}
			}
		}
		return true
	}
	deadline := time.Now().Add(20 * time.Second)
	for !complete() && time.Now().Before(deadline) {
		<-time.After(5 * time.Millisecond)
	}
	for _, s := range speakers {
		for target, n := range s.said {
			got := r.streams()[s.name+"/"+target]
			if target == "self" { // may take ways of different lengths while it moves
				inOrder(got)
			}
			if !slices.Equal(got, upTo(n)) {
				t.Errorf("of %d from %s to %s got %v", n, s.name, target, got)
			}
		}
	}
	if moved == 0 {
		t.Error("it never moved")
	}
	came := fmt.Sprintf("connect %s true %d", id, rounds+1)
	until(t, "the data has come along: "+came, func() bool { return f.notes.count(came) == 1 })
	if n := f.notes.count("gone " + id); n != 0 {
		t.Errorf("the disconnect hook ran %d times", n)
	}
}

// TestAClientThatHasMovedOutlivesTheNodeItCameFrom: its id names a node that
// has gone, and it is found all the same.
func TestAClientThatHasMovedOutlivesTheNodeItCameFrom(t *testing.T) {
	f := newFleet(t, 3, actors.GatewayConfig{RecoverWithin: time.Minute})
	for _, room := range []string{"x", "\x00user:ada"} {
		f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: room}, f.nodes[2].ID())
	}
	r := &roamer{f: f, user: "ada"}
	r.open(0)
	f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "\x00client:" + r.id}, f.nodes[1].ID())
	r.ask("join", `["x"]`)
	r.drop(0, true)
	if !r.open(1) {
		t.Fatal("not recovered")
	}
	say := func(from int, text string) {
		t.Helper()
		if err := f.gates[from].To(r.id).Emit("news", text); err != nil {
			t.Fatal(err)
		}
		r.await(actors.PacketEvent, roamNS, `["news","`+text+`"`)
	}
	say(0, "passed on")
	say(1, "from where it is")
	say(2, "from a third")
	members := func(from int) {
		t.Helper()
		infos, err := f.gates[from].To(r.id).Members(t.Context())
		if err != nil || len(infos) != 1 || infos[0].Node != f.nodes[1].ID() || !slices.Equal(infos[0].Rooms, []string{r.id, "x"}) {
			t.Errorf("seen from node %d as %+v: %v", from, infos, err)
		}
	}
	members(0)
	members(1)
	members(2)

	f.world.Kill(f.nodes[0].ID())
	say(1, "after the death")
	say(2, "after the death, from another")
	members(1)
	members(2)
	answered := make(chan int)
	go func() { // ended by the answer
		answers, _ := f.gates[2].To(r.id).Timeout(10*time.Second).Ask(t.Context(), "question")
		answered <- len(answers)
	}()
	q := r.await(actors.PacketEvent, roamNS, `["question"`)
	r.send(actors.PacketAck, roamNS, `[]`, q.ID)
	if n := <-answered; n != 1 {
		t.Errorf("%d answered", n)
	}
	r.drop(100, true)
	if !r.open(2) {
		t.Error("not recovered once more")
	}
}

func TestAClientThatCannotMoveIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		config actors.GatewayConfig
		spoil  func(*fleet, *roamer)
		stays  bool // the client is not touched
		ends   bool // its disconnect hook runs
	}{
		"its node has died": {spoil: func(f *fleet, _ *roamer) { f.world.Kill(f.nodes[0].ID()) }},
		"more was missed than is kept": {config: actors.GatewayConfig{RecoverEvents: 2}, ends: true, spoil: func(f *fleet, r *roamer) {
			r.drop(0, true)
			for range 3 {
				_ = f.gates[0].All().Emit("news", "x")
			}
			until(f.t, "they are kept", func() bool {
				infos, err := f.gates[0].All().Members(f.t.Context())
				return err == nil && len(infos) == 1
			})
		}},
		"another user's":      {stays: true, spoil: func(_ *fleet, r *roamer) { r.user = "bob" }},
		"an offset of nobody": {ends: true, spoil: func(_ *fleet, r *roamer) { r.offset = "g1.garbage.AA" }},
		"a pid of nobody":     {stays: true, spoil: func(_ *fleet, r *roamer) { r.pid = strings.Repeat("p", 22) }},
		"a pid without end":   {stays: true, spoil: func(_ *fleet, r *roamer) { r.pid = strings.Repeat("p", 5000) }},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.RecoverWithin = time.Minute
			f := newFleet(t, 2, c.config)
			r := &roamer{f: f, user: "ada"}
			r.open(0)
			r.ask("join", `["x"]`)
			id, old := r.id, r.peer
			c.spoil(f, r)
			if r.open(1) || r.id == id {
				t.Fatalf("it recovered as %s", r.id)
			}
			if want := `["` + r.id + `"]`; !strings.Contains(r.ask("rooms", "{}"), want) {
				t.Errorf("its rooms are %s", r.ask("rooms", "{}"))
			}
			if c.ends {
				until(t, "the disconnect hook", func() bool { return f.notes.count("gone "+id) == 1 })
			} else if f.notes.count("gone "+id) != 0 {
				t.Error("the disconnect hook ran")
			}
			if c.stays && old.reason() != "" {
				t.Errorf("its earlier connection: %q", old.reason())
			}
		})
	}
}

// TestAStolenPIDIsWorthNothing: whoever shows it as another user, or in another
// namespace of the same gateway, neither gets the client nor keeps it from its
// own user.
func TestAStolenPIDIsWorthNothing(t *testing.T) {
	for name, steal := range map[string]func(thief *roamer){
		"another user's":       func(thief *roamer) { thief.user = "bob" },
		"of another namespace": func(thief *roamer) { thief.namespace = roamNS + "/other" },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2, actors.GatewayConfig{RecoverWithin: time.Minute, Match: func(namespace string) bool { return strings.HasPrefix(namespace, roamNS) }})
			r := &roamer{f: f, user: "ada"}
			r.open(0)
			r.drop(0, true)
			_ = f.gates[1].All().Emit("news", "missed")
			thief := &roamer{f: f, user: "ada", pid: r.pid}
			steal(thief)
			if thief.open(1) || thief.id == r.id {
				t.Error("the thief has recovered")
			}
			if n := len(thief.find(actors.PacketEvent, cmp.Or(thief.namespace, roamNS), "missed")); n != 0 {
				t.Errorf("the thief is sent what was missed: %d events", n)
			}
			id := r.id
			if !r.open(1) || r.id != id {
				t.Fatal("the user has not recovered")
			}
			r.await(actors.PacketEvent, roamNS, "missed")
		})
	}
}

// TestTheEarlierConnectionIsClosedAndNotHeard: a client whose connection still
// lives on another node is there no more once it has come back.
func TestTheEarlierConnectionIsClosedAndNotHeard(t *testing.T) {
	f := newFleet(t, 2, actors.GatewayConfig{RecoverWithin: time.Minute})
	r := &roamer{f: f, user: "ada"}
	r.open(0)
	old := r.peer
	if !r.open(1) {
		t.Fatal("not recovered")
	}
	if old.reason() != actors.ReasonReplaced {
		t.Errorf("the earlier connection: %q", old.reason())
	}
	old.send(actors.PacketEvent, roamNS, `["join",["z"]]`)
	_ = f.gates[0].All().Emit("news", "x")
	r.await(actors.PacketEvent, roamNS, `["news","x"`)
	if len(old.find(actors.PacketEvent, roamNS, "news")) != 0 || !strings.HasPrefix(r.ask("rooms", "{}"), `[["`+r.id+`"]`) {
		t.Error("the earlier connection was heard, or told")
	}
}

// TestAClientThatWaitsTooLongToMoveEnds: a node that took it and died has the
// client end where it was.
func TestAClientThatWaitsTooLongToMoveEnds(t *testing.T) {
	f := newFleet(t, 3, actors.GatewayConfig{RecoverWithin: time.Minute})
	r := &roamer{f: f, user: "ada"}
	f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "\x00user:ada"}, f.nodes[0].ID())
	f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: "x"}, f.nodes[2].ID())
	r.open(0)
	r.ask("join", `["x"]`)
	id := r.id
	f.world.Cut(f.nodes[1].ID(), f.nodes[2].ID(), true) // so that it cannot enter its room from there
	if r.open(1) {
		t.Error("recovered")
	}
	until(t, "the disconnect hook", func() bool { return f.notes.count("gone "+id) == 1 })
	f.world.Cut(f.nodes[1].ID(), f.nodes[2].ID(), false)
	until(t, "the room is empty", func() bool {
		infos, err := f.gates[2].To("x").Members(t.Context())
		return err == nil && len(infos) == 0
	})
}

// TestNothingIsMissedWhileRoomsOfGatewaysMove drains the node of all rooms of a
// gateway while clients on every node listen and every node emits.
func TestNothingIsMissedWhileRoomsOfGatewaysMove(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	f := newFleet(t, 3, actors.GatewayConfig{RecoverWithin: time.Minute})
	for _, room := range []string{"x", "y", "\x00user:ada"} {
		f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: room}, f.nodes[0].ID())
	}
	var listeners []*roamer
	for i := range f.nodes {
		r := &roamer{f: f, user: "ada"}
		r.open(i)
		r.ask("join", `["x","y"]`)
		listeners = append(listeners, r)
	}
	var speakers []*speaker
	var work sync.WaitGroup
	for i, g := range f.gates {
		s := &speaker{gate: g, name: fmt.Sprint(i), said: make(map[string]int)}
		speakers = append(speakers, s)
		own := rand.New(rand.NewPCG(seed, uint64(i)))
		work.Go(func() {
			for range 400 {
				<-time.After(time.Duration(own.IntN(1000)) * time.Microsecond)
				s.say(own, "nobody")
			}
		})
	}
	<-time.After(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := f.nodes[0].Drain(ctx); err != nil {
		t.Error(err)
	}
	work.Wait()
	for i, r := range listeners {
		for _, s := range speakers {
			for target, n := range s.said {
				if target == "self" {
					continue
				}
				last := fmt.Sprintf("%s/%s#%d", s.name, target, n)
				r.await(actors.PacketEvent, roamNS, `"`+last+`"`)
			}
		}
		r.read(1 << 30)
		for _, s := range speakers {
			for target, n := range s.said {
				// An event that was under way to a hub that left may come after later ones.
				got := r.streams()[s.name+"/"+target]
				inOrder(got)
				if target != "self" && !slices.Equal(got, upTo(n)) {
					t.Errorf("client %d: of %d from %s to %s got %v", i, n, s.name, target, got)
				}
			}
		}
		if why := r.reason(); why != "" {
			t.Errorf("client %d was closed: %s", i, why)
		}
	}
	if rooms := f.nodes[0].Stats().Rooms; rooms != 0 {
		t.Errorf("%d rooms stayed", rooms)
	}
}

func inOrder(numbers []string) {
	slices.SortFunc(numbers, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) })
}

// upTo are the numbers of n events.
func upTo(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(i+1))
	}
	return all
}

// TestWhatADeadHubHadSentOnlySomeIsAnnounced: a client that lacks an event that
// another one has is cut off, and does not recover.
func TestWhatADeadHubHadSentOnlySomeIsAnnounced(t *testing.T) {
	f := newFleet(t, 3, actors.GatewayConfig{RecoverWithin: time.Minute})
	for _, room := range []string{"x", "\x00user:ada", "\x00user:bob"} {
		f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: room}, f.nodes[0].ID())
	}
	ada, bob := &roamer{f: f, user: "ada"}, &roamer{f: f, user: "bob"}
	for i, r := range []*roamer{ada, bob} {
		r.open(i + 1)
		r.ask("join", `["x"]`)
	}
	say := func(text string) {
		if err := f.gates[1].To("x").Emit("news", text); err != nil {
			t.Fatal(err)
		}
	}
	say("both")
	ada.await(actors.PacketEvent, roamNS, `["news","both"`)
	bob.await(actors.PacketEvent, roamNS, `["news","both"`)
	f.world.Cut(f.nodes[0].ID(), f.nodes[2].ID(), true)
	say("one")
	ada.await(actors.PacketEvent, roamNS, `["news","one"`)
	f.world.Kill(f.nodes[0].ID())
	until(t, "who lacks it is cut off", func() bool { return bob.reason() == actors.ReasonNodeLost })
	bob.read(10)
	if bob.open(2) {
		t.Error("it recovered")
	}
	say("again")
	ada.await(actors.PacketEvent, roamNS, `["news","again"`)
	if why := ada.reason(); why != "" {
		t.Errorf("who lacks nothing was cut off: %s", why)
	}
}

// TestWhatIsEmittedBeforeAnybodyHasComeOverIsKept: the next activation is woken
// by the event, and keeps it for clients that do not know yet.
func TestWhatIsEmittedBeforeAnybodyHasComeOverIsKept(t *testing.T) {
	f := newFleet(t, 3, actors.GatewayConfig{})
	for _, room := range []string{"x", "\x00user:ada"} {
		f.world.Put(actors.RoomRef{Kind: "@" + roamNS, ID: room}, f.nodes[0].ID())
	}
	r := &roamer{f: f, user: "ada"}
	r.open(1)
	r.ask("join", `["x"]`)
	say := func(from int, text string) {
		if err := f.gates[from].To("x").Emit("news", text); err != nil {
			t.Fatal(err)
		}
	}
	say(2, "first")
	r.await(actors.PacketEvent, roamNS, `"first"`)
	f.world.Cut(f.nodes[0].ID(), f.nodes[1].ID(), true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := f.nodes[0].Drain(ctx); err != nil {
		t.Error(err)
	}
	say(2, "from afar")
	say(0, "from where it was")
	until(t, "it has woken elsewhere", func() bool { return f.nodes[1].Stats().Rooms+f.nodes[2].Stats().Rooms > 0 })
	f.world.Cut(f.nodes[0].ID(), f.nodes[1].ID(), false)
	r.await(actors.PacketEvent, roamNS, `"from afar"`)
	r.await(actors.PacketEvent, roamNS, `"from where it was"`)
}
