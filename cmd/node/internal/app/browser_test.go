package app

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parlor-rooms/parlor/transport/transporttest/browsertest"
)

// tab is one page of the playground. One goroutine uses it.
type tab struct {
	*browsertest.Tab
	t *testing.T
}

func open(browser context.Context, t *testing.T, name, url string) tab {
	t.Helper()
	return tab{browsertest.Open(browser, t, name, url, browsertest.View{}), t}
}

func (p tab) connected() {
	p.t.Helper()
	p.Wait("it is connected by WebSocket", `document.documentElement.dataset.connection === "connected" &&
		document.querySelector("[data-fact=transport]")?.textContent === "websocket"`)
}

func people(n int) string {
	return fmt.Sprintf(`document.querySelectorAll("#people li").length === %d`, n)
}

func says(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".message .text")].some((e) => e.textContent === %q)`, text)
}

// The round of a whole visit, with a late tab and a connection that is killed,
// is in package e2e. Here is what the page does beside it.
func TestTwoTabsSeeEachOther(t *testing.T) {
	r := start(t)
	b := browsertest.Start(t, nil)
	one := open(b, t, "one", r.url+"/#den")
	one.connected()
	one.Wait("it invites somebody", `!document.getElementById("invite").hidden`)

	two := open(b, t, "two", r.url+"/#den")
	two.connected()
	one.Wait("two people are there", people(2))
	two.Wait("two people are there", people(2))
	one.Wait("the invitation is gone", `document.getElementById("invite").hidden`)
	const name = `document.getElementById("me-name").value`
	two.Wait("it has a name of its own", fmt.Sprintf(`%s !== %q`, name, one.Text(name)))
	one.Wait("it sees that name", fmt.Sprintf(`[...document.querySelectorAll("#people .name")].some((e) => e.textContent === %q)`, two.Text(name)))
	one.Wait("round trips are shown", `[...document.querySelectorAll(".latency")].every((e) => / ms$/.test(e.textContent))`)

	two.Do(chromedp.SendKeys(chromedp.CSS("#chat-text"), "hello from two\r"))
	one.Wait("the message arrives", says("hello from two"))
	one.Do(chromedp.SendKeys(chromedp.CSS("#chat-text"), "typing"))
	two.Wait("it is told of somebody typing", `/is typing/.test(document.getElementById("typing").textContent)`)

	const cursor = `document.querySelector("#cursors .cursor")?.style.transform`
	two.Do(chromedp.MouseEvent(chromedp.MouseMoved, 200, 300))
	one.Wait("a cursor is shown", cursor+" !== undefined")
	before := one.Text(cursor)
	two.Do(chromedp.MouseEvent(chromedp.MouseMoved, 500, 400))
	one.Wait("the cursor moves", fmt.Sprintf("%s !== %q", cursor, before))
	two.Do(chromedp.Click(chromedp.CSS(`[data-shape=star]`)))
	one.Wait("the reaction is shown", `document.querySelector("#reactions .reaction") !== null`)

	two.Do(chromedp.Navigate("about:blank"))
	one.Wait("the other has left at once", people(1))
	one.Wait("its cursor is gone", cursor+" === undefined")
}

func TestAnotherRoomIsEnteredOverTheSameConnection(t *testing.T) {
	r := start(t)
	b := browsertest.Start(t, nil)
	one, two := open(b, t, "one", r.url+"/#den"), open(b, t, "two", r.url+"/#attic")
	one.connected()
	two.connected()
	one.Do(chromedp.SetValue(chromedp.CSS("#room-name"), "attic"), chromedp.SendKeys(chromedp.CSS("#room-name"), "\r"))
	two.Wait("somebody came", people(2))
	one.Wait("it is in the other room", people(2)+` && location.hash === "#attic"`)
	one.Wait("the connection stayed", `document.documentElement.dataset.connection === "connected" && !/lost/.test(document.getElementById("log").textContent)`)
}

func TestThePageComesBackAfterTheServerDid(t *testing.T) {
	r := start(t)
	address := r.Public.String()
	one := open(browsertest.Start(t, nil), t, "one", r.url+"/#den")
	one.connected()
	if err := r.stop(t); err != nil {
		t.Fatal(err)
	}
	one.Wait("it knows", `document.documentElement.dataset.connection !== "connected"`)
	start(t, "--listen="+address)
	one.connected()
	one.Wait("it is in the room again", people(1))
	one.Forgive() // the browser complains of every attempt while nobody listens
}
