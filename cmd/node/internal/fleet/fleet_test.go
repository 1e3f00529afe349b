package fleet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// parentVar makes the test binary a process that starts a Redis and a node of
// this program.
const parentVar = "PARLOR_TEST_PARENT_OF"

func TestMain(m *testing.M) {
	if binary := os.Getenv(parentVar); binary != "" {
		os.Unsetenv(parentVar) // the program would not know the variable
		if err := parent(binary); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// parent says where its two servers are, and goes on for as long as its input.
func parent(binary string) error {
	r, err := StartRedis()
	if err != nil {
		return err
	}
	defer r.Kill()
	n, err := NewNode(Config{Name: "a", Binary: binary, Own: true})
	if err != nil {
		return err
	}
	defer n.Kill()
	if err := n.Start(); err != nil {
		return err
	}
	fmt.Println(r.address, r.PID(), n.Public(), n.PID())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func TestTheBalancerTakesTurnsByRequest(t *testing.T) {
	var backends []string
	for _, name := range []string{"a", "b"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = io.WriteString(w, name+string(body))
		}))
		defer s.Close()
		backends = append(backends, s.Listener.Addr().String())
	}
	b, err := StartBalancer("127.0.0.1:0", append(backends, "127.0.0.1:1")...) // where nobody listens
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	got := map[string]int{}
	for range 12 {
		resp, err := client.Post(b.URL(), "text/plain", strings.NewReader("!"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		got[string(body)]++
	}
	if got["a!"] < 4 || got["b!"] < 4 || got["a!"]+got["b!"] != 12 {
		t.Errorf("answers came from %v", got)
	}
	client.CloseIdleConnections()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhoIsManyMeetsNoServerThatIsNotThere(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	b, err := StartBalancer("127.0.0.1:0", s.Listener.Addr().String(), "127.0.0.1:1", "127.0.0.1:2")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			for range 50 {
				resp, err := client.Get(b.URL())
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("answered %s", resp.Status)
				}
			}
		})
	}
	wait.Wait()
}

// TestAPollIsNotRepeated when its server takes it and dies, also over a
// connection that was used before: what it carried would be lost.
func TestAPollIsNotRepeated(t *testing.T) {
	var taken atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/poll" {
			taken.Add(1)
			panic(http.ErrAbortHandler)
		}
	}))
	defer s.Close()
	b, err := StartBalancer("127.0.0.1:0", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, c := range []struct {
		path string
		want int
	}{{"/", http.StatusOK}, {"/poll", http.StatusBadGateway}} {
		resp, err := client.Get(b.URL() + c.path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s is answered %s", c.path, resp.Status)
		}
	}
	if n := taken.Load(); n != 1 {
		t.Errorf("the poll was taken %d times", n)
	}
}

// TestANodeRuns goes through the life of a process of the real program, with a
// WebSocket through the balancer.
func TestANodeRuns(t *testing.T) {
	defer backendTransport.CloseIdleConnections()
	binary, err := Build(testenv.Root(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewNode(Config{Name: "a", Binary: binary})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Kill()
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	b, err := StartBalancer("127.0.0.1:0", n.Public())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := transporttest.Dial(ctx, b.URL(), transporttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	if _, err := c.Connect(ctx, "/playground/x", nil); err != nil {
		t.Fatal(err)
	}
	if err := n.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := n.Resume(); err != nil {
		t.Fatal(err)
	}
	if status, err := n.Stop(20 * time.Second); err != nil || status != 0 {
		t.Errorf("it ended with %d, %v", status, err)
	}
	if err := n.Start(); err != nil {
		t.Errorf("it does not start again: %v", err)
	}
}
