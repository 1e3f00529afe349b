package transport

import (
	"bufio"
	"bytes"
	"net"
	"net/http"

	"github.com/gorilla/websocket"

	"github.com/parlor-rooms/parlor/actors/rawio"
)

// upgrade answers the request with a WebSocket whose reader is not started. It
// returns nil if there is none, and the request has been answered then.
func (s *session) upgrade(w http.ResponseWriter, r *http.Request, header http.Header) *webSocket {
	ws := &webSocket{s: s}
	ws.deflate = s.h.cfg.Deflate && offersDeflate(r.Header)
	upgrader := websocket.Upgrader{
		EnableCompression: ws.deflate,
		WriteBufferPool:   noBuffers{},
		CheckOrigin:       func(*http.Request) bool { return true }, // checked for every request
		Error: func(w http.ResponseWriter, r *http.Request, _ int, reason error) {
			s.h.refuse(w, r, RefusedRequest, "")
		},
	}
	g, err := upgrader.Upgrade(&hijacker{ResponseWriter: w, ws: ws}, r, header)
	if err != nil {
		if ws.out != nil {
			ws.out.Close()
		}
		return nil
	}
	g.SetReadLimit(int64(s.h.cfg.MaxPayload))
	g.SetPingHandler(ws.pinged)
	g.SetPongHandler(func(string) error { return ws.countControl() })
	g.SetCloseHandler(func(int, string) error { return nil }) // ending answers it
	ws.gorilla = g
	return ws
}

// hijacker gives gorilla a connection whose bytes go through an outbox, with
// those of the handshake in front.
type hijacker struct {
	http.ResponseWriter
	ws *webSocket
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.ws.raw = conn
	h.ws.out = h.ws.s.h.pool.New(conn, h.ws)
	c := &hijacked{Conn: h.ws.out.Wrap(), ws: h.ws, in: rawio.New(conn)}
	// A client that did not wait for the answer is early or not as the network
	// has it. gorilla refuses what came early; here it makes no difference.
	if early, _ := buffered.Peek(buffered.Reader.Buffered()); len(early) > 0 {
		c.early = bytes.Clone(early)
	}
	// gorilla takes over a reader that it is given, if it is not too small.
	h.ws.buffer = bufio.NewReaderSize(c, readBuffer)
	return c, bufio.NewReadWriter(h.ws.buffer, buffered.Writer), nil
}

// hijacked is what gorilla takes for the connection.
type hijacked struct {
	net.Conn // the outbox
	ws       *webSocket
	in       net.Conn // ws.raw, which is read without telling the scheduler
	early    []byte   // read by net/http behind the request
}

// Read counts what it reads, because gorilla does not say of how many frames a
// message is made, and keeps the error, because gorilla mixes it with its own.
// What was read before is payload that has been counted as such, overhead, and
// at most a buffer of what comes next.
func (c *hijacked) Read(p []byte) (int, error) {
	if c.ws.readErr != nil { // a second Read might say something else
		return 0, c.ws.readErr
	}
	if len(c.early) > 0 {
		n := copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	if c.ws.overhead < -readBuffer {
		return 0, errFlood
	}
	n, err := c.in.Read(p)
	if err != nil {
		c.ws.readErr = err
		return n, err
	}
	c.ws.overhead -= n
	return n, nil
}

// Write takes the answer to the handshake, which is written before gorilla is
// ready, and nothing else: the close frames that gorilla makes up for malformed
// frames would come beside ours.
func (c *hijacked) Write(p []byte) (int, error) {
	if c.ws.gorilla != nil {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// noBuffers is gorilla's pool of write buffers. Nothing is written with them.
type noBuffers struct{}

func (noBuffers) Get() any { return nil }
func (noBuffers) Put(any)  {}
