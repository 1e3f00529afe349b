package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// pagePatience is how long a page may take for what happens at once: it draws
// without a graphics card, beside other tests.
const pagePatience = 60 * time.Second

// browser starts Chromium, with a profile of its own, for the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(testenv.Chromium(t)),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("mute-audio", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.WSURLReadTimeout(pagePatience),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser's end
		cancel()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// tab is one page of a browser. One goroutine uses it.
type tab struct {
	t    *testing.T
	name string
	ctx  context.Context

	mu       sync.Mutex // guards the following
	problems []string   // errors on the console, exceptions, failed requests
	upgrades int        // Engine.IO upgrades that the page finished
	sockets  int        // WebSockets that were answered 101
}

// view is how a tab is opened.
type view struct {
	width, height int64  // CSS pixels; zero means 1280 and 800
	script        string // run in every document of a server, before its own
}

// openTab opens a tab. If the page complains until the test ends, the test
// has failed.
func openTab(browser context.Context, t *testing.T, name, url string, v view) *tab {
	t.Helper()
	p := &tab{t: t, name: name}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithListener(p.listen))
	p.ctx = ctx
	t.Cleanup(func() {
		if t.Failed() {
			p.screenshot("failed-" + name)
		}
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
	if v.width == 0 {
		v.width, v.height = 1280, 800
	}
	// Without emulated focus only the tab in front would draw.
	order(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	order(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: "if (location.host) {" + v.script + "}"})
	p.do(chromedp.EmulateViewport(v.width, v.height), chromedp.Navigate(url))
	return p
}

// listen notes what the page complains of and how it is connected.
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
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeAssert {
			said, _ := json.Marshal(ev.Args)
			p.problems = append(p.problems, string(said))
		}
	case *cdplog.EventEntryAdded:
		if ev.Entry.Level == cdplog.EntryLevelError {
			p.problems = append(p.problems, ev.Entry.Text+" "+ev.Entry.URL)
		}
	case *network.EventWebSocketHandshakeResponseReceived:
		p.sockets++
	case *network.EventWebSocketFrameSent:
		if bytes.Equal(ev.Response.PayloadData, []byte("5")) {
			p.upgrades++
		}
	}
}

// order sends a command of the browser's protocol to the tab.
func order[P, R any](p *tab, command cdp.Command[P, R], params P) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pagePatience)
	defer cancel()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, command.Method, err)
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pagePatience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// eval evaluates an expression in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pagePatience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, expression, err)
	}
	return v
}

// until asks again and again, and fails the test when its patience ends.
func (p *tab) until(what string, ok func() bool) {
	p.t.Helper()
	limit := time.After(pagePatience)
	again := time.NewTicker(25 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit:
			p.t.Fatalf("%s: waiting until %s; the page says\n%s\n%s", p.name, what,
				eval[string](p, "JSON.stringify(window.__parlor ?? null)"), eval[string](p, "document.body.innerText"))
		}
	}
}

// wait waits until an expression, written as for fmt, is true in the page.
func (p *tab) wait(what, expression string, args ...any) {
	p.t.Helper()
	expression = fmt.Sprintf(expression, args...)
	p.until(what, func() bool { return eval[bool](p, "Boolean("+expression+")") })
}

// upgraded waits until the stock client has moved its connection from polling
// to the one WebSocket it opened.
func (p *tab) upgraded() {
	p.t.Helper()
	p.until("it talks by WebSocket", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.upgrades > 0
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.upgrades != 1 || p.sockets != 1 {
		p.t.Errorf("%s: %d upgrades over %d WebSockets, want one over one", p.name, p.upgrades, p.sockets)
	}
}

// mouse moves the mouse to a place in the window.
func (p *tab) mouse(x, y float64) { p.t.Helper(); p.do(chromedp.MouseEvent(chromedp.MouseMoved, x, y)) }

// key presses or releases a key, which types nothing. The code says where it
// is on the keyboard, as in KeyboardEvent.code.
func (p *tab) key(kind input.DispatchKeyEventType, key, code string) {
	p.t.Helper()
	order(p, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: key, Code: code})
}
