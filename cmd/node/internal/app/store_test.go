package app

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
