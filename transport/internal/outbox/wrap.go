package outbox

import (
	"bytes"
	"net"
	"time"
)

// Wrap returns the outbox as a net.Conn for code that insists on one. Its Write
// copies the bytes into one Control frame, pushes and flushes it, so it never
// blocks and never lands inside another frame; a caller that writes one frame
// in several calls breaks that, so data frames of more than the write buffer
// must not be written with gorilla/websocket but pushed. A full control lane is
// ErrFull. Read goes to the connection. A write deadline is accepted and has no
// effect, because Write does not wait. Close is Outbox.Close.
func (o *Outbox) Wrap() net.Conn { return (*wrapped)(o) }

type wrapped Outbox

func (w *wrapped) Write(p []byte) (int, error) {
	o := (*Outbox)(w)
	if err := o.Push(Frame{Parts: [][]byte{bytes.Clone(p)}, Class: Control}); err != nil {
		return 0, err
	}
	o.Flush()
	return len(p), nil
}

func (w *wrapped) Read(p []byte) (int, error)         { return w.conn.Read(p) }
func (w *wrapped) Close() error                       { return (*Outbox)(w).Close() }
func (w *wrapped) LocalAddr() net.Addr                { return w.conn.LocalAddr() }
func (w *wrapped) RemoteAddr() net.Addr               { return w.conn.RemoteAddr() }
func (w *wrapped) SetDeadline(t time.Time) error      { return w.conn.SetReadDeadline(t) }
func (w *wrapped) SetReadDeadline(t time.Time) error  { return w.conn.SetReadDeadline(t) }
func (w *wrapped) SetWriteDeadline(t time.Time) error { return nil }
