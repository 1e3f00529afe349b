package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/internal/engineio"
	"github.com/parlor-rooms/parlor/transport/internal/outbox"
	"github.com/parlor-rooms/parlor/transport/internal/socketio"
)

const (
	// readBuffer is the read buffer of each socket, in bytes. What of a message
	// does not fit is read past it.
	readBuffer = 512

	// overheadBytes is how many bytes on the wire a message may take beside its
	// payload, in frame headers and in control frames before or inside it: some
	// 2,700 fragments. A browser fragments at 64 KiB or more, so that MaxPayload
	// takes it 16.
	overheadBytes = 16 << 10

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
	deflate bool // messages may be compressed, in both directions
	out     *outbox.Outbox
	gorilla *websocket.Conn
	buffer  *bufio.Reader // gorilla's, of what Read reads

	// Owned by the reader.
	overhead int       // how many more bytes beside payload may be read before a message must have come
	controls int       // control frames since the last message
	readErr  error     // of raw
	probing  bool      // it came to upgrade the session, and has not yet
	goodbye  bool      // the client has sent a close frame, and nothing comes behind it
	message  io.Reader // gorilla's, of the message in progress
	limited  io.LimitedReader
}

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
func (ws *webSocket) start() {
	ws.s.h.track(ws)
	go ws.read()
}

// turnAway closes a WebSocket that nobody reads, in a goroutine that
// Handler.Close waits for.
func (ws *webSocket) turnAway() {
	ws.s.h.track(ws)
	go func() {
		defer ws.s.h.untrack(ws)
		ws.end(ending{bare: true})
		ws.finish()
	}()
}

// read is the reader. A goroutine that has handled a message keeps the 4 or 8 KB
// of stack that this took for as long as it lives, and most of its life it
// waits, for which 2 KB are enough. So it is replaced by a fresh one after the
// packets that idle clients send: one to enter a room, and answers to pings.
// BenchmarkIdleSocket has what that saves.
func (ws *webSocket) read() {
	for {
		ws.overhead = ws.allowance()
		// The wait is here and not inside gorilla, where the stack is deeper.
		// gorilla meets the error again.
		_, _ = ws.buffer.Peek(1)
		switch ws.step() {
		case goOn:
		case goOnAfresh:
			go ws.read() // Handler.Close waits for it in place of this one
			return
		case stop:
			ws.s.h.untrack(ws)
			return
		}
	}
}

// verdict is what the reader does after a message.
type verdict uint8

const (
	goOn verdict = iota
	goOnAfresh
	stop
)

// step handles one message or, if there is none any more, the end.
func (ws *webSocket) step() verdict {
	var e ending
	p, buf, err := ws.next()
	over := err != nil
	switch {
	case over:
		e = ws.ending(err)
	case ws.probing:
		e, over = ws.probe(p)
	default:
		e, over = ws.receive(p)
	}
	rests := p.Type == engineio.Pong || p.Type == engineio.Message && !p.Binary && len(p.Data) > 0 && p.Data[0] == '0'+byte(socketio.Connect)
	if buf != nil {
		ws.s.h.scratch.put(buf)
	}
	if over {
		ws.stop(e)
		return stop
	}
	if rests {
		return goOnAfresh
	}
	return goOn
}

// stop is the end of the reader.
func (ws *webSocket) stop(e ending) {
	if ws.s.ws.Load() == ws {
		ws.s.end(e)
	} else {
		ws.s.abandon(ws)
		ws.end(e)
	}
	ws.finish()
}

// receive handles one packet of an open session. It reports whether the session
// is over.
func (ws *webSocket) receive(p engineio.Packet) (e ending, over bool) {
	if p.Type == engineio.Close {
		return ending{why: actors.ReasonTransportClosed}, true
	}
	if err := ws.s.receive(p); err != nil {
		return ws.ending(err), true
	}
	return ending{}, false
}

// next reads one Engine.IO packet, whose data is in the buffer it returns.
func (ws *webSocket) next() (engineio.Packet, *scratch, error) {
	limit := ws.s.h.cfg.MaxPayload
	kind, r, err := ws.gorilla.NextReader()
	if err != nil {
		return engineio.Packet{}, nil, err
	}
	ws.controls = 0
	ws.message = r
	ws.limited = io.LimitedReader{R: (*payloadReader)(ws), N: int64(limit) + 1}
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

// payloadReader reads the payload of the message in progress, which is no
// overhead.
type payloadReader webSocket

func (p *payloadReader) Read(b []byte) (int, error) {
	n, err := p.message.Read(b)
	p.overhead = min(p.overhead+n, (*webSocket)(p).allowance())
	return n, err
}

// allowance is what overhead begins with. What comes out of a compressed message
// buys more of the wire than it took, but never more than this at a time.
func (ws *webSocket) allowance() int {
	if ws.deflate {
		return overheadBytes + deflateAhead
	}
	return overheadBytes
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
		_, _ = io.Copy(io.Discard, ws.raw) // until the client closes, or for long enough
	}
}
