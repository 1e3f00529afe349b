package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv/child"
)

const (
	// scriptTime is how long a script may run when the test's own deadline
	// does not come first.
	scriptTime = 2 * time.Minute
	// lastWords is what is kept of the test's own deadline to report that a
	// script did not end.
	lastWords = 5 * time.Second
)

// RunNode runs `node script args...` in the test's working directory and waits
// for it. Each line it prints, on either stream, is logged with t.Log as it
// comes. The test ends with Fatal if the script exits with another status than
// 0, or has not ended after two minutes or five seconds before the test
// binary's own deadline, whichever is first; it is then killed together with
// every process it started.
//
// A script is an ES module (NAME.mjs, usually in testdata) and reaches the npm
// packages through a require of its own, because import looks beside the
// script only and heeds no environment:
//
//	import { createRequire } from "node:module";
//	const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
//	const { io } = require("socket.io-client");
//
// A CommonJS script (NAME.cjs) needs nothing: NODE_PATH is set for it.
//
// go test caches a result until the script given here changes; it does not see
// files that the script itself opens, so keep a script in one file.
func RunNode(t testing.TB, script string, args ...string) {
	t.Helper()
	if err := StartNode(t, script, args...)(); err != nil {
		t.Fatal(err)
	}
}

// StartNode is RunNode for a test that acts while the script runs: it returns
// once the script is started. The wait function blocks until the script has
// ended and returns nil only for exit status 0; any goroutine may call it, any
// number of times. A script that still runs when the test ends is killed.
func StartNode(t testing.TB, script string, args ...string) (wait func() error) {
	t.Helper()
	node := program(t, "node")
	modules := NodeModules(t)
	if _, err := os.ReadFile(script); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithDeadline(context.Background(), scriptDeadline(t, time.Now()))
	cmd := command(ctx, t.Log, node, append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "PARLOR_NODE_MODULES="+modules)
	waitEnd, err := child.Start(cmd)
	if err != nil {
		cancel()
		t.Fatalf("start node %s: %v", script, err)
	}
	ended := make(chan struct{}) // closed once err is set
	go func() {                  // waited for by the cleanup below
		defer close(ended)
		err = waitEnd()
		_ = killGroup(cmd) // what the script left behind; usually nothing is there
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("it did not end in time: %w", err)
		}
		if err != nil {
			err = fmt.Errorf("node %s: %w", script, err)
		}
		cmd.Stdout.(*lineLog).flush()
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return func() error {
		<-ended
		return err
	}
}

// scriptDeadline is when a script started at the time given is killed.
func scriptDeadline(t testing.TB, start time.Time) time.Time {
	deadline := start.Add(scriptTime)
	if test, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if end, ok := test.Deadline(); ok && end.Add(-lastWords).Before(deadline) {
			deadline = end.Add(-lastWords)
		}
	}
	return deadline
}

// command is a program in a process group of its own, killed as a whole when
// ctx ends. Both streams go to log line by line, in the order written.
func command(ctx context.Context, log func(...any), name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	// A child that left the group may hold the pipe open; do not wait for it.
	cmd.WaitDelay = lastWords / 2
	out := &lineLog{log: log}
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

func killGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// lineLog is a writer that logs whole lines. One goroutine writes to it:
// exec.Cmd uses one for both streams when they are the same writer.
type lineLog struct {
	log  func(...any)
	rest []byte // the line that has not ended yet
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.log(string(line))
		l.rest = rest
	}
}

// flush logs the last line if it has no end.
func (l *lineLog) flush() {
	if len(l.rest) > 0 {
		l.log(string(l.rest))
		l.rest = nil
	}
}
