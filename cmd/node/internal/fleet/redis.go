package fleet

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv/child"
)

// Redis is a redis-server on loopback that keeps nothing.
type Redis struct {
	address string
	cmd     *exec.Cmd
	wait    func() error // for its end
}

// StartRedis starts a redis-server on a free port and returns when it answers.
// Signals of the terminal do not reach it; child.Start says when it ends at the
// latest. under is as Config.Under.
func StartRedis(under ...string) (*Redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("redis-server is not installed: run make deps")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Redis{address: l.Addr().String()}
	_ = l.Close()
	_, port, _ := net.SplitHostPort(r.address)
	command := append(slices.Clone(under), program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", os.TempDir(), "--loglevel", "warning")
	r.cmd = exec.Command(command[0], command[1:]...)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if r.wait, err = child.Start(r.cmd); err != nil {
		return nil, err
	}
	for range 500 {
		if c, err := net.Dial("tcp", r.address); err == nil {
			_ = c.Close()
			return r, nil
		}
		<-time.After(10 * time.Millisecond)
	}
	r.Kill()
	return nil, errors.New("redis-server does not answer")
}

// URL is how nodes are told of it.
func (r *Redis) URL() string { return "redis://" + r.address }

// PID is the process id.
func (r *Redis) PID() int { return r.cmd.Process.Pid }

// Kill ends it at once and waits.
func (r *Redis) Kill() {
	_ = r.cmd.Process.Kill()
	_ = r.wait()
}
