package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parlor-rooms/parlor/transport/transporttest/browsertest"
)

// TestPlaygroundShowsTwoTabs uses the page of the ready-made server as people
// do, from the first look to a lost connection.
func TestPlaygroundShowsTwoTabs(t *testing.T) {
	url := startProgram(t, "cmd/node", "serve", "--listen=127.0.0.1:0")
	b := browsertest.Start(t, nil)
	guest := func(name, colour string) *tab {
		return openTab(b, t, name, url+"#den", browsertest.View{Width: 960, Height: 800, Script: fmt.Sprintf(
			`sessionStorage.setItem("parlor.playground.me", JSON.stringify({ name: %q, color: %q }))`, name, colour)})
	}
	const people = `[...document.querySelectorAll("#people .name")].map((e) => e.firstChild.data).sort().join()`
	const connected = `document.documentElement.dataset.connection === "connected"`
	const said = `[...document.querySelectorAll(".message .text")].map((e) => e.textContent).join("|")`
	const cursor = `document.querySelector("#cursors .cursor")?.style.transform`
	const latency = `[...document.querySelectorAll("#people .latency")].every((e) => / ms$/.test(e.textContent))`

	ada, bob := guest("Ada", "#e11d48"), guest("Bob", "#0284c7")
	for _, p := range []*tab{ada, bob} {
		p.Wait("both are there", people+` === "Ada,Bob"`)
		p.Wait("everybody's round trip is shown", latency)
		p.upgraded()
		p.Wait("it says that it talks by WebSocket", connected+` && document.querySelector("[data-fact=transport]").textContent === "websocket"`)
	}

	bob.mouse(150, 260)
	ada.Wait("a cursor is shown", cursor)
	before := eval[string](ada, cursor)
	bob.mouse(380, 360)
	ada.Wait("the cursor moves", cursor+` !== %q`, before)
	ada.mouse(240, 420)
	bob.Wait("it sees the other's cursor", cursor)

	ada.Do(chromedp.SendKeys(chromedp.CSS("#chat-text"), "Hello from the left tab\r"))
	bob.Wait("the message arrives", said+` === "Hello from the left tab"`)
	bob.Do(chromedp.SendKeys(chromedp.CSS("#chat-text"), "And from the right one\r"))
	ada.Wait("the answer arrives", said+` === "Hello from the left tab|And from the right one"`)

	left, right := ada.screenshot("playground-ada"), bob.screenshot("playground-bob")
	expectDrawn(t, left, 960, 800)
	expectDrawn(t, right, 960, 800)
	sideBySide(t, "playground", left, right)

	cleo := guest("Cleo", "#16a34a")
	cleo.Wait("the late tab is shown what was said", said+` === "Hello from the left tab|And from the right one"`)
	for _, p := range []*tab{ada, bob, cleo} {
		p.Wait("three are there", people+` === "Ada,Bob,Cleo"`)
	}

	ada.Do(chromedp.Click(chromedp.CSS(`[data-drop="5"]`)))
	ada.Wait("it is offline", `document.documentElement.dataset.connection === "offline"`)
	bob.Do(chromedp.SendKeys(chromedp.CSS("#chat-text"), "While you were away\r"))
	ada.Wait("it has recovered", connected+` && document.querySelector("[data-fact=recovered]").textContent === "yes"`)
	ada.Wait("it is shown what it missed", said+`.endsWith("|While you were away")`)
	bob.Wait("nobody left", people+` === "Ada,Bob,Cleo"`)

	cleo.Do(chromedp.Navigate("about:blank"))
	ada.Wait("the third has left", people+` === "Ada,Bob"`)
}
