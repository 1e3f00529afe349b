package app

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

func TestTheStoreIsHeldByOneServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rooms")
	first := start(t, "--store", dir)
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	second := &Main{Args: []string{"serve", "--listen=127.0.0.1:0", "--store", dir}, Stdout: io.Discard, Stderr: new(log)}
	if err := second.Run(context.Background()); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server: %v", err)
	}
	if err := first.stop(t); err != nil {
		t.Fatal(err)
	}
	if err := start(t, "--store", dir).stop(t); err != nil {
		t.Errorf("the next server: %v", err)
	}
}

// chest is a room that keeps texts.
type chest struct {
	Texts actors.Map[string, string] `room:"texts,durable"`
}

func TestRoomsAreAsLargeAsTheConfigurationSays(t *testing.T) {
	k := actors.NewKind("chest", func() *chest { return new(chest) }, actors.KindConfig{Create: actors.CreateAnyone})
	actors.OnAck(k, "put", func(c *chest, _ *actors.Turn, text string) (int, error) {
		c.Texts.Set("text", text)
		return len(text), nil
	})
	r := startWith(t, []actors.Behavior{k}, "--limits-room-bytes=100000")
	c, err := transporttest.Dial(t.Context(), r.url, transporttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ns, err := c.Connect(t.Context(), "/chest/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]string{99_000: `[99000]`, 100_000: `too_large`} {
		got, err := ns.EmitAck(t.Context(), "put", strings.Repeat("x", size))
		if err != nil || len(got.Args) != 1 || !strings.Contains("["+string(got.Args[0])+"]", want) {
			t.Errorf("%d bytes are answered %s, %v; want %s", size, got.Args, err, want)
		}
	}
}
