package lasting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/parlor-rooms/parlor/actors/store/memory"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// guest is a client that does as it is told.
type guest struct {
	t      *testing.T
	ctx    context.Context
	name   string
	ns     *transporttest.Namespace
	sid    string
	pid    string
	offset string
}

// enter enters the room at a server, as a stock client does that was there
// before. It reports whether it was told that it missed nothing.
func (g *guest) enter(url string) (recovered bool) {
	g.t.Helper()
	client, err := transporttest.Dial(g.ctx, url, transporttest.Options{})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(client.Abort)
	auth := map[string]string{"name": g.name}
	if g.pid != "" {
		auth["pid"], auth["offset"] = g.pid, g.offset
	}
	if g.ns, err = client.Connect(g.ctx, "/ledger/r", auth); err != nil {
		g.t.Fatal(err)
	}
	recovered = g.pid == g.ns.PID()
	if g.sid != "" && g.sid != g.ns.SID() {
		g.t.Errorf("%s has lost its seat", g.name)
	}
	g.sid, g.pid = g.ns.SID(), g.ns.PID()
	return recovered
}

func (g *guest) write(n int) (at int, err error) {
	meta := map[string]any{"$parlor": map[string]string{"cid": fmt.Sprint(n)}}
	e, err := g.ns.EmitAck(g.ctx, "write", line{g.name, n}, meta)
	if err == nil {
		err = e.Decode(0, &at)
	}
	return at, err
}

func (g *guest) ask(event string) (lines []line) {
	g.t.Helper()
	e, err := g.ns.EmitAck(g.ctx, event, 0)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := e.Decode(0, &lines); err != nil {
		g.t.Fatal(err)
	}
	return lines
}

// writes writes lines, and fails the test unless they are acknowledged.
func (g *guest) writes(numbers ...int) {
	g.t.Helper()
	for _, n := range numbers {
		if _, err := g.write(n); err != nil {
			g.t.Fatalf("%s writes %d: %v", g.name, n, err)
		}
	}
}

// hears takes events until it was told of a line.
func (g *guest) hears(at int) {
	g.t.Helper()
	for {
		e, err := g.ns.Next(g.ctx)
		if err != nil {
			g.t.Fatalf("%s waits for line %d: %v", g.name, at, err)
		}
		_ = json.Unmarshal(e.Args[len(e.Args)-1], &g.offset) // some have none
		var w written
		if e.Name == "written" && e.Decode(0, &w) == nil && w.At >= at {
			return
		}
	}
}

// lose has ada and bob at a server, and the store lose what both have heard:
// lines 2 and 3.
func lose(ctx context.Context, t *testing.T, store *memory.Store, url string) (ada, bob *guest) {
	t.Helper()
	ada, bob = &guest{t: t, ctx: ctx, name: "ada"}, &guest{t: t, ctx: ctx, name: "bob"}
	ada.enter(url)
	bob.enter(url)
	ada.writes(0, 1)
	rewind := store.Mark()
	ada.writes(2, 3)
	ada.hears(3)
	bob.hears(3)
	rewind()
	return ada, bob
}

// TestALivingOwnerGivesBackWhatItsStoreHasLost: a store that loses what it
// acknowledged, as a Redis does whose replica was behind, while the room's owner
// lives. It gives it back with what it writes next, and nobody is told
// anything: not even those who return to another owner.
func TestALivingOwnerGivesBackWhatItsStoreHasLost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	store := memory.New(memory.Config{})
	url := serveOver(t, store)
	ada, bob := lose(ctx, t, store, url)
	if at, err := ada.write(4); at != 4 || err != nil {
		t.Errorf("a line behind those that were lost is answered %d, %v", at, err)
	}
	ada.hears(4)
	bob.hears(4)
	if at, err := bob.write(3); err != nil || at != 5 {
		t.Errorf("bob's own line is answered %d, %v", at, err)
	}
	next := serveOver(t, store)
	if !ada.enter(next) || !bob.enter(next) {
		t.Error("ada and bob are told that they missed something")
	}
	want := []line{{"ada", 0}, {"ada", 1}, {"ada", 2}, {"ada", 3}, {"ada", 4}, {"bob", 3}}
	if got := ada.ask("read"); !slices.Equal(got, want) {
		t.Errorf("the room holds %v, want %v", got, want)
	}
}

// TestWhatARolledBackStoreHasLostIsTold: a store that loses what it
// acknowledged, and another owner claims the room before the one that has it
// can give it back. That one goes on telling what it holds until it writes;
// that is never acknowledged, and everybody has to come back. The room is then
// what the store has. Who had heard of more is told that it did, at once and
// also once as many other events have taken their place; a command that was
// lost can be sent again.
func TestWhatARolledBackStoreHasLostIsTold(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	store := memory.New(memory.Config{})
	url, next := serveOver(t, store), serveOver(t, store)
	ada, bob := lose(ctx, t, store, url)
	carol := &guest{t: t, ctx: ctx, name: "carol"}
	carol.enter(next)

	if got := ada.ask("read"); len(got) != 4 {
		t.Errorf("the owner, which knows of nothing, tells %v", got)
	}
	if at, err := ada.write(4); !errors.Is(err, transporttest.ErrLeft) {
		t.Errorf("a line behind those that were lost is answered %d, %v", at, err)
	}
	if ada.enter(next) {
		t.Error("ada is told that she missed nothing, and has heard what is not there")
	}
	ada.writes(2, 4, 5)
	if got, want := ada.ask("read"), []line{{"ada", 0}, {"ada", 1}, {"ada", 2}, {"ada", 4}, {"ada", 5}}; !slices.Equal(got, want) {
		t.Errorf("the room holds %v, want %v", got, want)
	}
	if bob.enter(next) {
		t.Error("bob is told that he missed nothing, and has heard another line 3")
	}
}

// TestAReplacedOwnerAnswersReadsFromMemory: an owner that was taken for dead
// does not ask the store before it answers what nobody has to store. What
// writes something is not answered by it.
func TestAReplacedOwnerAnswersReadsFromMemory(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	store := memory.New(memory.Config{})
	first, second := serveOver(t, store), serveOver(t, store)
	ada, bob := &guest{t: t, ctx: ctx, name: "ada"}, &guest{t: t, ctx: ctx, name: "bob"}
	ada.enter(first)
	ada.writes(0)
	bob.enter(second)
	bob.writes(1)
	if got := ada.ask("read"); len(got) != 1 {
		t.Errorf("it tells %v", got)
	}
	if e, err := ada.ns.EmitAck(ctx, "look", 0); !errors.Is(err, transporttest.ErrLeft) {
		t.Errorf("a look is answered %s, %v", joined(e.Args), err)
	}
	ada.enter(first)
	if got := ada.ask("look"); len(got) != 2 {
		t.Errorf("once it is back it is told %v", got)
	}
}
