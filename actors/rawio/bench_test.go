package rawio_test

import (
	"net"
	"testing"

	"github.com/parlor-rooms/parlor/actors/rawio"
)

// BenchmarkEcho sends 100 bytes there and back, by package net, which is the
// control, and by this one at one of the ends.
func BenchmarkEcho(b *testing.B) {
	for name, of := range map[string]func(net.Conn) net.Conn{"net": func(c net.Conn) net.Conn { return c }, "rawio": rawio.New} {
		b.Run(name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			near, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			far, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = near.Close() }()
			go func() { // until near is closed
				c, p := of(far), make([]byte, 100)
				for {
					n, err := c.Read(p)
					if err != nil {
						_ = c.Close()
						return
					}
					if _, err := c.Write(p[:n]); err != nil {
						_ = c.Close()
						return
					}
				}
			}()
			c, p := of(near), make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(p); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
