package e2e

import (
	"fmt"
	"math"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/parlor-rooms/parlor/transport/transporttest/browsertest"
	"github.com/parlor-rooms/parlor/transport/transporttest/otlptest"
)

// named makes a page of examples/cursors remember who it is.
func named(name string, colour int) browsertest.View {
	return browsertest.View{Script: fmt.Sprintf(`localStorage.setItem("parlor-cursors", JSON.stringify({ name: %q, colour: %d }))`, name, colour)}
}

// points waits until a tab knows where a member points, within a unit of the
// board, and shows its cursor there.
func (p *tab) points(id string, x, y int) {
	p.t.Helper()
	p.Wait(fmt.Sprintf("%s points to %d, %d", id, x, y),
		`((at) => at && Math.abs(at.x - %d) <= 1 && Math.abs(at.y - %d) <= 1)(__parlor.positions[%q])`, x, y, id)
}

func TestTwoTabsSeeEachOthersCursorsMove(t *testing.T) {
	collector := otlptest.New(t)
	collector.Exported(t)
	url := startProgram(t, "examples/cursors", "-listen", "127.0.0.1:0")
	b := browsertest.Start(t, nil)
	ada := openTab(b, t, "ada", url+"#den", named("Ada", 1))
	ada.Wait("it is on the board", `__parlor.connected && __parlor.members.length === 1`)
	bob := openTab(b, t, "bob", url+"#den", named("Bob", 6))
	other := openTab(b, t, "other", url+"#attic", named("Eve", 3))
	for _, p := range []*tab{ada, bob} {
		p.Wait("both are there", `__parlor.members.map((m) => m.name).sort().join() === "Ada,Bob"`)
		p.upgraded()
	}

	// Every window is as large as the others: a place on screen is the same
	// place on the board for both.
	adaID, bobID := eval[string](ada, `__parlor.id`), eval[string](bob, `__parlor.id`)
	board := func(x, y float64) (int, int) {
		// 1280 by 800 shows 2000 by 1250 units with a margin of 14 pixels
		// above and below.
		const scale, left, top = 772.0 / 1250, (1280 - 2000*772.0/1250) / 2, 14
		return int((x-left)/scale + 0.5), int((y-top)/scale + 0.5)
	}
	for _, at := range [][2]float64{{420, 300}, {700, 520}, {380, 420}} {
		ada.mouse(at[0], at[1])
		x, y := board(at[0], at[1])
		ada.points(adaID, x, y)
		bob.points(adaID, x, y)
		bob.mouse(at[0]+300, at[1]-80)
		x, y = board(at[0]+300, at[1]-80)
		ada.points(bobID, x, y)
		bob.points(bobID, x, y)
	}

	if got := eval[int](other, `__parlor.members.length`); got != 1 {
		t.Errorf("the board next door has %d members, want 1", got)
	}
	other.Do(chromedp.Navigate("about:blank"))

	// Ink and words, as people use the page.
	bob.Do(chromedp.Click(chromedp.CSS("#tool-pen")))
	bob.Do(chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, 895, 330, chromedp.ButtonType(input.MouseButtonLeft)))
	for step := range 40 { // a flower
		turn := float64(step) / 39 * 2 * math.Pi
		r := 90 * (1 + math.Cos(5*turn)/2)
		bob.Do(chromedp.MouseEvent(chromedp.MouseMoved, 760+r*math.Cos(turn), 330+r*math.Sin(turn), chromedp.ButtonType(input.MouseButtonLeft)))
	}
	ada.Wait("it sees the ink", `__parlor.ink > 0`)
	ada.key(input.DispatchKeyEventTypeRawKeyDown, "/", "Slash")
	ada.key(input.DispatchKeyEventTypeKeyUp, "/", "Slash")
	ada.Do(chromedp.KeyEvent("What a flower!"))
	bob.Wait("it sees the words", `__parlor.says[%q] === "What a flower!"`, adaID)

	expectDrawn(t, ada.screenshot("cursors"), 1280, 800)
	expectDrawn(t, bob.screenshot("cursors-bob"), 1280, 800)

	collector.Followed("/cursors/den", "receive/connection/turn/deliver/flush")

	bob.Do(chromedp.Navigate("about:blank"))
	ada.Wait("the other has left with its cursor", `__parlor.members.length === 1 && !(%q in __parlor.positions)`, bobID)
}
