package e2e

import (
	"context"
	"fmt"
	"image"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/parlor-rooms/parlor/transport/transporttest/browsertest"
	"github.com/parlor-rooms/parlor/transport/transporttest/otlptest"
)

// overhear notes, in a page of examples/game, whose secrets it was ever sent,
// by whatever transport: everything passes JSON.parse.
const overhear = `window.__heard = new Set();
const parse = JSON.parse;
JSON.parse = (...args) => {
	const value = parse(...args);
	if (Array.isArray(value)) {
		const told = { "room:state": value[1]?.fields, "room:patch": value[1]?.set }[value[0]];
		for (const id of Object.keys(told?.secret ?? {})) __heard.add(id);
	}
	return value;
};`

// enter opens the game and goes into the arena.
func (g *arena) enter(name string) *tab {
	g.t.Helper()
	p := openTab(g.browser, g.t, name, g.url+"#den", browsertest.View{Script: overhear})
	p.Do(chromedp.WaitEnabled(chromedp.CSS("#play")))
	p.Do(chromedp.SetValue(chromedp.CSS("#name"), name), chromedp.Click(chromedp.CSS("#play")))
	p.Wait("it has a ship and a secret", `__parlor.connected && __parlor.seat >= 0 && __parlor.own && __parlor.secret`)
	p.upgraded()
	return p
}

type arena struct {
	t       *testing.T
	browser context.Context
	url     string
}

// flight is where a page shows a ship.
type flight struct{ X, Y float64 }

// keys are the four that fly, and where to.
var keys = []struct {
	key, code string
	to        flight
}{{"d", "KeyD", flight{1, 0}}, {"a", "KeyA", flight{-1, 0}}, {"s", "KeyS", flight{0, 1}}, {"w", "KeyW", flight{0, -1}}}

// far is how far b is from a in a direction.
func far(a, b, to flight) float64 { return (b.X-a.X)*to.X + (b.Y-a.Y)*to.Y }

// flies holds a key in one tab until its own ship has gone some way, sees it
// do so in the other tab, and waits until both show it in the same place. A
// rock or a wall may be in the way: then it is another key's turn.
func flies(pilot, watcher *tab) {
	pilot.t.Helper()
	id := eval[string](pilot, `__parlor.id`)
	own := func() flight { return eval[flight](pilot, `__parlor.own`) }
	seen := func() flight { return eval[flight](watcher, fmt.Sprintf(`__parlor.positions[%q]`, id)) }
	for i := 0; ; i++ {
		k, from, before := keys[i%len(keys)], own(), seen()
		pilot.key(input.DispatchKeyEventTypeRawKeyDown, k.key, k.code)
		tries := 0
		pilot.Until("its ship has gone some way", func() bool { tries++; return tries > 100 || far(from, own(), k.to) > 50 })
		if tries <= 100 {
			watcher.Until("it sees the other ship go that way", func() bool { return far(before, seen(), k.to) > 40 })
		}
		pilot.key(input.DispatchKeyEventTypeKeyUp, k.key, k.code)
		if tries <= 100 {
			break
		}
		if i > 2*len(keys) {
			pilot.t.Fatalf("%s: no key moves its ship", pilot.name)
		}
	}
	watcher.Until("both show the ship in the same place", func() bool {
		a, b := own(), seen()
		return math.Hypot(a.X-b.X, a.Y-b.Y) < 8
	})
}

// duel brings two ships together for a picture, and lets both fire. Rocks may
// keep them apart: then the picture shows that.
func duel(pilot, other *tab) {
	pilot.t.Helper()
	id := eval[string](other, `__parlor.id`)
	held := make([]bool, len(keys))
	press := func(i int, down bool) {
		if held[i] == down {
			return
		}
		held[i] = down
		kind := input.DispatchKeyEventTypeKeyUp
		if down {
			kind = input.DispatchKeyEventTypeRawKeyDown
		}
		pilot.key(kind, keys[i].key, keys[i].code)
	}
	aim := func(p *tab, by flight) { p.mouse(640+by.X/2, 400+by.Y/2) }
	var gap flight
	tries := 0
	pilot.Until("the ships are close", func() bool {
		own, there := eval[flight](pilot, `__parlor.own`), eval[flight](pilot, fmt.Sprintf(`__parlor.positions[%q]`, id))
		gap = flight{there.X - own.X, there.Y - own.Y}
		for i, k := range keys {
			press(i, far(flight{}, gap, k.to) > 60)
		}
		tries++
		return tries > 400 || math.Hypot(gap.X, gap.Y) < 240
	})
	for i := range keys {
		press(i, false)
	}
	aim(pilot, gap)
	aim(other, flight{-gap.X, -gap.Y})
	for _, p := range []*tab{pilot, other} {
		p.key(input.DispatchKeyEventTypeRawKeyDown, " ", "Space")
	}
	pilot.Until("shots are seen", func() bool { tries++; return tries > 600 || eval[int](pilot, `__parlor.shots`) > 2 })
}

func TestTwoTabsOfTheGameSeeEachOtherMoveAndAThirdJoinsLate(t *testing.T) {
	collector := otlptest.New(t)
	collector.Exported(t)
	g := &arena{t: t, browser: browsertest.Start(t, nil), url: startProgram(t, "examples/game", "-listen", "127.0.0.1:0")}
	ada, bob := g.enter("Ada"), g.enter("Bob")
	const humans = `__parlor.members.filter((m) => !m.robot).map((m) => m.name).sort().join()`
	for _, p := range []*tab{ada, bob} {
		p.Wait("both play", humans+` === "Ada,Bob"`)
	}
	flies(ada, bob)
	flies(bob, ada)

	ada.Wait("somebody has scored", `__parlor.members.some((m) => m.score > 0)`)
	cleo := g.enter("Cleo")
	for _, p := range []*tab{ada, bob, cleo} {
		p.Wait("three play", humans+` === "Ada,Bob,Cleo"`)
	}
	// The game goes on between two looks: who has the whole state agrees with
	// the others again and again, who lacks a part never does.
	const table = `JSON.stringify([__parlor.members, __parlor.round, __parlor.pickups, Object.keys(__parlor.positions).sort()])`
	cleo.Until("it shows the scores, the round and the things that the others show", func() bool {
		return eval[string](cleo, table) == eval[string](ada, table)
	})
	cleo.Wait("it shows a score from before it came", `__parlor.members.some((m) => m.score > 0)`)
	flies(cleo, ada)
	flies(ada, cleo)

	if os.Getenv("PARLOR_SCREENSHOTS") != "" {
		duel(ada, bob)
	}
	pictures := []image.Image{ada.screenshot("game"), bob.screenshot("game-bob"), cleo.screenshot("game-cleo")}
	for _, p := range pictures {
		expectDrawn(t, p, 1280, 800)
	}
	for _, p := range []*tab{ada, bob, cleo} {
		if id, heard := eval[string](p, `__parlor.id`), eval[[]string](p, `[...__heard]`); !slices.Equal(heard, []string{id}) {
			t.Errorf("%s, member %s, was told the secrets of %q, want its own", p.name, id, heard)
		}
	}

	collector.Followed("/arena/den", "receive/connection/join/deliver/flush")
	collector.Followed("/arena/den", "receive/connection/turn")

	cleoID := eval[string](cleo, `__parlor.id`)
	cleo.Do(chromedp.Click(chromedp.CSS("#leave")))
	ada.Wait("the third has left", humans+` === "Ada,Bob" && !(%q in __parlor.positions)`, cleoID)
}
