package transporttest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted counts the calls of a connection's Write.
type counted struct {
	net.Conn
	writes int
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes++
	return c.Conn.Write(p)
}

func TestPartialWritesArriveWholeInPieces(t *testing.T) {
	ours, theirs := net.Pipe()
	under := &counted{Conn: ours}
	c := NewFaultConn(under)
	defer c.Close()
	c.Partial(3)
	want := []byte("0123456789")
	got := make(chan []byte)
	go func() { // ends when everything has come
		b := make([]byte, len(want))
		_, _ = io.ReadFull(theirs, b) // what is missing shows
		got <- b
	}()
	if n, err := c.Write(want); n != len(want) || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if b := <-got; !bytes.Equal(b, want) || under.writes != 4 {
		t.Errorf("got %q in %d writes", b, under.writes)
	}
	go func() { _, _ = theirs.Write(want) }() // ends with the connection
	b := make([]byte, 100)
	if n, err := c.Read(b); n != 3 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestDelayHoldsReadsAndWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := NewFaultConn(ours)
		defer c.Close()
		c.Delay(time.Second)
		start := time.Now()
		go func() { // ends when it has echoed
			b := make([]byte, 1)
			_, _ = io.ReadFull(theirs, b)
			_, _ = theirs.Write(b)
		}()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Error(err)
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("there and back took %v", got)
		}
		c.Delay(time.Hour)
		go c.Close()
		_, _ = c.Write([]byte("x")) // fails
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("Close did not end a delayed Write before %v", got)
		}
	})
}

func TestStoppedReadingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := NewFaultConn(ours)
		c.StopReading()
		read := make(chan error, 1)
		go func() { // ends when reading goes on
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		go func() { _, _ = theirs.Write([]byte("x")) }() // ends when it is read
		synctest.Wait()
		select {
		case err := <-read:
			t.Fatalf("read while it was stopped: %v", err)
		default:
		}
		c.ResumeReading()
		if err := <-read; err != nil {
			t.Error(err)
		}
		c.StopReading()
		go c.Cut()
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a Read of a connection that was cut succeeded")
		}
	})
}

func TestCutResetsTheConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	NewFaultConn(conn).Cut()
	if _, err := theirs.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the other side read %v, want a reset", err)
	}
}
