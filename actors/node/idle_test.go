package node_test

import (
	"fmt"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// silent is a socket that takes everything and says when it was let in.
type silent struct{ entered chan<- struct{} }

func (s *silent) SID() string          { return "test" }
func (s *silent) Flush()               {}
func (s *silent) Lagging() bool        { return false }
func (s *silent) WhenDrained(f func()) { f() }

func (s *silent) Push(p *actors.Packet) error {
	switch p.Type {
	case actors.PacketConnect:
		s.entered <- struct{}{}
	case actors.PacketConnectError:
		return net.ErrClosed
	}
	return nil
}
func (s *silent) Close(actors.LeaveReason) {}

// browser is the handshake of a browser behind a proxy, with a token that ends
// in an hour.
func browser(i int) *actors.Handshake {
	h := http.Header{}
	for name, value := range map[string]string{
		"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"Origin":     "https://app.example.org", "Accept-Language": "en-GB,en;q=0.9,de;q=0.8", "Cache-Control": "no-cache",
		"Accept-Encoding": "gzip, deflate, br, zstd", "X-Forwarded-For": "192.0.2.1", "X-Request-Id": fmt.Sprint(i),
	} {
		h.Set(name, fmt.Sprint(value)) // each has memory of its own, as after reading a request
	}
	return &actors.Handshake{Time: time.Now(), Address: "192.0.2.1", Path: "/socket.io/", Header: h}
}

type idle struct{}

// BenchmarkIdleMember is what a connection that is a member of a room of ten
// costs in package node and below: heap, after a collection. The
// socket, which package transport pays for, is not in it.
func BenchmarkIdleMember(b *testing.B) {
	const members = 10_000
	k := actors.NewKind("idle", func() *idle { return new(idle) }, actors.KindConfig{})
	var perMember float64
	for b.Loop() {
		n, stop := run(b, node.Config{Kinds: []actors.Behavior{k}, Authenticator: badges{}, Limits: node.NoLimits()})
		before := inUse()
		entered := make(chan struct{}, members)
		conns := make([]actors.Connection, members)
		for i := range conns {
			c, err := n.Accept(&silent{entered}, browser(i))
			if err != nil {
				b.Fatal(err)
			}
			conns[i] = c
			auth := badge{User: fmt.Sprint("user-", i), ID: fmt.Sprint("token-", i), Until: time.Now().Add(time.Hour)}.auth()
			c.Receive(&actors.Packet{Type: actors.PacketConnect, Namespace: fmt.Sprint("/idle/", i/10), Data: []byte(auth)})
		}
		for range members {
			<-entered
		}
		perMember += float64(inUse()-before) / members
		runtime.KeepAlive(conns)
		for _, c := range conns {
			c.Closed(actors.ReasonTransportClosed)
		}
		stop()
	}
	b.ReportMetric(perMember/float64(b.N), "bytes/member")
	b.ReportMetric(0, "ns/op")
}

// inUse is the heap in use. Members and rooms have no goroutine; the stacks of
// those that run their mailboxes depend on what ran last.
func inUse() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
