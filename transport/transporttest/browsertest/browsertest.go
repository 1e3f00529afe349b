// Package browsertest opens pages in Chromium for tests, and lets a test fail
// whose page complains.
package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// Patience is how long a page may take for what happens at once: it draws
// without a graphics card, beside other tests.
const Patience = 60 * time.Second

// Start starts Chromium, with a profile of its own, and ends it with the test.
// Flags are those of its command line, without dashes.
func Start(t *testing.T, flags map[string]any) context.Context {
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
		chromedp.WSURLReadTimeout(Patience),
	)
	for name, value := range flags {
		options = append(options, chromedp.Flag(name, value))
	}
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

// View is how a tab is opened. The zero value is useful.
type View struct {
	Width, Height int64     // CSS pixels; zero means 1280 and 800
	Script        string    // run in every document of a server, before its own
	Complains     bool      // the page may: what it tries is refused
	Listen        func(any) // is told what else the browser says of the tab, on a goroutine of its own
}

// Tab is one page of a browser. One goroutine uses it.
type Tab struct {
	t    *testing.T
	name string
	ctx  context.Context

	mu       sync.Mutex // guards the following
	problems []string   // errors on the console, exceptions, failed requests, violations of a policy
}

// Open opens a tab. If the page complains until the test ends, the test has
// failed, unless the view says otherwise.
func Open(browser context.Context, t *testing.T, name, url string, v View) *Tab {
	t.Helper()
	p := &Tab{t: t, name: name}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithListener(func(ev any) {
		p.listen(ev)
		if v.Listen != nil {
			v.Listen(ev)
		}
	}))
	p.ctx = ctx
	t.Cleanup(func() {
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		if v.Complains {
			return
		}
		for _, problem := range p.problems {
			t.Errorf("%s: the page complains: %s", name, problem)
		}
	})
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the context of the first Do
		t.Fatal(err)
	}
	if v.Width == 0 {
		v.Width, v.Height = 1280, 800
	}
	// Without emulated focus only the tab in front would draw.
	Order(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	Order(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: "if (location.host) {" + v.Script + "}"})
	p.Do(chromedp.EmulateViewport(v.Width, v.Height), chromedp.Navigate(url))
	return p
}

func (p *Tab) listen(ev any) {
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
	}
}

// Forgive forgets what the page has complained of so far, which the test
// expected.
func (p *Tab) Forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = nil
}

// Order sends a command of the browser's protocol to the tab.
func Order[P, R any](p *Tab, command cdp.Command[P, R], params P) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, command.Method, err)
	}
}

// Do does what a visitor does.
func (p *Tab) Do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// Screenshot takes a picture of the tab, as PNG. It never ends the test, so
// that it can be used after a failure.
func (p *Tab) Screenshot() ([]byte, error) {
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.CaptureScreenshot())
}

// Eval evaluates an expression in the page, and waits for it if it is a
// promise. The page's policy does not concern it, as it would chromedp.Poll.
func Eval[T any](p *Tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, expression, err)
	}
	return v
}

// Text evaluates an expression that is a text.
func (p *Tab) Text(expression string) string {
	p.t.Helper()
	return Eval[string](p, expression)
}

// Until asks again and again, and fails the test when its patience ends.
func (p *Tab) Until(what string, ok func() bool) {
	p.t.Helper()
	limit := time.After(Patience)
	again := time.NewTicker(25 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit:
			p.t.Fatalf("%s: waiting until %s; the page says\n%s\n%s", p.name, what,
				p.Text("JSON.stringify(window.__parlor ?? null)"), p.Text("document.body.innerText"))
		}
	}
}

// Wait waits until an expression, written as for fmt, is true in the page.
func (p *Tab) Wait(what, expression string, args ...any) {
	p.t.Helper()
	if len(args) > 0 {
		expression = fmt.Sprintf(expression, args...)
	}
	p.Until(what, func() bool { return Eval[bool](p, "Boolean("+expression+")") })
}
