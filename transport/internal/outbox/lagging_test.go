package outbox

import (
	"io"
	"net"
	"testing"
)

func TestLaggingMeansThatTheSocketTookLessThanItWasGiven(t *testing.T) {
	server, client := connect(t, "tcp", "127.0.0.1:0")
	o := newPool(t, Config{}).New(server, newOwner())
	defer o.Close()
	f := Frame{Parts: [][]byte{make([]byte, 50_000)}}
	if err := o.Push(f); err != nil || o.Lagging() {
		t.Errorf("pushed and not flushed: %v, lagging %v", err, o.Lagging())
	}
	o.Flush()
	n := 1
	for ; !o.Lagging(); n++ {
		if err := o.Push(f); err != nil {
			t.Fatalf("full after %d frames and not lagging: %v", n, err)
		}
		o.Flush()
	}
	buf := make([]byte, 50_000)
	for range n {
		for rest := buf; len(rest) > 0; {
			got, err := client.Read(rest)
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[got:]
		}
	}
	eventually(t, "end of the lag", func() bool { return !o.Lagging() })
}

// Who is told that the queue has drained finds that it has.
func TestDrainedSocketDoesNotLag(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		ow := newOwner()
		o := newPool(t, Config{SendBuffer: -1}).New(server, ow)
		defer o.Close()
		lagged := make(chan bool, 1)
		ow.onDrained = func() { lagged <- o.Lagging() || o.AwaitDrain() }
		clog(t, o)
		o.Flush()
		if !o.Lagging() || !o.AwaitDrain() {
			t.Error("a clogged socket does not lag")
		}
		within(t, "draining", func() {
			if _, err := io.CopyN(io.Discard, client, clogSize); err != nil {
				t.Error(err)
			}
			if <-lagged {
				t.Error("a drained socket lags")
			}
		})
	})
}
