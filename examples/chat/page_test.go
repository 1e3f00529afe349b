package main

import (
	"fmt"
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest/browsertest"
	"github.com/parlor-rooms/parlor/transport/transporttest/otlptest"
)

// TestPagesTalk opens the page twice in a real browser: two people meet in a
// room, see each other and what is said.
func TestPagesTalk(t *testing.T) {
	collector := otlptest.New(t)
	collector.Exported(t)
	url := start(t)
	browser := browsertest.Start(t, nil)
	open := func(name string) func(expression, want string) {
		tab := browsertest.Open(browser, t, name, fmt.Sprintf("%s/?name=%s#design", url, name), browsertest.View{Width: 1200, Height: 740})
		return func(expression, want string) {
			t.Helper()
			tab.Until(expression+" is "+want, func() bool { return tab.Text(expression) == want })
		}
	}
	const (
		people = `[...document.querySelectorAll("#people span")].map(e => e.textContent).join()`
		said   = `[...document.querySelectorAll("#messages p")].map(e => e.textContent).join("|")`
		say    = `document.querySelector("#text").value = %q; document.querySelector("#compose").requestSubmit(); "sent"`
	)
	ada := open("Ada")
	ada(people, "Ada")
	bob := open("Bob")
	ada(people, "Ada,Bob")
	bob(people, "Ada,Bob")
	ada(fmt.Sprintf(say, "Hello <b>Bob</b>"), "sent")
	bob(said, "Hello <b>Bob</b>")
	bob(fmt.Sprintf(say, "Hi!"), "sent")
	ada(said, "Hello <b>Bob</b>|Hi!")
	bob(`document.querySelector("#summarise").click(); "clicked"`, "clicked")
	bob(`[...document.querySelectorAll("#toasts span")].at(-1)?.textContent ?? ""`, "2 messages, 3 words, 2 people")
	ada(`document.querySelector("[data-number=messages]").textContent`, "2")
	bob(`document.querySelector("#leave").click(); "clicked"`, "clicked")
	ada(people, "Ada")
	collector.Followed("/chat", "receive/connection/handler/deliver/flush")
}
