package app

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// browserPatience is how long a page may take for what happens at once: tests
// of other packages run meanwhile.
const browserPatience = 30 * time.Second

// chromium is a browser, as the context of its first tab.
type chromium struct{ ctx context.Context }

// browser starts Chromium for the test.
func browser(t *testing.T) chromium {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(testenv.Chromium(t)),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1280, 860),
	)
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser's end
		cancel()
		cancelAllocator()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return chromium{ctx}
}

// tab is one page of a browser.
type tab struct {
	t    *testing.T
	name string
	ctx  context.Context

	mu       sync.Mutex // guards problems
	problems []string   // errors on the console, exceptions, violations of the policy
}

// open opens a tab, and fails the test at its end if the page complained.
func (c chromium) open(t *testing.T, name, url string) *tab {
	t.Helper()
	p := &tab{t: t, name: name}
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithListener(p.listen))
	p.ctx = ctx
	t.Cleanup(func() {
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, problem := range p.problems {
			t.Errorf("%s: the page complains: %s", name, problem)
		}
	})
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the context of the first Do
		t.Fatal(err)
	}
	p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err // without it only one tab would draw
	}), chromedp.Navigate(url))
	return p
}

// listen notes what the page complains of.
func (p *tab) listen(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			text += " " + e.Description
		}
		p.problems = append(p.problems, text)
	case *cdplog.EventEntryAdded:
		if ev.Entry.Level == cdplog.EntryLevelError {
			p.problems = append(p.problems, ev.Entry.Text+" "+ev.Entry.URL)
		}
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserPatience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// eval evaluates an expression. The page's policy does not concern it, as it
// would chromedp.Poll.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserPatience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, expression, err)
	}
	return v
}

// wait waits until an expression is true in the page.
func (p *tab) wait(what, expression string) {
	p.t.Helper()
	limit := time.After(browserPatience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !eval[bool](p, expression) {
		select {
		case <-again.C:
		case <-limit:
			p.t.Fatalf("%s: waiting until %s; the page is\n%s", p.name, what, eval[string](p, "document.body.innerText"))
		}
	}
}

// text evaluates an expression that is a text.
func (p *tab) text(expression string) string {
	p.t.Helper()
	return eval[string](p, expression)
}

func (p *tab) connected() {
	p.t.Helper()
	p.wait("it is connected by WebSocket", `document.documentElement.dataset.connection === "connected" &&
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
	b := browser(t)
	one := b.open(t, "one", r.url+"/#den")
	one.connected()
	one.wait("it invites somebody", `!document.getElementById("invite").hidden`)

	two := b.open(t, "two", r.url+"/#den")
	two.connected()
	one.wait("two people are there", people(2))
	two.wait("two people are there", people(2))
	one.wait("the invitation is gone", `document.getElementById("invite").hidden`)
	const name = `document.getElementById("me-name").value`
	two.wait("it has a name of its own", fmt.Sprintf(`%s !== %q`, name, one.text(name)))
	one.wait("it sees that name", fmt.Sprintf(`[...document.querySelectorAll("#people .name")].some((e) => e.textContent === %q)`, two.text(name)))
	one.wait("round trips are shown", `[...document.querySelectorAll(".latency")].every((e) => / ms$/.test(e.textContent))`)

	two.do(chromedp.SendKeys(chromedp.CSS("#chat-text"), "hello from two\r"))
	one.wait("the message arrives", says("hello from two"))
	one.do(chromedp.SendKeys(chromedp.CSS("#chat-text"), "typing"))
	two.wait("it is told of somebody typing", `/is typing/.test(document.getElementById("typing").textContent)`)

	const cursor = `document.querySelector("#cursors .cursor")?.style.transform`
	two.do(chromedp.MouseEvent(chromedp.MouseMoved, 200, 300))
	one.wait("a cursor is shown", cursor+" !== undefined")
	before := one.text(cursor)
	two.do(chromedp.MouseEvent(chromedp.MouseMoved, 500, 400))
	one.wait("the cursor moves", fmt.Sprintf("%s !== %q", cursor, before))
	two.do(chromedp.Click(chromedp.CSS(`[data-shape=star]`)))
	one.wait("the reaction is shown", `document.querySelector("#reactions .reaction") !== null`)

	two.do(chromedp.Navigate("about:blank"))
	one.wait("the other has left at once", people(1))
	one.wait("its cursor is gone", cursor+" === undefined")
}

func TestAnotherRoomIsEnteredOverTheSameConnection(t *testing.T) {
	r := start(t)
	b := browser(t)
	one, two := b.open(t, "one", r.url+"/#den"), b.open(t, "two", r.url+"/#attic")
	one.connected()
	two.connected()
	one.do(chromedp.SetValue(chromedp.CSS("#room-name"), "attic"), chromedp.SendKeys(chromedp.CSS("#room-name"), "\r"))
	two.wait("somebody came", people(2))
	one.wait("it is in the other room", people(2)+` && location.hash === "#attic"`)
	one.wait("the connection stayed", `document.documentElement.dataset.connection === "connected" && !/lost/.test(document.getElementById("log").textContent)`)
}

func TestThePageComesBackAfterTheServerDid(t *testing.T) {
	r := start(t)
	address := r.Public.String()
	one := browser(t).open(t, "one", r.url+"/#den")
	one.connected()
	if err := r.stop(t); err != nil {
		t.Fatal(err)
	}
	one.wait("it knows", `document.documentElement.dataset.connection !== "connected"`)
	start(t, "--listen="+address)
	one.connected()
	one.wait("it is in the room again", people(1))
	one.mu.Lock()
	one.problems = nil // the browser complains of every attempt while nobody listens
	one.mu.Unlock()
}
