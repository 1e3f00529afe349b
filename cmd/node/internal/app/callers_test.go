package app

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// TestAnAddressHasItsShareOfTheFiles opens connections that say nothing.
func TestAnAddressHasItsShareOfTheFiles(t *testing.T) {
	r := start(t, "--admin-listen=127.0.0.1:0", "--transport-max-per-address=5")
	const share = perSession*5 + spareCalls
	for range 3 {
		dial(t, r, transporttest.Options{}) // WebSockets are counted as sessions
	}
	connect := func(from string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.Dial("tcp", r.Public.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	isClosed := func(c net.Conn, within time.Duration) bool {
		_ = c.SetReadDeadline(time.Now().Add(within))
		_, err := c.Read(make([]byte, 1))
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	var mine []net.Conn
	for range share {
		mine = append(mine, connect("127.0.0.1"))
	}
	if !isClosed(connect("127.0.0.1"), patience) {
		t.Error("one more is taken")
	}
	if isClosed(mine[share-1], 10*time.Millisecond) {
		t.Error("one of the share is closed")
	}
	if isClosed(connect("127.0.0.2"), 10*time.Millisecond) {
		t.Error("another address is closed as well")
	}
	mine[0].Close()
	await(t, "room after one has left", func() bool {
		c := connect("127.0.0.1")
		defer c.Close()
		return !isClosed(c, 10*time.Millisecond)
	})
	_, body := get(t, "http://"+r.Admin.String()+"/stats")
	var stats struct{ Crowded int }
	if err := json.Unmarshal([]byte(body), &stats); err != nil || stats.Crowded == 0 {
		t.Errorf("%v, counted %d", err, stats.Crowded)
	}

	r = start(t, "--transport-max-per-address=5", "--transport-trusted-proxies=127.0.0.0/8")
	for range share + 5 {
		mine = append(mine, connect("127.0.0.1"))
	}
	last := mine[len(mine)-1]
	if _, err := io.WriteString(last, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = last.SetReadDeadline(time.Now().Add(patience))
	if n, err := last.Read(make([]byte, 100)); n == 0 {
		t.Errorf("a proxy has a share as well: %v", err)
	}
}
