package testenv

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv/child"
)

// Redis is a redis-server of the test's own, on loopback, with a directory of
// its own. Its methods belong to the test's goroutine.
type Redis struct {
	Addr string // host:port, the same across restarts
	Dir  string // where it keeps its files

	t       testing.TB
	program string
	args    []string
	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has ended
}

// StartRedis starts a redis-server on a free port and waits until it answers.
// It keeps nothing on disk unless args, which are those of its command line,
// say so ("--appendonly", "yes"). It is killed when the test ends.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	r := &Redis{Addr: addr, Dir: t.TempDir(), t: t, program: RedisServer(t), args: args}
	r.Start()
	t.Cleanup(r.Kill)
	return r
}

// URL is how clients are told of it.
func (r *Redis) URL() string { return "redis://" + r.Addr }

// Start starts it again after Kill or Stop, with the files it left.
func (r *Redis) Start() {
	r.t.Helper()
	host, port, _ := net.SplitHostPort(r.Addr)
	args := append([]string{
		"--bind", host, "--port", port, "--dir", r.Dir, "--save", "", "--appendonly", "no",
		"--logfile", filepath.Join(r.Dir, "redis.log"), "--daemonize", "no",
	}, r.args...)
	r.cmd = exec.Command(r.program, args...)
	r.ended = make(chan struct{})
	wait, err := child.Start(r.cmd)
	if err != nil {
		r.t.Fatalf("start %s: %v", r.program, err)
	}
	go func(ended chan struct{}) { // Kill and Stop wait for it
		defer close(ended)
		_ = wait()
	}(r.ended)
	for deadline := time.Now().Add(20 * time.Second); ; {
		if r.answers() {
			return
		}
		select {
		case <-r.ended:
			r.t.Fatalf("%s ended at once; its log is %s", r.program, filepath.Join(r.Dir, "redis.log"))
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s does not answer at %s", r.program, r.Addr)
		}
	}
}

// answers reports whether it has loaded its files and answers.
func (r *Redis) answers() bool {
	reply, err := r.do("PING")
	return err == nil && reply == "+PONG"
}

// do sends a command and returns the first line of the answer, of a bulk string
// the first line of its text.
func (r *Redis) do(args ...string) (string, error) {
	c, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	request := "*" + strconv.Itoa(len(args)) + "\r\n"
	for _, a := range args {
		request += fmt.Sprintf("$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := c.Write([]byte(request)); err != nil {
		return "", err
	}
	answer := bufio.NewReader(c)
	line, err := answer.ReadString('\n')
	if err == nil && strings.HasPrefix(line, "$") && !strings.HasPrefix(line, "$-") {
		text, err := answer.ReadString('\n')
		return line[:1] + strings.TrimRight(text, "\r\n"), err
	}
	return strings.TrimRight(line, "\r\n"), err
}

// Do sends a command and returns the first line of the answer with its type
// byte, of a bulk string the first line of its text. The test ends with Fatal if there is none.
func (r *Redis) Do(args ...string) string {
	r.t.Helper()
	reply, err := r.do(args...)
	if err != nil {
		r.t.Fatalf("redis %s: %v", args[0], err)
	}
	return reply
}

// Kill ends it with SIGKILL and waits. It does nothing if it has ended.
func (r *Redis) Kill() { r.end(syscall.SIGKILL) }

// Stop ends it in an orderly way and waits.
func (r *Redis) Stop() { r.end(syscall.SIGTERM) }

func (r *Redis) end(s syscall.Signal) {
	_ = r.cmd.Process.Signal(s)
	<-r.ended
}

// Pause stops it in its tracks: clients see no answers and no closed
// connections. Resume continues it.
func (r *Redis) Pause() { _ = r.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume continues it after Pause.
func (r *Redis) Resume() { _ = r.cmd.Process.Signal(syscall.SIGCONT) }
