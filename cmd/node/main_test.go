package main

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv/child"
)

// TestMain runs the program itself where a test has started this binary as
// one.
func TestMain(m *testing.M) {
	if os.Getenv("PARLOR_TEST_MAIN") == "yes" {
		os.Unsetenv("PARLOR_TEST_MAIN") // the program would not know the variable
		main()
		return
	}
	os.Exit(m.Run())
}

const patience = 10 * time.Second

// process is the program in a process of its own.
type process struct {
	*exec.Cmd
	lines chan string  // of its log, closed at its end
	Wait  func() error // in place of that of Cmd
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startFor(t, time.Minute, args...)
}

// startFor is start for a process that is killed after another time.
func startFor(t *testing.T, atMost time.Duration, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	t.Cleanup(cancel)
	p := &process{Cmd: exec.CommandContext(ctx, os.Args[0], args...), lines: make(chan string, 100)}
	p.Env = append(os.Environ(), "PARLOR_TEST_MAIN=yes")
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.Wait, err = child.Start(p.Cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel() // kills it, if the test has not
		for range p.lines {
		}
		_ = p.Wait()
	})
	go func() { // ends with the process
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p
}

// line waits for a line of the log and returns what the first group of the
// pattern matched.
func (p *process) line(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("the process ended without a line like %s", pattern)
			}
			if m := re.FindStringSubmatch(line); m != nil {
				return m[len(m)-1]
			}
		case <-limit:
			t.Fatalf("no line like %s", pattern)
		}
	}
}

// passOver reads the rest of the log, which the process would wait for.
func (p *process) passOver() {
	go func() { // ends with the process
		for range p.lines {
		}
	}()
}

// end waits for the end of the process and returns its last line.
func (p *process) end(t *testing.T) (last string, err error) {
	t.Helper()
	limit := time.After(2 * patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return last, p.Wait()
			}
			last = line
		case <-limit:
			t.Fatalf("the process does not end; its last line is %s", last)
		}
	}
}

func TestASignalStopsTheProgramInOrder(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			p := start(t, "serve", "--listen=127.0.0.1:0")
			p.line(t, "msg=serving")
			if err := p.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if last, err := p.end(t); err != nil || !strings.Contains(last, "msg=stopped") {
				t.Errorf("it ended with %v, and %q as the last line", err, last)
			}
		})
	}
}

// TestASecondSignalEndsTheProgramAtOnce has a request under way that the first
// signal waits for.
func TestASecondSignalEndsTheProgramAtOnce(t *testing.T) {
	p := start(t, "serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--log-level=debug", "--stop-within=1m")
	admin := p.line(t, "msg=admin .*url=(http://[^ ]+/)")
	p.line(t, "msg=serving")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"debug/pprof/trace?seconds=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r) // its header comes when the trace has begun
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.line(t, `msg=stopping .*part="admin listener"`)
	begin := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, err = p.end(t)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("it ended with %v, want status 143", err)
	}
	if took := time.Since(begin); took > patience {
		t.Errorf("it took %v", took)
	}
}

func TestAnErrorIsToldAndTheStatusIsOne(t *testing.T) {
	p := start(t, "serve", "--listen=nowhere")
	last, err := p.end(t)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.HasPrefix(last, "--listen: listen: ") {
		t.Errorf("it ended with %v, and %q as the last line", err, last)
	}
}
