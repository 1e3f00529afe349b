package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// rooms is an actors.Ownership that can fail.
type rooms struct {
	actors.Ownership
	mu     sync.Mutex
	owned  map[actors.RoomRef]actors.Owned
	epoch  uint64
	down   bool
	deaf   int // answers that are lost
	calls  int
	under  int // calls under way
	most   int // of them at a moment
	delay  time.Duration
	claims []actors.Claim
	taken  func(r actors.RoomRef, from, to string) // told of every new owner; nil if nobody cares
}

var errStore = errors.New("the store does not answer")

// enter begins a call as the stores do: not every name is a room's.
func (s *rooms) enter(r actors.RoomRef) error {
	s.mu.Lock()
	if err := actors.CheckRoom(r); err != nil {
		return err
	}
	s.calls++
	s.under++
	s.most = max(s.most, s.under)
	d := s.delay
	s.mu.Unlock()
	pass(d)
	s.mu.Lock()
	s.under--
	if s.down {
		return errStore
	}
	return nil
}

func (s *rooms) Owner(_ context.Context, r actors.RoomRef) (actors.Owner, error) {
	defer s.mu.Unlock()
	if err := s.enter(r); err != nil {
		return actors.Owner{}, err
	}
	return s.owned[r].Owner, nil
}

func (s *rooms) Claim(_ context.Context, r actors.RoomRef, c actors.Claim) (actors.Owned, error) {
	defer s.mu.Unlock()
	if err := s.enter(r); err != nil {
		return actors.Owned{}, err
	}
	s.claims = append(s.claims, c)
	if o := s.owned[r]; o.Owner != c.Owner || o.Epoch <= c.Floor {
		if !c.Takes(o.Owner, o.Epoch) {
			return actors.Owned{}, &actors.HeldError{Owner: o.Owner, Epoch: o.Epoch}
		}
		if s.taken != nil {
			s.taken(r, o.Owner.Node, c.Owner.Node)
		}
		s.epoch = max(s.epoch, c.Floor) + 1
		s.owned[r] = actors.Owned{Owner: c.Owner, Epoch: s.epoch}
	}
	if s.deaf > 0 {
		s.deaf--
		return actors.Owned{}, errStore
	}
	return s.owned[r], nil
}

func (s *rooms) Release(_ context.Context, r actors.RoomRef, o actors.Owned) error {
	defer s.mu.Unlock()
	if err := s.enter(r); err != nil {
		return err
	}
	if s.owned[r].Owner != o.Owner {
		return actors.ErrFenced
	}
	delete(s.owned, r)
	return nil
}

// places is a crowd whose data set is settled, each with a placement.
type places struct {
	*crowd
	store *rooms
}

func newPlaces(t *testing.T, ids ...string) *places {
	p := &places{newCrowd(t), &rooms{owned: make(map[actors.RoomRef]actors.Owned)}}
	for _, id := range ids {
		p.start(id)
	}
	pass(3 * time.Second)
	return p
}

func (p *places) at(id string) *Placement {
	return NewPlacement(PlacementConfig{Self: id, Store: p.store, Members: p.agents[id], Log: silentLog})
}

// locate fails the test if the question does.
func (p *places) locate(node string, r Request) Place {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	place, err := p.at(node).Locate(ctx, r)
	if err != nil {
		p.t.Fatalf("%s cannot locate %v: %v", node, r.Room, err)
	}
	return place
}

// wake has a room woken for node, wherever that is, and returns where.
func (p *places) wake(node string, room actors.RoomRef) string {
	p.t.Helper()
	place := p.locate(node, Request{Room: room})
	for range 5 {
		if place.Owned.Epoch > 0 || place.Node == p.store.owned[room].Owner.Node {
			return place.Node
		}
		place = p.locate(place.Node, Request{Room: room, Here: true})
	}
	p.t.Fatalf("%v does not wake anywhere", room)
	return ""
}

func inBubble(t *testing.T, f func(t *testing.T, p *places), ids ...string) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(t, ids...)
		defer p.endAll()
		f(t, p)
	})
}

func TestARoomIsFoundWhereItWoke(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		where := map[int]string{}
		for i := range 60 {
			where[i] = p.wake([]string{"a", "b"}[i%2], board(i))
		}
		p.start("c") // for which the rendezvous would have a third of them
		pass(time.Second)
		for i, node := range where {
			for _, asker := range []string{"a", "b", "c"} {
				if asker == node {
					continue // it does not ask for what it has
				}
				for _, peek := range []bool{false, true} {
					if place := p.locate(asker, Request{Room: board(i), Peek: peek}); place.Node != node {
						t.Fatalf("%s finds %v at %q, it is at %s", asker, board(i), place.Node, node)
					}
				}
			}
		}
	}, "a", "b")
}

