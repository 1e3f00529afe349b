package outbox

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestWrapBehavesLikeAConnection(t *testing.T) {
	eachKind(t, func(t *testing.T, server, client net.Conn) {
		o := newPool(t, Config{}).New(server, newOwner())
		w := o.Wrap()
		if w.LocalAddr() != server.LocalAddr() || w.RemoteAddr() != server.RemoteAddr() {
			t.Error("other addresses")
		}
		past := time.Unix(1, 0)
		if err := w.SetWriteDeadline(past); err != nil {
			t.Error(err)
		}
		if err := w.SetDeadline(past); err != nil {
			t.Error(err)
		}
		if _, err := w.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read after the deadline: %v", err)
		}
		if err := w.SetReadDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		if _, err := w.Write([]byte("out")); err != nil {
			t.Errorf("a write deadline has an effect: %v", err)
		}
		got := make([]byte, 3)
		if _, err := io.ReadFull(client, got); err != nil || string(got) != "out" {
			t.Errorf("peer read %q, %v", got, err)
		}
		if _, err := client.Write([]byte("in!")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(w, got); err != nil || string(got) != "in!" {
			t.Errorf("read %q, %v", got, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if n, err := w.Write([]byte("x")); n != 0 || err != net.ErrClosed {
			t.Errorf("write after Close: %d, %v", n, err)
		}
	})
}

// A write deadline that an HTTP server left on the connection must not end it.
func TestNewClearsTheWriteDeadline(t *testing.T) {
	server, client := connect(t, "tcp", "127.0.0.1:0")
	if err := server.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	o := newPool(t, Config{}).New(server, newOwner())
	defer o.Close()
	if _, err := o.Wrap().Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}
