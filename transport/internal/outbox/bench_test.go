package outbox

import (
	"fmt"
	"io"
	"net"
	"testing"
)

// shapes are what a fan-out flushes to one socket: frames of a four-byte header
// and a shared payload.
var shapes = []struct{ frames, payload int }{
	{1, 100}, {16, 100}, {16, 1000}, {4, 16 << 10}, {1, 64 << 10},
}

// benchmark runs write, which writes frames once, over and over. It reads the
// other end itself, every 32 KiB, so that a socket never blocks and no other
// goroutine disturbs: an iteration costs a write and its share of a large read.
func benchmark(b *testing.B, dial func(testing.TB) (server, client net.Conn), prepare func(conn net.Conn, frames []Frame) (write func() error)) {
	for _, s := range shapes {
		b.Run(fmt.Sprintf("%dx%d", s.frames, s.payload), func(b *testing.B) {
			server, client := dial(b)
			if err := base(client).(*net.TCPConn).SetReadBuffer(1 << 20); err != nil {
				b.Fatal(err)
			}
			frames := make([]Frame, s.frames)
			for i := range frames {
				frames[i] = Frame{Parts: [][]byte{make([]byte, 4), make([]byte, s.payload)}}
			}
			size := s.frames * (4 + s.payload)
			buf := make([]byte, 32<<10+size)
			unread := 0
			write := prepare(server, frames)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := write(); err != nil {
					b.Fatal(err)
				}
				if unread += size; unread > 32<<10 {
					if _, err := io.ReadFull(client, buf[:unread]); err != nil {
						b.Fatal(err)
					}
					unread = 0
				}
			}
		})
	}
}

func flush(b *testing.B) func(net.Conn, []Frame) func() error {
	return func(conn net.Conn, frames []Frame) func() error {
		o := newPool(b, Config{}).New(conn, nil)
		b.Cleanup(func() { o.Close() })
		return func() error {
			for _, f := range frames {
				if err := o.Push(f); err != nil {
					return err
				}
			}
			o.Flush()
			return nil
		}
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

func BenchmarkFlush(b *testing.B)    { benchmark(b, tcp, flush(b)) }
func BenchmarkFlushTLS(b *testing.B) { benchmark(b, overTLS, flush(b)) }

// BenchmarkWritePerFrame is the control with one write for each frame.
func BenchmarkWritePerFrame(b *testing.B) {
	benchmark(b, tcp, func(conn net.Conn, frames []Frame) func() error {
		whole := make([]byte, frames[0].size())
		return func() error {
			for range frames {
				if _, err := conn.Write(whole); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

// BenchmarkWriteOnce is the floor: the same bytes in one write, joined before.
func BenchmarkWriteOnce(b *testing.B) { benchmark(b, tcp, writeOnce) }

// BenchmarkWriteOnceTLS is the floor of TLS.
func BenchmarkWriteOnceTLS(b *testing.B) { benchmark(b, overTLS, writeOnce) }

func writeOnce(conn net.Conn, frames []Frame) func() error {
	all := make([]byte, len(frames)*frames[0].size())
	return func() error {
		_, err := conn.Write(all)
		return err
	}
}

// BenchmarkWriteVectored is the control that copies nothing.
func BenchmarkWriteVectored(b *testing.B) {
	benchmark(b, tcp, func(conn net.Conn, frames []Frame) func() error {
		var parts [][]byte
		for _, f := range frames {
			parts = append(parts, f.Parts...)
		}
		scratch := make([][]byte, len(parts))
		return func() error {
			copy(scratch, parts)
			v := net.Buffers(scratch)
			_, err := v.WriteTo(conn)
			return err
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
	for o.Push(f) == nil { // until it is full
	}
	b.ReportAllocs()
	for b.Loop() {
		if o.Push(f) == nil {
			b.Fatal("there is room")
		}
		o.Flush()
	}
}