func TestNodesThatWakeARoomAtOnceAgree(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		p.store.delay = time.Millisecond
		for i := range 50 {
			var wg sync.WaitGroup
			var mu sync.Mutex
			owners, answers := 0, map[string]int{}
			for _, id := range []string{"a", "b", "c"} {
				wg.Go(func() {
					place, err := p.at(id).Locate(t.Context(), Request{Room: board(i), Here: true})
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Error(err)
					}
					answers[place.Node]++
					if place.Owned.Epoch > 0 {
						owners++
					}
				})
			}
			wg.Wait()
			if owners != 1 || len(answers) != 1 {
				t.Fatalf("%d nodes own %v, which is said to be at %v", owners, board(i), answers)
			}
		}
	}, "a", "b", "c")
}

func TestTheRoomsOfADeadNodeWakeElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		for i := range 20 {
			p.wake("a", board(i))
		}
		epochs := map[actors.RoomRef]uint64{}
		for r, o := range p.store.owned {
			epochs[r] = o.Epoch
		}
		p.end("b")
		pass(time.Second)
		for i := range 20 {
			was := p.store.owned[board(i)]
			if is := p.wake("a", board(i)); is != "a" {
				t.Fatalf("%v is at %s", board(i), is)
			}
			if was.Owner.Node == "b" && p.store.owned[board(i)].Epoch <= epochs[board(i)] {
				t.Errorf("%v has no higher epoch", board(i))
			}
		}
	}, "a", "b")
}

// TestAnOwnerThatJoinedJustNowIsNotTakenForDead: that a node is in no view
// says nothing before a view is younger than what the node wrote.
func TestAnOwnerThatJoinedJustNowIsNotTakenForDead(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		for i := range 50 { // a beat of a's own may come in between: then it knows
			id := fmt.Sprintf("z%d", i)
			beat := Beat{Self: Member{ID: id, Address: id + ":1", Rooms: true}, TTL: testTTL, Gap: time.Second, Join: true}
			pass(time.Millisecond)
			if _, err := p.reg.Memory.Beat(t.Context(), beat); err != nil {
				t.Fatal(err)
			}
			p.store.owned[board(i)] = actors.Owned{Owner: actors.Owner{Node: id, Nonce: "1"}, Epoch: 7}
			known := p.agents["a"].View().Has(id)
			if place := p.locate("a", Request{Room: board(i), Here: true}); place.Node != id {
				t.Errorf("located at %q", place.Node)
			}
			if !known {
				return
			}
		}
		t.Fatal("the test proves nothing: each node is in the view at once")
	}, "a")
}

func TestPeekWakesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		for i := range 10 {
			if place := p.locate("a", Request{Room: board(i), Peek: true}); place.Node != "" {
				t.Errorf("a room that is nowhere is said to be at %s", place.Node)
			}
		}
		if len(p.store.owned) > 0 {
			t.Error("rooms were claimed")
		}
	}, "a", "b")
}

func TestWhatWasNotReleasedIsClaimedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		first := p.locate("a", Request{Room: board(1)})
		again := p.locate("a", Request{Room: board(1)})
		if again.Node != "a" || again.Owned.Epoch <= first.Owned.Epoch {
			t.Errorf("claimed as %+v after %+v", again, first)
		}
		if err := p.at("a").Release(t.Context(), board(1), first.Owned); err != nil {
			t.Errorf("a release that comes late is an error: %v", err)
		}
		if p.store.owned[board(1)] != again.Owned {
			t.Error("a release that comes late takes the room from its next activation")
		}
		if err := p.at("a").Release(t.Context(), board(1), again.Owned); err != nil || len(p.store.owned) > 0 {
			t.Errorf("not released: %v", err)
		}
	}, "a")
}

func TestAClaimWhoseAnswerWasLostIsRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		p.store.deaf = 3
		place := p.locate("a", Request{Room: board(1)})
		if place.Owned != p.store.owned[board(1)] || place.Owned.Epoch != 1 {
			t.Errorf("claimed as %+v, owned as %+v", place.Owned, p.store.owned[board(1)])
		}
		for _, c := range p.store.claims {
			if c.Owner != place.Owned.Owner {
				t.Errorf("claimed as another: %+v", c)
			}
		}
	}, "a")
}

func TestClaimsWaitUntilOwnersHaveHadTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{newCrowd(t), &rooms{owned: make(map[actors.RoomRef]actors.Owned)}}
		defer p.endAll()
		begun := time.Now()
		p.start("a") // on a registry that is empty
		p.locate("a", Request{Room: board(1)})
		if waited := time.Since(begun); waited < time.Second || waited > 3*time.Second {
			t.Errorf("the first claim came after %v", waited)
		}
		begun = time.Now()
		p.locate("a", Request{Room: board(2)})
		if waited := time.Since(begun); waited > 0 {
			t.Errorf("the second claim waited for %v", waited)
		}
	})
}

func TestADrainingNodeTakesNoRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		p.wake("a", board(0))
		p.agents["b"].Drain()
		pass(time.Second)
		for i := range 20 {
			if place := p.locate("b", Request{Room: board(i), Here: i%2 == 0}); place.Node == "b" {
				t.Fatalf("%v wakes on a node that drains", board(i))
			}
		}
		p.agents["a"].Drain()
		pass(time.Second)
		_, err := p.at("b").Locate(t.Context(), Request{Room: board(99)})
		var told *actors.Error
		if !errors.As(err, &told) || told.Code != actors.CodeUnavailable {
			t.Errorf("with nobody to take it: %v", err)
		}
	}, "a", "b")
}

func TestAStoreThatIsAwayIsAskedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		p.store.down = true
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := p.at("a").Locate(ctx, Request{Room: board(1)})
		var told *actors.Error
		if !errors.As(err, &told) || told.Code != actors.CodeUnavailable {
			t.Errorf("while it is away: %v", err)
		}
		if p.store.calls > 20 {
			t.Errorf("asked %d times within 3 s", p.store.calls)
		}
		time.AfterFunc(2*time.Second, func() {
			p.store.mu.Lock()
			defer p.store.mu.Unlock()
			p.store.down = false
		})
		if place := p.locate("a", Request{Room: board(1)}); place.Node != "a" {
			t.Errorf("located at %q", place.Node)
		}
	}, "a")
}

func TestClaimsAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		p.store.delay = time.Millisecond
		place := p.at("a")
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				if _, err := place.Locate(t.Context(), Request{Room: board(i)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if p.store.most != 64 {
			t.Errorf("%d claims at a moment, want 64", p.store.most)
		}
	}, "a")
}

// TestOwnersClaimAgainWhatTheStoreForgot, and yield to who came later.
func TestOwnersClaimAgainWhatTheStoreForgot(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		p.store.epoch = 10
		owned := p.locate("a", Request{Room: board(1), Here: true}).Owned
		for name, found := range map[string]actors.Owner{
			"nobody": {}, "itself": owned.Owner, "a dead node": {Node: "x", Nonce: "1"}, "an earlier activation": {Node: "a", Nonce: "1"},
			"who had it before, and lives": {Node: "b", Nonce: "1"},
		} {
			p.store.owned[board(1)] = actors.Owned{Owner: found, Epoch: owned.Epoch - 1}
			again, err := p.at("a").Reclaim(t.Context(), board(1), owned)
			if err != nil || again.Owner != owned.Owner || again.Epoch <= owned.Epoch || p.store.owned[board(1)] != again {
				t.Errorf("%s: %+v, %v; the room is %+v", name, again, err, p.store.owned[board(1)])
			}
		}
		p.store.deaf = 1
		if again, err := p.at("a").Reclaim(t.Context(), board(1), owned); err != nil || p.store.owned[board(1)] != again {
			t.Errorf("its answer was lost: %+v, %v", again, err)
		}
		p.store.owned[board(1)] = actors.Owned{Owner: actors.Owner{Node: "b", Nonce: "1"}, Epoch: owned.Epoch + 1}
		if _, err := p.at("a").Reclaim(t.Context(), board(1), owned); !errors.Is(err, actors.ErrHeld) {
			t.Errorf("a room that another node has since: %v", err)
		}
	}, "a", "b")
}

// TestWhoMayHaveBeenTakenForDeadClaimsNothingAgain: its room may have been
// destroyed by the next owner, of which no store knows anything.
func TestWhoMayHaveBeenTakenForDeadClaimsNothingAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		owned := p.locate("a", Request{Room: board(1), Here: true}).Owned
		delete(p.store.owned, board(1))
		p.agents["a"].serve.Store(new(time.Time))
		if _, err := p.at("a").Reclaim(t.Context(), board(1), owned); !errors.Is(err, actors.ErrFenced) || len(p.store.owned) > 0 {
			t.Errorf("%v; the store has %v", err, p.store.owned)
		}
	}, "a", "b")
}

func TestRoomsSpreadOverNodes(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		count := map[string]int{}
		for i := range 300 {
			count[p.wake("a", board(i))]++
		}
		if len(count) != 3 || count["a"] < 70 || count["b"] < 70 || count["c"] < 70 {
			t.Error(fmt.Sprint("rooms per node: ", count))
		}
	}, "a", "b", "c")
}

