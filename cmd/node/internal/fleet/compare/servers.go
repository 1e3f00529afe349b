package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv/child"
)

// servers are the processes that one measurement is of, and a Redis of theirs.
type servers struct {
	addresses []string // for clients
	namespace func(room string) string
	redis     *fleet.Redis
	pids      []int // without Redis
	stops     []func()
}

// stop ends them in reverse order.
func (s *servers) stop() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
}

// pinned starts a program on the first processor, which all servers of a
// measurement share with their Redis; run this one on the others.
var pinned = []string{"taskset", "-c", "0"}

// kind is a relay room as the peer's: what a member sends goes to the others.
// Nothing is limited that the load could meet.
const kind = `
playground: "off"
kinds:
  bench:
    create: anyone
    events: { m: {} }
transport: { connect_rate: 10000, max_per_address: 0 }
limits: { user_creations: "off", creations: "off" }
`

// parlor starts nodes of the real program, which are a cluster also if it is
// one node alone.
func parlor(binary, dir string, nodes int) (*servers, error) {
	config := filepath.Join(dir, "bench.yaml")
	if err := os.WriteFile(config, []byte(kind), 0o600); err != nil {
		return nil, err
	}
	s := &servers{namespace: func(room string) string { return "/bench/" + room + "," }}
	var err error
	if s.redis, err = fleet.StartRedis(pinned...); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.redis.Kill)
	for i := range nodes {
		n, err := fleet.NewNode(fleet.Config{
			Name: fmt.Sprint("node ", i+1), Binary: binary, Under: pinned, Args: []string{"--config", config, "--redis", s.redis.URL()}, Own: true,
		})
		if err == nil {
			s.stops = append(s.stops, n.Kill)
			err = n.Start()
		}
		if err != nil {
			s.stop()
			return nil, err
		}
		s.addresses, s.pids = append(s.addresses, n.Public()), append(s.pids, n.PID())
	}
	return s, nil
}

// socketio starts servers of Socket.IO with the Redis adapter. modules is where
// its npm packages are.
func socketio(script, modules string, count int) (*servers, error) {
	s := &servers{namespace: func(string) string { return "" }}
	var err error
	if s.redis, err = fleet.StartRedis(pinned...); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.redis.Kill)
	for range count {
		err := s.startPeer(func(address string) *exec.Cmd {
			_, port, _ := net.SplitHostPort(address)
			command := append(pinned[1:len(pinned):len(pinned)], "node", script, port, s.redis.URL())
			cmd := exec.Command(pinned[0], command...)
			cmd.Env = append(os.Environ(), "PARLOR_PEERS="+modules, "NODE_ENV=production")
			return cmd
		})
		if err != nil {
			s.stop()
			return nil, err
		}
	}
	return s, nil
}

// peerWithin is how long a peer may take until it serves.
const peerWithin = 20 * time.Second

// startPeer starts a program that serves on an address, and says so.
func (s *servers) startPeer(program func(address string) *exec.Cmd) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	_ = l.Close()
	cmd := program(address)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	wait, err := child.Start(cmd)
	if err != nil {
		return err
	}
	s.stops = append(s.stops, func() { _ = cmd.Process.Kill(); _ = wait() })
	_ = out.(*os.File).SetReadDeadline(time.Now().Add(peerWithin))
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "serving\n" {
		return fmt.Errorf("the peer does not serve: %q, %w", line, errors.Join(err, io.ErrUnexpectedEOF))
	}
	s.addresses, s.pids = append(s.addresses, address), append(s.pids, cmd.Process.Pid)
	return nil
}

// usage is processor time, user and system.
type usage struct{ servers, redis time.Duration }

func (u usage) all() time.Duration { return u.servers + u.redis }

func (u usage) minus(before usage) usage {
	return usage{u.servers - before.servers, u.redis - before.redis}
}

// usage returns what the processes have used so far.
func (s *servers) usage() (u usage, err error) {
	for _, pid := range s.pids {
		used, err := processorTime(pid)
		if err != nil {
			return u, err
		}
		u.servers += used
	}
	u.redis, err = processorTime(s.redis.PID())
	return u, err
}

// userHZ is the unit of the times in /proc on every Linux.
const userHZ = 100

// processorTime is what a process has used, all its threads together: fields 14
// and 15 of proc_pid_stat(5). The name before them may hold anything.
func processorTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("processor time, which takes Linux: %w", err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is %q", pid, stat)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / userHZ), errors.Join(err1, err2)
}
