package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// User is what the chat knows of a client. Its JSON is what presence shows.
type User struct {
	Person
	pace pace
}

// Client is a connection to the chat.
type Client = actors.Client[User]

// Chat is the gateway "/chat" with what its clients share.
type Chat struct {
	*actors.Gateway[User]
	history History
	jobs    *Jobs
	now     func() time.Time
}

// NewChat returns the gateway. Summaries are handed to jobs.
func NewChat(jobs *Jobs) *Chat {
	c := &Chat{
		Gateway: actors.NewGateway[User]("/chat", actors.GatewayConfig{RecoverWithin: 30 * time.Second}),
		jobs:    jobs, now: time.Now,
	}
	c.Guard(c.allow)
	c.OnConnect(c.connected)
	c.OnDisconnect(c.disconnected)
	actors.Handle(c.Gateway, "joinRoom", c.joinRoom)
	actors.Handle(c.Gateway, "leaveRoom", c.leaveRoom)
	actors.Handle(c.Gateway, "message", c.message)
	actors.Handle(c.Gateway, "file", c.file)
	actors.Handle(c.Gateway, "typing", c.typing)
	actors.Handle(c.Gateway, "summarise", c.summarise)
	return c
}

// allow is the guard of connecting and of every event: the token must be
// valid at that moment, not only when the client connected.
func (c *Chat) allow(_ context.Context, cl *Client, _ string) error {
	if c.now().After(cl.Identity().Expires) {
		return actors.Errorf(actors.CodeTokenExpired, "the token has expired")
	}
	return nil
}

// connected takes a client in. No event of it is handled before.
func (c *Chat) connected(ctx context.Context, cl *Client) error {
	if cl.Recovered() {
		return nil // it has its rooms and its data, and is sent what it missed
	}
	id := cl.Identity()
	if err := json.Unmarshal(id.Claims, &cl.Data.Person); err != nil {
		return err
	}
	cl.Data.ID = id.Subject
	return c.enter(ctx, cl, lobby)
}

// disconnected runs once for everyone who was connected. Nothing is left to
// be cleaned up: rooms forget the client by themselves.
func (c *Chat) disconnected(ctx context.Context, cl *Client, _ actors.LeaveReason) {
	for _, room := range cl.Rooms()[1:] {
		_ = c.farewell(ctx, cl, room)
	}
}

// joinRoom is acknowledged with who is there and what was said.
func (c *Chat) joinRoom(ctx context.Context, cl *Client, in RoomName) (Entered, error) {
	if !slices.Contains(cl.Rooms(), in.Room) {
		if err := c.enter(ctx, cl, in.Room); err != nil {
			return Entered{}, err
		}
	}
	people, err := c.people(ctx, in.Room)
	return Entered{Presence{in.Room, people}, c.history.Of(in.Room)}, err
}

// enter joins a room and tells those who are there, unless the user was there
// already with another connection.
func (c *Chat) enter(ctx context.Context, cl *Client, room string) error {
	before, err := c.people(ctx, room)
	if err != nil {
		return err
	}
	if err := cl.Join(ctx, room); err != nil {
		return err
	}
	if slices.Contains(before, cl.Data.Person) {
		return nil
	}
	if err := cl.To(room).Emit("userJoined", Moved{room, cl.Data.Person}); err != nil {
		return err
	}
	return c.announce(ctx, room)
}

func (c *Chat) leaveRoom(ctx context.Context, cl *Client, in RoomName) (any, error) {
	if in.Room == lobby {
		return nil, actors.Errorf(actors.CodeForbidden, "everybody stays in %s", lobby)
	}
	if err := c.member(cl, in.Room); err != nil {
		return nil, err
	}
	if err := cl.Leave(ctx, in.Room); err != nil {
		return nil, err
	}
	return nil, c.farewell(ctx, cl, in.Room)
}

// farewell tells a room that a user has left, unless another of its
// connections is still there.
func (c *Chat) farewell(ctx context.Context, cl *Client, room string) error {
	people, err := c.people(ctx, room, cl.ID())
	if err != nil || slices.Contains(people, cl.Data.Person) {
		return err
	}
	if err := cl.To(room).Emit("userLeft", Moved{room, cl.Data.Person}); err != nil {
		return err
	}
	return cl.To(room).Emit("presence", Presence{room, people})
}

// message goes to the members of a room only, and only from one of them. Who
// said it is the server's word, whatever the client sent.
func (c *Chat) message(_ context.Context, cl *Client, in Message) (Said, error) {
	return c.say(cl, Said{Room: in.Room, Text: strings.TrimSpace(in.Text)})
}

func (c *Chat) file(_ context.Context, cl *Client, in File) (int64, error) {
	m, err := c.say(cl, Said{Room: in.Room, Type: in.Type, File: in.File})
	return m.ID, err
}

func (c *Chat) say(cl *Client, m Said) (Said, error) {
	if err := c.member(cl, m.Room); err != nil {
		return Said{}, err
	}
	if !cl.Data.pace.take(c.now()) {
		return Said{}, actors.Errorf(actors.CodeRateLimited, "not so fast")
	}
	m.User, m.At = cl.Data.Person, c.now().UnixMilli()
	err := c.history.Add(&m, func(m Said) error { return c.To(m.Room).Emit("message", m) })
	return m, err
}

// typing is volatile: who lags misses it and nothing of value is lost.
func (c *Chat) typing(_ context.Context, cl *Client, in Typing) (any, error) {
	if err := c.member(cl, in.Room); err != nil {
		return nil, err
	}
	in.User = &cl.Data.Person
	return nil, cl.To(in.Room).Volatile().Emit("typing", in)
}

// summarise starts a background job; its result comes as a notification, to
// every connection that the user then has.
func (c *Chat) summarise(_ context.Context, cl *Client, in RoomName) (any, error) {
	if err := c.member(cl, in.Room); err != nil {
		return nil, err
	}
	return nil, c.jobs.Add(Job{User: cl.Data.ID, Room: in.Room, Messages: c.history.Of(in.Room)})
}

func (c *Chat) member(cl *Client, room string) error {
	if room == "" || !slices.Contains(cl.Rooms()[1:], room) {
		return actors.Errorf(actors.CodeForbidden, "join %q first", room)
	}
	return nil
}

// announce tells a room who is in it.
func (c *Chat) announce(ctx context.Context, room string) error {
	people, err := c.people(ctx, room)
	if err != nil {
		return err
	}
	return c.To(room).Emit("presence", Presence{room, people})
}

// people lists the users in a room, each once, without the clients given.
func (c *Chat) people(ctx context.Context, room string, without ...string) ([]Person, error) {
	members, err := c.To(room).Except(without...).Members(ctx)
	people := []Person{}
	for _, m := range members {
		var p Person
		if json.Unmarshal(m.Data, &p) == nil && !slices.Contains(people, p) {
			people = append(people, p)
		}
	}
	return people, err
}