// TestBriefRoomsStartWhileTheRegistryIsSilentForEverybody, where the rendezvous
// has them, and no others do. A node that is alone in not hearing the registry
// starts nothing.
func TestBriefRoomsStartWhileTheRegistryIsSilentForEverybody(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		ask := func(node string, may bool, r Request) (Place, error) {
			place := NewPlacement(PlacementConfig{Self: node, Store: p.store, Members: p.agents[node], Log: silentLog, Unclaimed: may})
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			return place.Locate(ctx, r)
		}
		p.reg.set("a", true)
		p.store.down = true
		<-time.After(3600 * time.Millisecond) // its lease lasts for 5 s, of which a beat is over
		if place, err := ask("a", true, Request{Room: board(1), Brief: true}); err == nil {
			t.Errorf("cut off alone: %+v", place)
		}
		p.reg.set("a", false)
		<-time.After(2 * time.Second)
		p.reg.set("", true)
		<-time.After(5 * time.Second)
		where := map[string]int{}
		for i := range 20 {
			place, err := ask("a", true, Request{Room: board(i), Brief: true})
			other, _ := ask("b", true, Request{Room: board(i), Brief: true})
			if err != nil || !place.Unclaimed || other != place || place.Owned.Epoch != 0 {
				t.Fatalf("%+v and %+v, %v", place, other, err)
			}
			where[place.Node]++
		}
		if where["a"] == 0 || where["b"] == 0 {
			t.Errorf("placed %v", where)
		}
		if place, _ := ask("b", true, Request{Room: board(1), Brief: true, Here: true}); place.Node != "b" || !place.Unclaimed {
			t.Errorf("for another node: %+v", place)
		}
		for what, r := range map[string]Request{"kept": {Room: board(1)}, "a peek": {Room: board(1), Brief: true, Peek: true}} {
			if place, err := ask("a", true, r); err == nil {
				t.Errorf("%s: %+v", what, place)
			}
		}
		if place, err := ask("a", false, Request{Room: board(1), Brief: true}); err == nil {
			t.Errorf("where it is not wanted: %+v", place)
		}
		p.reg.set("", false)
		p.store.mu.Lock()
		p.store.down = false
		p.store.mu.Unlock()
		<-time.After(2 * time.Second)
		if place, err := ask("a", true, Request{Room: board(1), Brief: true, Here: true}); err != nil || place.Unclaimed || place.Owned.Epoch == 0 {
			t.Errorf("afterwards: %+v, %v", place, err)
		}
	}, "a", "b")
}

// TestWhatStartedUnclaimedIsClaimedOnce: of two nodes that have it one owns it.
func TestWhatStartedUnclaimedIsClaimedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		p.store.down = true
		answers := make(chan Place, 2)
		for _, node := range []string{"a", "b"} {
			go func() {
				place, err := p.at(node).Claim(t.Context(), board(1))
				if err != nil {
					t.Error(err)
				}
				answers <- place
			}()
		}
		<-time.After(time.Minute)
		p.store.mu.Lock()
		if p.store.calls > 400 {
			t.Errorf("asked %d times within a minute", p.store.calls)
		}
		p.store.down = false
		p.store.mu.Unlock()
		first, second := <-answers, <-answers
		if first.Node != second.Node || (first.Owned.Epoch == 0) == (second.Owned.Epoch == 0) {
			t.Errorf("%+v and %+v", first, second)
		}
	}, "a", "b")
}

// TestRoomsOfGatewaysArePlacedAsOthersAre: their names are not such as stores
// take, and no two are one.
func TestRoomsOfGatewaysArePlacedAsOthersAre(t *testing.T) {
	inBubble(t, func(t *testing.T, p *places) {
		hubs := []actors.RoomRef{
			{Kind: "@/chat", ID: "lobby"}, {Kind: "@/chat", ID: "\x00user:ada lovelace"}, {Kind: "@/chat", ID: "user:ada lovelace"},
			{Kind: "@/chat\x00", ID: "user:ada lovelace"}, {Kind: "@/", ID: strings.Repeat("é", 128)}, {Kind: "@/cha", ID: "tlobby"},
		}
		for _, hub := range hubs {
			node := p.wake("a", hub)
			for _, asker := range []string{"a", "b", "c"} {
				if place := p.locate(asker, Request{Room: hub, Peek: true}); place.Node != node && asker != node {
					t.Errorf("%q is on %s, and %s finds it on %q", hub, node, asker, place.Node)
				}
			}
		}
		if len(p.store.owned) != len(hubs) {
			t.Errorf("%d rooms are claimed for %d", len(p.store.owned), len(hubs))
		}
		hub := actors.RoomRef{Kind: "@/chat", ID: "other"}
		node := p.wake("a", hub)
		owned := p.store.owned[stored(hub)]
		if err := p.at(node).Release(t.Context(), hub, owned); err != nil || len(p.store.owned) != len(hubs) {
			t.Errorf("not released: %v", err)
		}
	}, "a", "b", "c")
}
