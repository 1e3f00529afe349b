package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
)

// control is the least that a Go server can do for the load of a relay: one
// process, one goroutine per socket that reads frames and writes each of them
// straight to the sockets of the others of its room. It parses nothing that it
// can skip, keeps no state, has no other server to tell and no queue for a slow
// reader. What it costs is what sockets cost.
type control struct {
	mu    sync.RWMutex
	rooms map[string][]net.Conn
}

// controlFlag makes this program a control that serves on the address that
// follows.
const controlFlag = "-serve-control"

// serveControl returns when it cannot listen.
func serveControl(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("serving")
	s := &control{rooms: make(map[string][]net.Conn)}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() { _ = s.serve(conn) }() // until the client goes
	}
}

func (s *control) serve(conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReaderSize(conn, 1<<10)
	if _, err := http.ReadRequest(in); err != nil {
		return err
	}
	const upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: control\r\n\r\n"
	if _, err := conn.Write(append([]byte(upgrade), frame(`0{"sid":"control"}`)...)); err != nil {
		return err
	}
	c := &client{conn: conn, in: in}
	room, err := s.enter(c)
	if err != nil {
		return err
	}
	for {
		text, err := c.maskedText()
		if err != nil {
			return err
		}
		out := frame(string(text))
		s.mu.RLock()
		for _, other := range s.rooms[room] {
			if other != conn {
				_, _ = other.Write(out)
			}
		}
		s.mu.RUnlock()
	}
}

// enter reads the CONNECT packet and answers it.
func (s *control) enter(c *client) (room string, err error) {
	text, err := c.maskedText()
	if err != nil {
		return "", err
	}
	var auth struct{ Room string }
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("40")), &auth); err != nil {
		return "", err
	}
	s.mu.Lock()
	s.rooms[auth.Room] = append(s.rooms[auth.Room], c.conn)
	s.mu.Unlock()
	_, err = c.conn.Write(frame(`40{"sid":"control"}`))
	return auth.Room, err
}

// maskedText reads a text message of a client whose mask is zero, as that of
// client is.
func (c *client) maskedText() ([]byte, error) {
	h, err := c.in.Peek(2)
	if err != nil {
		return nil, err
	}
	size, long := int(h[1]&^masked), 6
	if size == 126 {
		if h, err = c.in.Peek(4); err != nil {
			return nil, err
		}
		size, long = int(h[2])<<8|int(h[3]), 8
	}
	if size == 127 || size+long > c.in.Size() {
		return nil, errors.New("the control takes short messages only")
	}
	all, err := c.in.Peek(size + long)
	if err != nil {
		return nil, err
	}
	text := bytes.Clone(all[long:])
	return text, c.skip(size + long)
}

// frame is a text message of a server.
func frame(text string) []byte {
	if len(text) < 126 {
		return append([]byte{final | opText, byte(len(text))}, text...)
	}
	return append([]byte{final | opText, 126, byte(len(text) >> 8), byte(len(text))}, text...)
}

// direct starts the control, which has no Redis and needs none; one runs beside
// it, idle, so that all measurements are alike.
func direct() (*servers, error) {
	s := &servers{namespace: func(string) string { return "" }}
	var err error
	if s.redis, err = fleet.StartRedis(pinned...); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.redis.Kill)
	self, err := os.Executable()
	if err == nil {
		err = s.startPeer(func(address string) *exec.Cmd {
			command := append(pinned[1:len(pinned):len(pinned)], self, controlFlag, address)
			return exec.Command(pinned[0], command...)
		})
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("the control: %w", err)
	}
	return s, nil
}

// controlAddress is what follows controlFlag in the program's arguments.
func controlAddress(args []string) (string, bool) {
	if len(args) == 2 && strings.TrimLeft(args[0], "-") == strings.TrimLeft(controlFlag, "-") {
		return args[1], true
	}
	return "", false
}
