package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// client is a Socket.IO client over WebSocket that costs next to nothing: it
// looks at the beginning of a packet and skips the rest, because the machine is
// to be left to the servers.
type client struct {
	conn      net.Conn
	in        *bufio.Reader
	namespace string // as it stands in packets, "/kind/id,"; empty is the main one

	mu sync.Mutex // held while a frame is written

	deliveries atomic.Uint64
	late       atomic.Uint64 // of the sampled ones, those that took longer than patience
	sampling   *atomic.Bool  // of all clients: keep delays

	ended  chan struct{}   // closed when nothing more is read
	delays []time.Duration // of a sixteenth of the deliveries; read after ended is closed
	err    error           // likewise; what ended it
}

// dial connects and enters a room, which both the namespace and the payload
// name, within the time of joinWithin.
func dial(address, namespace, room string, sampling *atomic.Bool) (*client, error) {
	conn, err := net.DialTimeout("tcp", address, joinWithin)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, 4<<10), namespace: namespace, sampling: sampling, ended: make(chan struct{})}
	_ = conn.SetDeadline(time.Now().Add(joinWithin))
	if err := c.enter(address, room); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("enter %s at %s: %w", room, address, err)
	}
	_ = conn.SetDeadline(time.Time{})
	go c.read() // close waits for it
	return c, nil
}

// joinWithin bounds how long it may take to be in a room.
const joinWithin = 20 * time.Second

func (c *client) enter(address, room string) error {
	_, err := fmt.Fprintf(c.conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", address)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // a WebSocket has none, and a refusal ends the connection
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(resp.Status)
	}
	for {
		head, size, err := c.packet()
		if err != nil {
			return err
		}
		switch {
		case bytes.HasPrefix(head, []byte("0")):
			err = c.send("40" + c.namespace + `{"room":"` + room + `"}`)
		case bytes.HasPrefix(head, []byte("44")):
			err = fmt.Errorf("refused: %s", head)
		case bytes.HasPrefix(head, []byte("40")):
			return c.skip(size)
		}
		if err := errors.Join(err, c.skip(size)); err != nil {
			return err
		}
	}
}

// errClosed says that the server closed the WebSocket.
var errClosed = errors.New("the server closed")

// WebSocket frames, RFC 6455 section 5.2. Servers send short messages whole.
const (
	opText  = 1
	opClose = 8
	final   = 0x80
	masked  = 0x80
)

// packet returns the beginning of the next text message, which is valid until
// skip, and the size of all of it.
func (c *client) packet() (head []byte, size int, err error) {
	for {
		h, err := c.in.Peek(2)
		if err != nil {
			return nil, 0, err
		}
		op, size, long := h[0]&0x0f, int(h[1]), 2
		switch size {
		case 126:
			long = 4
		case 127:
			long = 10
		}
		if h, err = c.in.Peek(long); err != nil {
			return nil, 0, err
		}
		switch long {
		case 4:
			size = int(binary.BigEndian.Uint16(h[2:]))
		case 10:
			size = int(binary.BigEndian.Uint64(h[2:]))
		}
		if err := c.skip(long); err != nil {
			return nil, 0, err
		}
		switch op {
		case opText:
			head, err = c.in.Peek(min(size, c.in.Size()))
			return head, size, err
		case opClose:
			return nil, 0, errClosed
		}
		if err := c.skip(size); err != nil {
			return nil, 0, err
		}
	}
}

func (c *client) skip(n int) error {
	_, err := c.in.Discard(n)
	return err
}

// read counts deliveries and answers pings until the connection ends.
func (c *client) read() {
	defer close(c.ended)
	event := []byte("42" + c.namespace + `["m","`)
	for {
		head, size, err := c.packet()
		if err == nil {
			switch {
			case bytes.HasPrefix(head, event):
				c.delivered(head[len(event):])
			case size == 1 && head[0] == '2':
				err = c.send("3")
			}
		}
		if err = errors.Join(err, c.skip(size)); err != nil {
			c.err = err
			return
		}
	}
}

// stampDigits is how long the time is that a payload begins with, in
// nanoseconds since 1970.
const stampDigits = 19

// sampled is how many deliveries one is looked at of.
const sampled = 16

// patience is how long a delivery may take where servers are asked how much they
// hold.
const patience = 100 * time.Millisecond

func (c *client) delivered(payload []byte) {
	if n := c.deliveries.Add(1); n%sampled != 0 || !c.sampling.Load() || len(payload) < stampDigits {
		return
	}
	if sent, err := strconv.ParseInt(string(payload[:stampDigits]), 10, 64); err == nil {
		delay := time.Duration(time.Now().UnixNano() - sent)
		if c.delays = append(c.delays, delay); delay > patience {
			c.late.Add(1)
		}
	}
}

// publish sends an event of about 100 bytes to the others of the room.
func (c *client) publish() error {
	return c.send("42" + c.namespace + `["m","` + strconv.FormatInt(time.Now().UnixNano(), 10) + padding + `"]`)
}

const padding = "................................................................................."

// send writes a text message. The mask is zero, so that nothing is to be done
// for it here; servers unmask as ever.
func (c *client) send(text string) error {
	frame := make([]byte, 0, len(text)+8)
	if len(text) < 126 {
		frame = append(frame, final|opText, masked|byte(len(text)))
	} else {
		frame = append(frame, final|opText, masked|126, byte(len(text)>>8), byte(len(text)))
	}
	frame = append(frame, 0, 0, 0, 0)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.conn.Write(append(frame, text...))
	return err
}

// close ends the connection and returns what had ended it before, if anything.
func (c *client) close() error {
	before := false
	select {
	case <-c.ended:
		before = true
	default:
	}
	_ = c.conn.Close()
	<-c.ended
	if before && !errors.Is(c.err, io.EOF) {
		return c.err
	}
	if before {
		return errClosed
	}
	return nil
}
