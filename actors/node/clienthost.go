package node

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// What a client of a gateway is to its handlers: actors.ClientHost, and the
// rooms behind it.

// Info implements actors.ClientHost.
func (c *client) Info() *actors.ClientDetails {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// Context implements actors.ClientHost.
func (c *client) Context() context.Context { return c.ctx }

// Trace implements actors.ClientHost.
func (c *client) Trace() actors.Trace { return c.trace.now() }

// Rooms implements actors.ClientHost.
func (c *client) Rooms() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	rooms := []string{c.id}
	for _, r := range c.rooms {
		if !hidden(r) {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

// Join implements actors.ClientHost.
func (c *client) Join(ctx context.Context, rooms []string, data json.RawMessage) error {
	for _, room := range rooms {
		if err := c.gw.node.validRoom(room); err != nil {
			return err
		}
		if !c.mayJoin(room) {
			return actors.Errorf(actors.CodeForbidden, "the credential does not allow to join this room")
		}
	}
	if err := c.share(ctx, data); err != nil {
		return err
	}
	for _, room := range rooms {
		if err := c.enter(ctx, room); err != nil {
			return err
		}
		c.gw.keep(c, room, true)
	}
	return nil
}

func (c *client) mayJoin(room string) bool {
	details := c.Info()
	return details.Identity.Grants.InRoom(details.Namespace, room).May(actors.OpJoin)
}

// share notes what the data has become, and tells the client's hidden rooms.
func (c *client) share(ctx context.Context, data json.RawMessage) error {
	c.mu.Lock()
	same := data == nil || bytes.Equal(c.data, data)
	if !same {
		c.data = data
	}
	rooms := slices.Clone(c.rooms)
	c.mu.Unlock()
	for _, room := range rooms {
		if !same && hidden(room) {
			if err := c.enter(ctx, room); err != nil {
				return err
			}
		}
	}
	return nil
}

var errGone = actors.Errorf(actors.CodeNotFound, "the client has gone")

// hubEnter is what a room is told of the client. mu is held.
func (c *client) hubEnter() *wire.HubEnter {
	e := &wire.HubEnter{Client: c.id, Conn: wire.ConnRef{Node: c.gw.node.id}, User: c.details.Identity.Subject, Data: c.data}
	if c.conn != nil {
		e.Conn.ID = c.conn.id
	}
	return e
}

// entry is what takes the client into a room once more; nil if it is not in it.
func (c *client) entry(room string) *wire.HubEnter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.roomless || !slices.Contains(c.rooms, room) {
		return nil
	}
	return c.hubEnter()
}

func (c *client) enter(ctx context.Context, room string) error {
	c.mu.Lock()
	e := c.hubEnter()
	if c.roomless {
		c.mu.Unlock()
		return errGone
	}
	if !slices.Contains(c.rooms, room) {
		c.rooms = append(c.rooms, room) // so that it is left even if the answer does not come
	}
	c.mu.Unlock()
	_, err := c.gw.node.askHub(ctx, c.details.Namespace, room, e)
	return err
}

// Leave implements actors.ClientHost.
func (c *client) Leave(ctx context.Context, rooms []string) error {
	for _, room := range rooms {
		c.mu.Lock()
		i := slices.Index(c.rooms, room)
		if i >= 0 {
			c.rooms = slices.Delete(c.rooms, i, i+1)
		}
		c.mu.Unlock()
		if i < 0 || hidden(room) {
			continue
		}
		c.gw.keep(c, room, false)
		if _, err := c.gw.node.askHub(ctx, c.details.Namespace, room, c.exit()); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) exit() *wire.HubExit {
	return &wire.HubExit{Client: c.id, Conn: wire.ConnRef{Node: c.gw.node.id}}
}

// leaveRooms leaves every room, without waiting for the answers.
func (c *client) leaveRooms() {
	c.mu.Lock()
	rooms := c.rooms
	c.rooms, c.roomless = nil, true
	c.mu.Unlock()
	for _, room := range rooms {
		c.gw.node.tellHub(c.details.Namespace, room, c.exit())
	}
}

// Disconnect implements actors.ClientHost.
func (c *client) Disconnect(closeTransport bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == clientLeaving || c.state == clientMoving {
		return
	}
	d := wire.GateDetach{Client: c.id, Disconnect: true}
	if closeTransport {
		d = wire.GateDetach{Client: c.id, Close: actors.ReasonKicked}
	}
	if c.conn != nil { // before the client is told, which may come again at once
		c.gw.node.send(c.conn.pid, clientGone{c.details.Namespace, c.id})
	}
	c.dismiss(d)
	c.leave(actors.ReasonKicked)
}
