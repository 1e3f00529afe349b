package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/parlor-rooms/parlor/transport/transporttest/otlptest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestPagesTalk opens the page twice in a real browser: two people meet in a
// room, see each other and what is said.
func TestPagesTalk(t *testing.T) {
	collector := otlptest.New(t)
	collector.Exported(t)
	url := start(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(testenv.Chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1200, 740))
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancelAllocator()
	browser, cancel := chromedp.NewContext(allocator)
	defer cancel()
	defer func() { _ = chromedp.Cancel(browser) }() // waits for the browser's end
	if err := chromedp.Do(browser); err != nil {
		t.Fatal(err)
	}
	open := func(name string) func(expression, want string) {
		tab, cancel := chromedp.NewContext(browser)
		t.Cleanup(cancel)
		if err := chromedp.Do(tab, chromedp.Navigate(fmt.Sprintf("%s/?name=%s#design", url, name))); err != nil {
			t.Fatal(err)
		}
		return func(expression, want string) {
			t.Helper()
			ctx, done := context.WithTimeout(tab, 20*time.Second)
			defer done()
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				got, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
				if err == nil && got == want {
					break
				}
				if ctx.Err() != nil {
					t.Fatalf("%s: %s is %q, want %q (%v)", name, expression, got, want, err)
				}
				<-tick.C
			}
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
