package e2e

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/parlor-rooms/parlor/transport/transporttest/browsertest"
)

// tab is one page of a browser, and how it is connected. One goroutine uses it.
type tab struct {
	*browsertest.Tab
	t    *testing.T
	name string

	mu       sync.Mutex // guards the following
	upgrades int        // Engine.IO upgrades that the page finished
	sockets  int        // WebSockets that were answered 101
}

// openTab opens a tab, of which a test that failed leaves a picture.
func openTab(browser context.Context, t *testing.T, name, url string, v browsertest.View) *tab {
	t.Helper()
	p := &tab{t: t, name: name}
	v.Listen = p.listen
	p.Tab = browsertest.Open(browser, t, name, url, v)
	t.Cleanup(func() {
		if t.Failed() {
			p.screenshot("failed-" + name)
		}
	})
	return p
}

// listen notes how the page is connected.
func (p *tab) listen(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventWebSocketHandshakeResponseReceived:
		p.sockets++
	case *network.EventWebSocketFrameSent:
		if bytes.Equal(ev.Response.PayloadData, []byte("5")) {
			p.upgrades++
		}
	}
}

// eval evaluates an expression in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	return browsertest.Eval[T](p.Tab, expression)
}

// upgraded waits until the stock client has moved its connection from polling
// to the one WebSocket it opened.
func (p *tab) upgraded() {
	p.t.Helper()
	p.Until("it talks by WebSocket", func() bool {
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
func (p *tab) mouse(x, y float64) { p.t.Helper(); p.Do(chromedp.MouseEvent(chromedp.MouseMoved, x, y)) }

// key presses or releases a key, which types nothing. The code says where it
// is on the keyboard, as in KeyboardEvent.code.
func (p *tab) key(kind input.DispatchKeyEventType, key, code string) {
	p.t.Helper()
	browsertest.Order(p.Tab, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: key, Code: code})
}
