package e2e

import (
	"context"
	"fmt"
	"image"
	"math"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
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
	p := openTab(g.t, g.browser, name, g.url+"#den", view{script: overhear})
	p.do(chromedp.WaitEnabled(chromedp.CSS("#play")))
	p.do(chromedp.SetValue(chromedp.CSS("#name"), name), chromedp.Click(chromedp.CSS("#play")))
	p.wait("it has a ship and a secret", `__parlor.connected && __parlor.seat >= 0 && __parlor.own && __parlor.secret`)
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

// flies holds a key in one tab until its own ship has gone some way, then
// waits until the other tab shows it where its pilot does.
func flies(pilot, watcher *tab) {
	pilot.t.Helper()
	id := eval[string](pilot, `__parlor.id`)
	seen := func() flight { return eval[flight](watcher, fmt.Sprintf(`__parlor.positions[%q]`, id)) }
	from, before := eval[flight](pilot, `__parlor.own`), seen()
	key, code, ahead := "d", "KeyD", 1.0
	if from.X > arenaWidth/2 {
		key, code, ahead = "a", "KeyA", -1.0
	}
	pilot.key(input.DispatchKeyEventTypeRawKeyDown, key, code)
	pilot.wait("its ship has gone some way", `(__parlor.own.x - %f) * %f > 50`, from.X, ahead)
	watcher.until("it sees the other ship go that way", func() bool { return (seen().X-before.X)*ahead > 40 })
	pilot.key(input.DispatchKeyEventTypeKeyUp, key, code)
	watcher.until("both show the ship in the same place", func() bool {
		own, there := eval[flight](pilot, `__parlor.own`), seen()
		return math.Hypot(own.X-there.X, own.Y-there.Y) < 8
	})
}

// arenaWidth is how wide the arena is, in the pixels of the page.
const arenaWidth = 1800

func TestTwoTabsOfTheGameSeeEachOtherMoveAndAThirdJoinsLate(t *testing.T) {
	g := &arena{t: t, browser: browser(t), url: startProgram(t, "examples/game", "-listen", "127.0.0.1:0")}
	ada, bob := g.enter("Ada"), g.enter("Bob")
	const humans = `__parlor.members.filter((m) => !m.robot).map((m) => m.name).sort().join()`
	for _, p := range []*tab{ada, bob} {
		p.wait("both play", humans+` === "Ada,Bob"`)
	}
	flies(ada, bob)
	flies(bob, ada)

	ada.wait("somebody has scored", `__parlor.members.some((m) => m.score > 0)`)
	cleo := g.enter("Cleo")
	for _, p := range []*tab{ada, bob, cleo} {
		p.wait("three play", humans+` === "Ada,Bob,Cleo"`)
	}
	// The game goes on between two looks: who has the whole state agrees with
	// the others again and again, who lacks a part never does.
	const table = `JSON.stringify([__parlor.members, __parlor.round, __parlor.pickups, Object.keys(__parlor.positions).sort()])`
	cleo.until("it shows the scores, the round and the things that the others show", func() bool {
		return eval[string](cleo, table) == eval[string](ada, table)
	})
	cleo.wait("it shows a score from before it came", `__parlor.members.some((m) => m.score > 0)`)
	flies(cleo, ada)
	flies(ada, cleo)

	pictures := []image.Image{ada.screenshot("game"), bob.screenshot("game-bob"), cleo.screenshot("game-cleo")}
	for _, p := range pictures {
		expectDrawn(t, p, 1280, 800)
	}
	for _, p := range []*tab{ada, bob, cleo} {
		if id, heard := eval[string](p, `__parlor.id`), eval[[]string](p, `[...__heard]`); !slices.Equal(heard, []string{id}) {
			t.Errorf("%s, member %s, was told the secrets of %q, want its own", p.name, id, heard)
		}
	}

	cleoID := eval[string](cleo, `__parlor.id`)
	cleo.do(chromedp.Click(chromedp.CSS("#leave")))
	ada.wait("the third has left", humans+` === "Ada,Bob" && !(%q in __parlor.positions)`, cleoID)
}
