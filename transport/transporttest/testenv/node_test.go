package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// recorder is a test whose log can be read and whose cleanups run on demand.
type recorder struct {
	testing.TB
	deadline time.Time

	mu       sync.Mutex // guards the following
	lines    []string
	cleanups []func()
}

func (r *recorder) Deadline() (time.Time, bool) { return r.deadline, !r.deadline.IsZero() }

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) Log(args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprint(args...))
}

func (r *recorder) logged() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

func (r *recorder) end() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}

// record gives a recorder whose cleanups have run when t ends, at the latest.
func record(t *testing.T) *recorder {
	r := &recorder{TB: t}
	t.Cleanup(r.end)
	return r
}

func TestScriptReachesThePackages(t *testing.T) {
	r := record(t)
	RunNode(r, "testdata/require.mjs", "socket.io-client", "socket.io", "socket.io-msgpack-parser")
	got := r.logged()
	if len(got) != 4 || got[3] != "done" {
		t.Fatalf("logged %q, want three packages and the last line without an end", got)
	}
	for i, prefix := range []string{"socket.io-client 4.8.", "socket.io 4.8.", "socket.io-msgpack-parser 3."} {
		if !strings.HasPrefix(got[i], prefix) {
			t.Errorf("line %d is %q, want %s", i, got[i], prefix)
		}
	}
}

func TestCommonJSScriptReachesThePackages(t *testing.T) {
	r := record(t)
	RunNode(r, "testdata/require.cjs")
	if got := r.logged(); !slices.Equal(got, []string{"function"}) {
		t.Errorf("logged %q", got)
	}
}

func TestFailedScriptIsAnError(t *testing.T) {
	r := record(t)
	err := StartNode(r, "testdata/fail.mjs")()
	if err == nil || !strings.Contains(err.Error(), "node testdata/fail.mjs: exit status 3") {
		t.Errorf("wait = %v", err)
	}
	if got := r.logged(); !slices.Equal(got, []string{"the reason"}) {
		t.Errorf("logged %q", got)
	}
}

func TestScriptIsKilledWithItsChildren(t *testing.T) {
	t.Run("when the test ends", func(t *testing.T) {
		r := record(t)
		wait := StartNode(r, "testdata/forever.mjs")
		pids := loggedPids(t, r, 2)
		r.end()
		if err := wait(); err == nil {
			t.Error("a killed script reported success")
		}
		expectGone(t, pids)
	})
	t.Run("when its time is over", func(t *testing.T) {
		r := record(t)
		r.deadline = time.Now().Add(lastWords + 4*time.Second)
		err := StartNode(r, "testdata/forever.mjs")()
		if err == nil || !strings.Contains(err.Error(), "did not end in time") {
			t.Errorf("wait = %v", err)
		}
		expectGone(t, loggedPids(t, r, 2))
	})
	t.Run("when it ends before them", func(t *testing.T) {
		r := record(t)
		RunNode(r, "testdata/orphan.mjs")
		expectGone(t, loggedPids(t, r, 1))
	})
}

// loggedPids waits for a line with n process ids.
func loggedPids(t *testing.T, r *recorder, n int) []int {
	t.Helper()
	pids := make([]int, n)
	into := make([]any, n)
	for i := range pids {
		into[i] = &pids[i]
	}
	eventually(t, "a line of process ids", func() bool {
		lines := r.logged()
		if len(lines) == 0 {
			return false
		}
		_, err := fmt.Sscan(lines[0], into...)
		return err == nil
	})
	return pids
}

func expectGone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("the end of process %d", pid), func() bool { return gone(pid) })
	}
}

// gone reports that a process has ended. An orphan nobody has waited for yet
// is a zombie, state Z, for as long as the init process likes.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

func TestScriptEndsBeforeTheTestBinaryDoes(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, tt := range []struct {
		name string
		test time.Time
		want time.Duration
	}{
		{"no deadline", time.Time{}, scriptTime},
		{"a far deadline", start.Add(time.Hour), scriptTime},
		{"a near deadline", start.Add(time.Minute), time.Minute - lastWords},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := scriptDeadline(&recorder{deadline: tt.test}, start).Sub(start)
			if got != tt.want {
				t.Errorf("the script may run %v, want %v", got, tt.want)
			}
		})
	}
}
