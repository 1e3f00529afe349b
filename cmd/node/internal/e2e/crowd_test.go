package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/transport"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// serverEnv makes the test binary a server on one core: TestMain.
const serverEnv = "PARLOR_E2E_CROWD_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" {
		crowdServer()
		return
	}
	os.Exit(m.Run())
}

// crowdServer serves rooms of cursors until its standard input closes.
func crowdServer() {
	runtime.GOMAXPROCS(1)
	n, err := node.New(node.Config{Kinds: []actors.Behavior{labKind(actors.KindConfig{SyncEvery: 33 * time.Millisecond})}})
	if err != nil {
		panic(err)
	}
	h, err := transport.New(n, transport.Config{})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(n.Stats())
	})
	web := &http.Server{Handler: h.Mount(mux)}
	l, err := listenLoopback()
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", l.Addr())
	go func() { _ = web.Serve(l) }() // ends with the process
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// process is a crowd server in a process of its own.
type process struct {
	url string
	pid int
}

func startCrowdServer(t *testing.T) process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	line := make([]byte, 64)
	k, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return process{strings.TrimSpace(string(line[:k])), cmd.Process.Pid}
}

func (p process) stats(t *testing.T) (s node.Stats) {
	t.Helper()
	resp, err := http.Get(p.url + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// memory is the resident set of the process in MB, and cpu its processor time.
func (p process) usage(t *testing.T) (rss float64, cpu time.Duration) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := bytes.Cut(status, []byte("VmRSS:"))
	kb, err := strconv.Atoi(string(bytes.Fields(after)[0]))
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return float64(kb) / 1024, time.Duration(user+system) * 10 * time.Millisecond
}

// crowdSize and crowdTime are the full ones of the promise under the build tag
// long.
type crowd struct {
	members int
	rate    int // cursor updates per member and second
	time    time.Duration
}

// TestARoomOfAThousandCursorsKeepsRunningOnOneCore fills a room whose members
// all move their cursors, with one reader that has stopped: everybody else
// keeps receiving patches and ends with everybody's last position, the server
// stays within its memory, and the stopped reader costs only itself.
func TestARoomOfAThousandCursorsKeepsRunningOnOneCore(t *testing.T) {
	c := crowdOfThisRun
	server := startCrowdServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()

	var patches, received atomic.Int64
	members := make([]*transporttest.Namespace, c.members)
	skip := func(m []byte) bool {
		if bytes.Contains(m[:min(len(m), 64)], []byte(`["room:patch"`)) {
			patches.Add(1)
			received.Add(int64(len(m)))
			return true
		}
		return bytes.Contains(m[:min(len(m), 64)], []byte(`["room:state"`))
	}
	var dial sync.WaitGroup
	gate := make(chan struct{}, 32)
	for i := range members {
		dial.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			client, err := transporttest.Dial(ctx, server.url, transporttest.Options{Skip: skip, ReadBuffer: 16 << 10})
			if err != nil {
				t.Errorf("dial %d: %v", i, err)
				return
			}
			if members[i], err = client.Connect(ctx, "/lab/crowd", nil); err != nil {
				t.Errorf("join %d: %v", i, err)
			}
		})
	}
	dial.Wait()
	if t.Failed() {
		return
	}
	watcher := enterWatching(ctx, t, server.url)
	stopped := enterAndStopReading(ctx, t, server.url)
	defer stopped()

	before, cpu0 := server.usage(t)
	began, patches0 := time.Now(), patches.Load()
	var enough atomic.Bool // the time is over, and the stopped reader has filled what the kernel holds for it
	var move sync.WaitGroup
	for i, m := range members {
		move.Go(func() {
			every := time.NewTicker(time.Second / time.Duration(c.rate))
			defer every.Stop()
			for n := 1; !enough.Load(); n++ {
				<-every.C
				if err := m.Emit("place", place{n, i}); err != nil {
					t.Errorf("member %d: %v", i, err)
					return
				}
			}
		})
	}
	<-time.After(c.time)
	waitFor(t, "patches for the stopped reader are conflated", func() bool { return server.stats(t).PatchesConflated > 0 })
	enough.Store(true)
	move.Wait()
	took := time.Since(began)
	after, cpu1 := server.usage(t)
	perMember := float64(patches.Load()-patches0) / float64(c.members)
	for i, m := range members { // a last position that nobody has had before
		if err := m.Emit("place", place{-1, i}); err != nil {
			t.Fatalf("member %d: %v", i, err)
		}
	}
	waitFor(t, "the watcher has everybody's last position", func() bool { return watcher.last() == c.members })
	s := server.stats(t)
	t.Logf("%d members at %d updates/s for %v: %.1f patches/s per member, %.2f cores, memory %.0f → %.0f MB, %d MB/s, %d patches conflated",
		c.members, c.rate, took.Round(time.Millisecond), perMember/took.Seconds(), (cpu1-cpu0).Seconds()/took.Seconds(),
		before, after, received.Load()/int64(took.Seconds()+1)>>20, s.PatchesConflated)
	if perMember < 2 {
		t.Errorf("members had %.1f patches each", perMember)
	}
	if s.TooSlow > 0 {
		t.Errorf("%d connections were closed as too slow: synced state is conflated, not queued", s.TooSlow)
	}
	if limit := before + 150 + float64(c.members)/4; after > limit {
		t.Errorf("memory grew from %.0f to %.0f MB", before, after)
	}
}
