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

// tunnel is a WebSocket whose session is on another node. Each direction has a
// goroutine of its own.
type tunnel struct {
	h      *Handler
	client net.Conn
	back   io.ReadWriteCloser // to the other node
	end    func()
	once   sync.Once
	open   atomic.Int32 // directions
}

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
			t.copy(t.toClient, t.back)
		}
		t.farewell()
	}()
	go func() {
		defer t.ended()
		if len(early) == 0 || t.toNode(early) == nil {
			t.copy(t.toNode, t.client)
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
