package transport

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// tunnelBuffer is what each direction of a tunnel reads into, in bytes: most
// frames are smaller, and there may be thousands of tunnels.
const tunnelBuffer = 2 << 10

// tunnel is a WebSocket that came to upgrade a session on another node. Each
// direction has a goroutine of its own.
type tunnel struct {
	h      *Handler
	client net.Conn
	back   io.ReadWriteCloser // to the other node
	end    func()
	once   sync.Once
	open   atomic.Int32 // directions

	mu      sync.Mutex // leaf lock; guards the following
	stage   stage
	leaving bool // the tunnel ends unless the client is paused, and then with its next word
}

// stage is how far the client is with its upgrade. See webSocket.probe.
type stage uint8

const (
	polls    stage = iota // until the other node has said something
	paused                // polls no more, and has said nothing since
	upgraded              // has said something
)

// join answers the client with what the other node answered, and lets the tunnel
// run: Handler.Close waits for it.
func (h *Handler) join(t *tunnel, answer *http.Response, early []byte) {
	head := bytes.NewBufferString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = answer.Header.Write(head) // a buffer takes everything
	head.WriteString("\r\n")
	t.open.Store(2)
	h.count.tunnels.Add(1)
	if !h.dig(t) {
		t.close()
	}
	go func() {
		defer t.ended()
		if t.toClient(head.Bytes()) == nil {
			t.copy(t.answer, t.back)
		}
		t.farewell()
	}()
	go func() {
		defer t.ended()
		if len(early) == 0 || t.toNode(early) == nil {
			t.copy(t.word, t.client)
		}
		t.close() // nobody is left to talk to
	}()
}

// copy passes on what from has until it ends or is not taken.
func (t *tunnel) copy(to func([]byte) error, from io.Reader) {
	b := make([]byte, tunnelBuffer)
	for {
		n, err := from.Read(b)
		if n > 0 && to(b[:n]) != nil || err != nil {
			return
		}
	}
}

// answer passes on what the other node says.
func (t *tunnel) answer(p []byte) error {
	t.mu.Lock()
	if t.stage == polls {
		if t.leaving {
			t.mu.Unlock()
			return net.ErrClosed // the client goes on polling
		}
		t.stage = paused
	}
	t.mu.Unlock()
	return t.toClient(p)
}

// word passes on what the client says.
func (t *tunnel) word(p []byte) error {
	t.mu.Lock()
	if t.stage == paused {
		t.stage = upgraded
	}
	last := t.leaving
	t.mu.Unlock()
	err := t.toNode(p)
	if last {
		return net.ErrClosed
	}
	return err
}

// leave lets the tunnel end. It reports whether the client is paused: then it
// has CloseTimeout to say its next word, after which the tunnel closes.
func (t *tunnel) leave() (waits bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leaving = true
	if t.stage != paused {
		return false
	}
	_ = t.client.SetReadDeadline(time.Now().Add(t.h.cfg.CloseTimeout)) // fails only if it is closed
	return true
}

// toClient writes to a client that may have stopped reading: the other node
// would give it up, but the word would not come through.
func (t *tunnel) toClient(p []byte) error {
	_ = t.client.SetWriteDeadline(time.Now().Add(t.h.cfg.WriteTimeout)) // a closed connection shows at once
	_, err := t.client.Write(p)
	return err
}

func (t *tunnel) toNode(p []byte) error {
	_, err := t.back.Write(p)
	return err
}

// farewell lets the client read what was written last before it closes.
func (t *tunnel) farewell() {
	if t.leave() {
		return
	}
	c, ok := t.client.(interface{ CloseWrite() error })
	if !ok || c.CloseWrite() != nil {
		t.close()
		return
	}
	_ = t.client.SetReadDeadline(time.Now().Add(t.h.cfg.CloseTimeout))
}

// close ends both directions. Any goroutine may call it, more than once.
func (t *tunnel) close() {
	t.once.Do(func() {
		t.end()
		t.back.Close()
		t.client.Close()
	})
}

// ended is the end of one direction.
func (t *tunnel) ended() {
	if t.open.Add(-1) == 0 {
		t.close()
		t.h.count.tunnels.Add(-1)
		t.h.fill(t)
	}
}

// dig notes a tunnel that Close has to end and to wait for, and reports whether
// it may go on. It is called while a request is served.
func (h *Handler) dig(t *tunnel) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tunnels[t] = struct{}{}
	return !h.closing
}

// fill is the end of a tunnel.
func (h *Handler) fill(t *tunnel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tunnels, t)
	h.announce()
}
