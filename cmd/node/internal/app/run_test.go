package app

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/actors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what happens at once.
const patience = 10 * time.Second

// running is the whole program, serving on free ports of the loopback.
type running struct {
	Addresses
	url    string // of the public listener, without a final slash
	log    *log
	cancel context.CancelFunc
	done   chan error
}

// start runs serve with those arguments and waits until it serves. The test's
// end stops it.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	return startWith(t, nil, args...)
}

// startWith is start with kinds that are not configured.
func startWith(t *testing.T, kinds []actors.Behavior, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{log: new(log), cancel: cancel, done: make(chan error, 1)}
	ready := make(chan Addresses, 1)
	m := &Main{
		Args:   append([]string{"serve", "--listen=127.0.0.1:0", "--log-level=debug"}, args...),
		Stdout: io.Discard, Stderr: r.log, Kinds: kinds,
		Ready: func(a Addresses) { ready <- a },
	}
	go func() { r.done <- m.Run(ctx) }() // stop waits for it
	t.Cleanup(func() { _ = r.stop(t) })
	select {
	case r.Addresses = <-ready:
	case err := <-r.done:
		r.done <- err
		t.Fatalf("it did not start: %v\n%s", err, r.log)
	case <-time.After(patience):
		t.Fatalf("it did not start in time\n%s", r.log)
	}
	r.url = "http://" + r.Public.String()
	return r
}

// stop ends the program as a signal does, and returns what Run returned.
func (r *running) stop(t *testing.T) error {
	t.Helper()
	r.cancel()
	select {
	case err := <-r.done:
		r.done <- err // for whoever asks again
		return err
	case <-time.After(2 * patience):
		t.Fatalf("it did not stop\n%s", r.log)
		return nil
	}
}

// log is where a program writes its log.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// get fetches a page over a connection that is closed afterwards.
func get(t *testing.T, url string, header ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// file writes a configuration file and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "parlor.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
