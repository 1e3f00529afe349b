package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
	"github.com/parlor-rooms/parlor/transport/internal/outbox"
)

const (
	// readBuffer is gorilla's read buffer for each socket. Larger messages are
	// read past it.
	readBuffer = 512

	// fragmentBytes is how many bytes on the wire a message may take beyond
	// MaxPayload, in frame headers and in control frames before or inside it. A
	// browser fragments at 64 KiB or more.
	fragmentBytes = 64 << 10

	// controlFrames is how many pings and pongs may come between two messages.
	// A client sends a message, its Engine.IO pong, every PingInterval.
	controlFrames = 256
)

// webSocket is one WebSocket: of a session, or of a probe that may become one.
// gorilla does the handshake and reads; everything is written by the outbox.
type webSocket struct {
	// Set before the reader starts, read-only afterwards.
	s       *session
	raw     net.Conn
	out     *outbox.Outbox
	gorilla *websocket.Conn

	// Owned by the reader.
	budget   int   // how many more bytes may be read before a message must have come
	controls int   // control frames since the last message
	readErr  error // of raw
	goodbye  bool  // the client has sent a close frame, and nothing comes behind it
	limited  io.LimitedReader
}

// upgrade answers the request with a WebSocket whose reader is not started. It
// returns nil if there is none, and the request has been answered then.
func (s *session) upgrade(w http.ResponseWriter, r *http.Request, header http.Header) *webSocket {
	ws := &webSocket{s: s}
	upgrader := websocket.Upgrader{
		ReadBufferSize:  readBuffer,
		WriteBufferPool: noBuffers{},
		CheckOrigin:     func(*http.Request) bool { return true }, // checked for every request
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
	return &hijacked{Conn: h.ws.out.Wrap(), ws: h.ws}, buffered, nil
}

// hijacked is what gorilla takes for the connection.
type hijacked struct {
	net.Conn // the outbox
	ws       *webSocket
}

// Read counts what it reads, because gorilla does not say of how many frames a
// message is made, and keeps the error, because gorilla mixes it with its own.
func (c *hijacked) Read(p []byte) (int, error) {
	n, err := c.ws.raw.Read(p)
	if err != nil {
		c.ws.readErr = err
		return n, err
	}
	if c.ws.budget -= n; c.ws.budget < 0 {
		return 0, errFlood
	}
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

// control sends a frame of the transport's own at once.
func (ws *webSocket) control(f outbox.Frame) {
	if ws.out.Push(f) == nil {
		ws.out.Flush()
	}
}

// pinged answers a WebSocket ping. A client that does not read its pongs gets
// no more of them: RFC 6455 section 5.5.3 wants only the last one answered.
func (ws *webSocket) pinged(data string) error {
	if err := ws.countControl(); err != nil {
		return err
	}
	if !ws.out.Lagging() {
		ws.control(outbox.Frame{Parts: [][]byte{append(appendFrameHeader(nil, opPong, len(data)), data...)}, Class: outbox.Control})
	}
	return nil
}

func (ws *webSocket) countControl() error {
	if ws.controls++; ws.controls > controlFrames {
		return errFlood
	}
	return nil
}

// Drained implements outbox.Owner.
func (ws *webSocket) Drained() { ws.s.whenIdle() }

// Failed implements outbox.Owner. The connection is closed by then, which ends
// the reader.
func (ws *webSocket) Failed(err error) {
	if ws.s.ws.Load() == ws {
		ws.s.end(ending{why: actors.ReasonTransportError, err: err, cut: true})
	}
}

// start starts the reader: a goroutine of its own, because the one that served
// the request has a stack that has grown. Handler.Close waits for it.
func (ws *webSocket) start(run func() ending) {
	h := ws.s.h
	h.track(ws)
	go func() {
		defer h.untrack(ws)
		e := run()
		if ws.s.ws.Load() == ws {
			ws.s.end(e)
		} else {
			ws.end(e)
		}
		ws.finish()
	}()
}

// receive reads the messages of an open session until it ends.
func (ws *webSocket) receive() ending {
	for {
		p, buf, err := ws.next()
		if err != nil {
			return ws.ending(err)
		}
		if p.Type == engineio.Close {
			ws.s.h.scratch.put(buf)
			return ending{why: actors.ReasonTransportClosed}
		}
		err = ws.s.receive(p)
		ws.s.h.scratch.put(buf)
		if err != nil {
			return ws.ending(err)
		}
	}
}

// next reads one Engine.IO packet, whose data is in the buffer it returns.
func (ws *webSocket) next() (engineio.Packet, *scratch, error) {
	limit := ws.s.h.cfg.MaxPayload
	ws.budget = limit + fragmentBytes
	kind, r, err := ws.gorilla.NextReader()
	if err != nil {
		return engineio.Packet{}, nil, err
	}
	ws.controls = 0
	ws.limited = io.LimitedReader{R: r, N: int64(limit) + 1}
	buf := ws.s.h.scratch.get()
	if err := buf.readFrom(&ws.limited, limit); err != nil {
		ws.s.h.scratch.put(buf)
		return engineio.Packet{}, nil, err
	}
	ws.s.h.count.bytesIn.Add(uint64(len(buf.bytes)))
	if kind == websocket.BinaryMessage {
		return engineio.DecodeBinary(buf.bytes), buf, nil
	}
	if !utf8.Valid(buf.bytes) {
		err = errUTF8
	}
	var p engineio.Packet
	if err == nil {
		p, err = engineio.DecodeText(buf.bytes)
	}
	if err != nil {
		ws.s.h.scratch.put(buf)
		return engineio.Packet{}, nil, err
	}
	return p, buf, nil
}

// ending says how a session ends whose reader met err.
func (ws *webSocket) ending(err error) ending {
	var closed *websocket.CloseError
	switch {
	case errors.Is(ws.readErr, io.EOF):
		return ending{why: actors.ReasonTransportClosed, cut: true, err: ws.readErr}
	case ws.readErr != nil:
		return ending{why: actors.ReasonTransportError, cut: true, err: ws.readErr}
	case errors.As(err, &closed):
		ws.goodbye = true
		return ending{why: actors.ReasonTransportClosed, code: answerTo(closed.Code), err: err}
	case errors.Is(err, websocket.ErrReadLimit):
		err = errTooLarge
	}
	return violation(err)
}

// answerTo is the code that a close frame is answered with: the same one, where
// it may be sent at all (RFC 6455 section 5.5.1).
func answerTo(code int) int {
	if code == websocket.CloseNoStatusReceived {
		return closeNormal
	}
	return code
}

// end tells the client that it is over, and lets the reader end. It does not
// block.
func (ws *webSocket) end(e ending) {
	if e.cut {
		ws.cut()
		return
	}
	code := e.code
	if code == 0 {
		code = closeCode(e.why)
	}
	frame := closeFrame(code)
	if e.bare {
		frame = bareCloseFrame()
	}
	_ = ws.out.Push(frame) // nothing to tell a client that cannot be told
	// A context that is done makes Finish refuse frames, flush and return.
	_ = ws.out.Finish(ws.s.h.done)
	_ = ws.raw.SetReadDeadline(time.Now().Add(ws.s.h.cfg.CloseTimeout))
}

// cut makes the reader end at once.
func (ws *webSocket) cut() {
	_ = ws.raw.SetReadDeadline(time.Unix(1, 0)) // fails only if raw is closed
}

// finish closes the connection after the session has ended. It is the end of
// the reader. What was written is given time to arrive: a socket that is closed
// while input waits is reset, and a client then never learns why.
func (ws *webSocket) finish() {
	defer ws.out.Close()
	if ws.readErr != nil {
		return
	}
	h := ws.s.h
	ctx, cancel := context.WithTimeout(h.killed, h.cfg.CloseTimeout)
	defer cancel()
	if ws.out.Finish(ctx) != nil || ws.goodbye {
		return
	}
	if c, ok := ws.raw.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		stop := context.AfterFunc(ctx, ws.cut)
		defer stop()
		io.Copy(io.Discard, ws.raw) // until the client closes, or for long enough
	}
}
