package outbox

import (
	"context"
	"fmt"
	"net"
	"testing"
)

// shapes are what a fan-out flushes to one socket: frames of a four-byte header
// and a shared payload.
var shapes = []struct{ frames, payload int }{
	{1, 100}, {16, 100}, {16, 1000}, {4, 16 << 10}, {1, 64 << 10},
}

func benchmark(b *testing.B, dial func(testing.TB) (server, client net.Conn), run func(b *testing.B, conn net.Conn, frames []Frame)) {
	for _, s := range shapes {
		b.Run(fmt.Sprintf("%dx%d", s.frames, s.payload), func(b *testing.B) {
			server, client := dial(b)
			if c, ok := base(client).(*net.TCPConn); ok {
				if err := c.SetReadBuffer(4 << 20); err != nil {
					b.Fatal(err)
				}
			}
			go discard(client) // ends when the cleanup closes it
			frames := make([]Frame, s.frames)
			for i := range frames {
				frames[i] = Frame{Parts: [][]byte{make([]byte, 4), make([]byte, s.payload)}}
			}
			b.SetBytes(int64(s.frames * (4 + s.payload)))
			b.ReportAllocs()
			run(b, server, frames)
		})
	}
}

func flush(b *testing.B, conn net.Conn, frames []Frame) {
	o := newPool(b, Config{}).New(conn, nil)
	defer o.Close()
	for b.Loop() {
		for _, f := range frames {
			for o.Push(f) != nil {
				o.Flush()
			}
		}
		o.Flush()
	}
	if err := o.Finish(context.Background()); err != nil {
		b.Fatal(err)
	}
}

func tcp(t testing.TB) (server, client net.Conn) {
	server, client = connect(t, "tcp", "127.0.0.1:0")
	if err := server.(*net.TCPConn).SetWriteBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	return server, client
}

func overTLS(t testing.TB) (server, client net.Conn) {
	s, c := tcp(t)
	return secure(t, s, c)
}

func BenchmarkFlush(b *testing.B)    { benchmark(b, tcp, flush) }
func BenchmarkFlushTLS(b *testing.B) { benchmark(b, overTLS, flush) }

// BenchmarkWritePerFrame is the control with one write for each frame.
func BenchmarkWritePerFrame(b *testing.B) {
	benchmark(b, tcp, func(b *testing.B, conn net.Conn, frames []Frame) {
		whole := make([]byte, len(frames[0].Parts[0])+len(frames[0].Parts[1]))
		for b.Loop() {
			for range frames {
				if _, err := conn.Write(whole); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkWriteOnce is the floor: the same bytes in one write, made before.
func BenchmarkWriteOnce(b *testing.B) { benchmark(b, tcp, writeOnce) }

// BenchmarkWriteOnceTLS is the floor of TLS.
func BenchmarkWriteOnceTLS(b *testing.B) { benchmark(b, overTLS, writeOnce) }

func writeOnce(b *testing.B, conn net.Conn, frames []Frame) {
	all := make([]byte, len(frames)*frames[0].size())
	for b.Loop() {
		if _, err := conn.Write(all); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteVectored is the control that copies nothing.
func BenchmarkWriteVectored(b *testing.B) {
	benchmark(b, tcp, func(b *testing.B, conn net.Conn, frames []Frame) {
		var parts [][]byte
		for _, f := range frames {
			parts = append(parts, f.Parts...)
		}
		scratch := make([][]byte, len(parts))
		for b.Loop() {
			copy(scratch, parts)
			v := net.Buffers(scratch)
			if _, err := v.WriteTo(conn); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPushToStoppedReader is what a socket that does not read costs a
// broadcast: a refusal.
func BenchmarkPushToStoppedReader(b *testing.B) {
	server, _ := connect(b, "tcp", "127.0.0.1:0")
	o := newPool(b, Config{SendBuffer: -1}).New(server, nil)
	defer o.Close()
	clog(b, o)
	f := Frame{Parts: [][]byte{make([]byte, 4), make([]byte, 100)}}
	b.ReportAllocs()
	for b.Loop() {
		o.Push(f)
		o.Flush()
	}
}
