// Package fleet runs several processes of the real program, with what stands
// between them and their clients: for make cluster, and for tests that kill,
// stop and cut.
package fleet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv/child"
)

// Build builds the program of the repository at root into dir and returns its
// path.
func Build(root, dir string, flags ...string) (string, error) {
	binary := filepath.Join(dir, "parlor")
	build := exec.Command("go", slices.Concat([]string{"build"}, flags, []string{"-o", binary, "./cmd/node"})...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build parlor: %w\n%s", err, out)
	}
	return binary, nil
}

// Config describes a node's process.
type Config struct {
	Name   string // in the log
	Binary string
	Under  []string  // program and arguments that start Binary, as taskset does; it must become it
	Args   []string  // besides serve and the addresses
	Env    []string  // besides this process'
	Log    io.Writer // takes its standard error, each line with the name in front; nil: nobody
	Own    bool      // keep signals of the terminal from it
}

// Node is one node across its processes: it keeps its addresses when it is
// started again. Methods belong to one goroutine, except where they say so.
type Node struct {
	cfg    Config
	public string // host:port
	admin  string

	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended, and its log was read
	err   error         // of Wait; read after ended is closed
	ready chan struct{} // closed when the process says that it serves

	mu    sync.Mutex // guards the following
	lines []string   // the log of the process
}

// NewNode chooses free addresses on loopback for a node.
func NewNode(cfg Config) (*Node, error) {
	n := &Node{cfg: cfg}
	for _, address := range []*string{&n.public, &n.admin} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // not before both are chosen: they are to differ
		*address = l.Addr().String()
	}
	return n, nil
}

// Public is host:port for clients.
func (n *Node) Public() string { return n.public }

// Admin is host:port for operators.
func (n *Node) Admin() string { return n.admin }

// startWithin bounds how long a node may take to serve.
const startWithin = 30 * time.Second

// Start starts the process and returns when it serves; child.Start says when it
// ends at the latest.
func (n *Node) Start() error {
	if err := n.Launch(); err != nil {
		return err
	}
	return n.Ready()
}

// Launch starts the process and does not wait until it serves.
func (n *Node) Launch() error {
	args := []string{"serve", "--listen", n.public, "--admin-listen", n.admin, "--log-format", "json"}
	command := slices.Concat(n.cfg.Under, []string{n.cfg.Binary}, args, n.cfg.Args)
	n.cmd = exec.Command(command[0], command[1:]...)
	n.cmd.Env = append(os.Environ(), n.cfg.Env...)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: n.cfg.Own}
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		return err
	}
	wait, err := child.Start(n.cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.cfg.Name, err)
	}
	n.ended, n.ready = make(chan struct{}), make(chan struct{})
	go n.watch(wait, stderr, n.ended, n.ready) // Kill, Stop and Wait wait for it
	return nil
}

// Ready waits until the process serves.
func (n *Node) Ready() error {
	limit := time.NewTimer(startWithin)
	defer limit.Stop()
	select {
	case <-n.ready:
		return nil
	case <-n.ended:
		return fmt.Errorf("%s ended before it served: %w\n%s", n.cfg.Name, n.err, n.Log())
	case <-limit.C:
		return fmt.Errorf("%s does not serve after %v\n%s", n.cfg.Name, startWithin, n.Log())
	}
}

func (n *Node) watch(wait func() error, stderr io.Reader, ended, ready chan struct{}) {
	defer close(ended)
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	serving := false
	for lines.Scan() {
		line := lines.Text()
		n.mu.Lock()
		n.lines = append(n.lines, line)
		n.mu.Unlock()
		if n.cfg.Log != nil {
			fmt.Fprintf(n.cfg.Log, "%s %s\n", n.cfg.Name, line)
		}
		var entry struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err == nil && entry.Msg == "serving" && !serving {
			serving = true
			close(ready)
		}
	}
	n.err = wait()
}

// Log returns what the process, and those before it, wrote to the log. Any
// goroutine may call it.
func (n *Node) Log() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.lines, "\n")
}

// PID is the process id.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Ended is closed when the process has ended.
func (n *Node) Ended() <-chan struct{} { return n.ended }

// Signal sends the process a signal.
func (n *Node) Signal(s syscall.Signal) error { return n.cmd.Process.Signal(s) }

// Pause stops the process in its tracks; Resume continues it.
func (n *Node) Pause() error { return n.Signal(syscall.SIGSTOP) }

// Resume continues the process after Pause.
func (n *Node) Resume() error { return n.Signal(syscall.SIGCONT) }

// Kill ends the process at once and waits. It does nothing if it has ended or
// never begun.
func (n *Node) Kill() {
	if n.cmd == nil || n.cmd.Process == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	<-n.ended
}

// Wait waits for the end of the process and returns its status.
func (n *Node) Wait(within time.Duration) (status int, err error) {
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case <-n.ended:
	case <-limit.C:
		return 0, fmt.Errorf("%s has not ended after %v\n%s", n.cfg.Name, within, n.Log())
	}
	var exit *exec.ExitError
	if n.err != nil && !errors.As(n.err, &exit) {
		return 0, n.err
	}
	return n.cmd.ProcessState.ExitCode(), nil
}

// Stop asks the process to end and returns its status.
func (n *Node) Stop(within time.Duration) (status int, err error) {
	if err := n.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	return n.Wait(within)
}
