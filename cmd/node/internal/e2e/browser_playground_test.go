package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPlaygroundShowsTwoTabs uses the page of the ready-made server as people
// do, from the first look to a lost connection.
func TestPlaygroundShowsTwoTabs(t *testing.T) {
	url := startProgram(t, "cmd/node", "serve", "--listen=127.0.0.1:0")
	b := browser(t)
	guest := func(name, colour string) *tab {
		return openTab(b, t, name, url+"#den", view{width: 960, height: 800, script: fmt.Sprintf(
			`sessionStorage.setItem("parlor.playground.me", JSON.stringify({ name: %q, color: %q }))`, name, colour)})
	}
	const people = `[...document.querySelectorAll("#people .name")].map((e) => e.firstChild.data).sort().join()`
	const connected = `document.documentElement.dataset.connection === "connected"`
	const said = `[...document.querySelectorAll(".message .text")].map((e) => e.textContent).join("|")`
	const cursor = `document.querySelector("#cursors .cursor")?.style.transform`
	const latency = `[...document.querySelectorAll("#people .latency")].every((e) => / ms$/.test(e.textContent))`

	ada, bob := guest("Ada", "#e11d48"), guest("Bob", "#0284c7")
	for _, p := range []*tab{ada, bob} {
		p.wait("both are there", people+` === "Ada,Bob"`)
		p.wait("everybody's round trip is shown", latency)
		p.upgraded()
		p.wait("it says that it talks by WebSocket", connected+` && document.querySelector("[data-fact=transport]").textContent === "websocket"`)
	}

	bob.mouse(150, 260)
	ada.wait("a cursor is shown", cursor)
	before := eval[string](ada, cursor)
	bob.mouse(380, 360)
	ada.wait("the cursor moves", cursor+` !== %q`, before)
	ada.mouse(240, 420)
	bob.wait("it sees the other's cursor", cursor)

	ada.do(chromedp.SendKeys(chromedp.CSS("#chat-text"), "Hello from the left tab\r"))
	bob.wait("the message arrives", said+` === "Hello from the left tab"`)
	bob.do(chromedp.SendKeys(chromedp.CSS("#chat-text"), "And from the right one\r"))
	ada.wait("the answer arrives", said+` === "Hello from the left tab|And from the right one"`)

	left, right := ada.screenshot("playground-ada"), bob.screenshot("playground-bob")
	expectDrawn(t, left, 960, 800)
	expectDrawn(t, right, 960, 800)
	sideBySide(t, "playground", left, right)

	cleo := guest("Cleo", "#16a34a")
	cleo.wait("the late tab is shown what was said", said+` === "Hello from the left tab|And from the right one"`)
	for _, p := range []*tab{ada, bob, cleo} {
		p.wait("three are there", people+` === "Ada,Bob,Cleo"`)
	}

	ada.do(chromedp.Click(chromedp.CSS(`[data-drop="5"]`)))
	ada.wait("it is offline", `document.documentElement.dataset.connection === "offline"`)
	bob.do(chromedp.SendKeys(chromedp.CSS("#chat-text"), "While you were away\r"))
	ada.wait("it has recovered", connected+` && document.querySelector("[data-fact=recovered]").textContent === "yes"`)
	ada.wait("it is shown what it missed", said+`.endsWith("|While you were away")`)
	bob.wait("nobody left", people+` === "Ada,Bob,Cleo"`)

	cleo.do(chromedp.Navigate("about:blank"))
	ada.wait("the third has left", people+` === "Ada,Bob"`)
}
