package node

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// gateway serves one actors.Gateway. It implements actors.GatewayHost.
type gateway struct {
	node     *Node
	behavior actors.GatewayBehavior
	config   actors.GatewayConfig
	sessions sessions
	kept     keptRooms
}

func newGateway(n *Node, b actors.GatewayBehavior) *gateway {
	return &gateway{node: n, behavior: b, config: b.Config()}
}

// gateway finds the gateway of a namespace: an exact name before a pattern.
func (n *Node) gateway(namespace string) *gateway {
	for _, g := range n.gateways {
		if g.behavior.Namespace() == namespace {
			return g
		}
	}
	if ref, err := actors.ParseRoom(namespace); err == nil && n.kinds[ref.Kind] != nil {
		return nil
	}
	for _, g := range n.gateways {
		if g.behavior.Serves(namespace) {
			return g
		}
	}
	return nil
}

// open starts a client on a connection, or gives one that is away back.
func (g *gateway) open(namespace string, conn *connection, j *wire.Join) *client {
	if old := g.sessions.get(j.PID); old != nil && old.details.Identity.Subject == j.Identity.Subject && old.details.Namespace == namespace {
		if old.resume(conn, j) {
			return old
		}
	}
	n := g.node
	c := &client{gw: g, id: n.id + newID(), conn: conn}
	c.shard = n.gateShard(c.id)
	c.details = actors.ClientDetails{ID: c.id, Namespace: namespace, Identity: j.Identity, Auth: j.Auth, Handshake: j.Handshake}
	c.identify(&c.details)
	c.ctx, c.cancel = context.WithCancel(n.ctx)
	c.user = g.behavior.NewClient(c)
	attach := wire.GateAttach{Client: c.id, Conn: wire.ConnRef{Node: n.id, ID: conn.id}}
	if g.config.RecoverWithin > 0 {
		c.pid = newID()
		attach.PID, attach.RecoverEvents, attach.RecoverBytes = c.pid, g.config.RecoverEvents, g.config.RecoverBytes
		g.sessions.put(c.pid, c)
	}
	n.clients.Store(c.id, c)
	n.liveClients.Add(1)
	c.tell(attach)
	c.push(job{run: c.connect})
	return c
}

// Gateway implements connection.Directory.
func (n *Node) Gateway(namespace string) bool { return n.gateway(namespace) != nil }

// gateShard is the fan-out shard that knows a client, wherever it reconnects.
func (n *Node) gateShard(client string) *fan { return n.fans[n.hash(client)%uint64(len(n.fans))] }

// deliverGate hands items to every shard of this node.
func (n *Node) deliverGate(d *wire.GateDeliver) {
	d.Prepare()
	for _, f := range n.fans {
		n.send(f.pid, d)
	}
}

// hidden rooms are the runtime's own: they are not among a client's rooms.
func hidden(room string) bool { return strings.HasPrefix(room, "\x00") }

func userRoom(user string) string { return "\x00user:" + user }

// validRoom says whether a client may enter a room of this name.
func (n *Node) validRoom(room string) error {
	if room == "" || len(room) > 256 || strings.IndexByte(room, 0) >= 0 {
		return actors.Errorf(actors.CodeBadRoom, "a room's name has 1 to 256 bytes and no NUL")
	}
	if n.isClientID(room) {
		return actors.Errorf(actors.CodeBadRoom, "a client's id names the room of that client alone")
	}
	return nil
}

func (n *Node) isClientID(s string) bool { return len(s) == len(n.id)+22 && strings.HasPrefix(s, n.id) }

// addressed returns the rooms that to names, each once, those of users
// included; nil for everyone in the namespace.
func addressed(to *actors.Multicast) []string {
	if to.Rooms == nil && to.Users == nil {
		return nil
	}
	rooms := slices.Concat([]string{}, to.Rooms)
	for _, u := range to.Users {
		rooms = append(rooms, userRoom(u))
	}
	slices.Sort(rooms)
	return slices.Compact(rooms)
}

// Emit implements actors.GatewayHost.
func (g *gateway) Emit(to *actors.Multicast) error {
	g.emit(to, 0)
	return nil
}

// emit sends an event on its way and returns how many hubs and shards will
// report whom they asked, if ask is not zero.
func (g *gateway) emit(to *actors.Multicast, ask uint64) (hubs []string, shards int) {
	n := g.node
	rooms := addressed(to)
	item := wire.GateEmit{Except: to.Except, Data: to.Data, Volatile: to.Volatile, AskID: ask}
	if rooms == nil {
		item.Scope = wire.ScopeNamespace
		n.deliverGate(&wire.GateDeliver{Namespace: to.Namespace, Items: []wire.GateItem{item}})
		return nil, len(n.fans)
	}
	if len(rooms) > 1 {
		item.EmitID = n.emitID.Add(1)
	}
	local := ""
	if to.Local {
		local = n.id
	}
	for _, room := range rooms {
		if n.isClientID(room) {
			direct := item
			direct.Scope, direct.Room = wire.ScopeClient, room
			d := &wire.GateDeliver{Namespace: to.Namespace, Items: []wire.GateItem{direct}}
			d.Prepare()
			n.send(n.gateShard(room).pid, d)
			shards++
			continue
		}
		e := &wire.HubEmit{
			Except: to.Except, Data: to.Data, Volatile: to.Volatile, EmitID: item.EmitID,
			AskID: ask, Local: local, From: wire.ConnRef{Node: n.id},
		}
		if ask != 0 {
			hubs = append(hubs, room)
			continue // asked with an answer
		}
		n.tellHub(to.Namespace, room, e)
	}
	if ask != 0 {
		g.emitAsking(to, hubs, item, local)
	}
	return hubs, shards
}

// emitAsking sends an event that asks for acknowledgements to hubs, each of
// which reports where it went.
func (g *gateway) emitAsking(to *actors.Multicast, hubs []string, item wire.GateEmit, local string) {
	n := g.node
	for _, room := range hubs {
		e := &wire.HubEmit{
			Except: to.Except, Data: to.Data, Volatile: to.Volatile, EmitID: item.EmitID,
			AskID: item.AskID, Local: local, From: wire.ConnRef{Node: n.id},
		}
		n.beside.Go(func() {
			done, err := n.askHub(n.ctx, to.Namespace, room, e)
			shards := 0
			if err == nil {
				shards = len(done.Nodes) * len(n.fans)
			}
			n.asks.expect(item.AskID, -1, shards)
		})
	}
}

// Ask implements actors.GatewayHost.
func (g *gateway) Ask(ctx context.Context, to *actors.Multicast, timeout time.Duration) ([]actors.ClientAnswer, error) {
	n := g.node
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	a := n.asks.open()
	defer n.asks.close(a)
	n.asks.expect(a.id, 1, 0) // not complete before everything is on its way
	hubs, shards := g.emit(to, a.id)
	n.asks.expect(a.id, len(hubs)-1, shards)
	select {
	case <-a.done:
		return n.asks.result(a), nil
	case <-ctx.Done():
	}
	answers := n.asks.result(a)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return answers, actors.Errorf(actors.CodeTimeout, "not everybody answered within %v", timeout)
	}
	return answers, ctx.Err()
}

// Members implements actors.GatewayHost.
func (g *gateway) Members(ctx context.Context, to *actors.Multicast) ([]actors.ClientInfo, error) {
	except := make(map[string]bool)
	for _, name := range to.Except {
		except[name] = true
		out, err := g.list(ctx, to.Namespace, []string{name})
		if err != nil {
			return nil, err
		}
		for _, info := range out {
			except[info.ID] = true
		}
	}
	all, err := g.list(ctx, to.Namespace, addressed(to))
	found := make([]actors.ClientInfo, 0, len(all))
	for _, info := range all {
		if !except[info.ID] {
			except[info.ID] = true
			found = append(found, info)
		}
	}
	return found, err
}

// list returns the members of rooms; of nil, everybody in the namespace.
func (g *gateway) list(ctx context.Context, namespace string, rooms []string) ([]actors.ClientInfo, error) {
	n := g.node
	var all []actors.ClientInfo
	if rooms == nil {
		n.clients.Range(func(_, v any) bool {
			if c := v.(*client); c.details.Namespace == namespace && c.accepted() {
				all = append(all, c.info())
			}
			return true
		})
		return all, nil
	}
	for _, room := range rooms {
		if n.isClientID(room) {
			if v, ok := n.clients.Load(room); ok && v.(*client).details.Namespace == namespace {
				all = append(all, v.(*client).info())
			}
			continue
		}
		done, err := n.askHub(ctx, namespace, room, &wire.HubList{})
		if err != nil {
			return nil, err
		}
		for _, info := range done.Members {
			if v, ok := n.clients.Load(info.ID); ok {
				info.Rooms = v.(*client).Rooms()
			}
			all = append(all, info)
		}
	}
	return all, nil
}

func (c *client) accepted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == clientLive || c.state == clientAway
}

func (c *client) info() actors.ClientInfo {
	rooms := c.Rooms()
	c.mu.Lock()
	defer c.mu.Unlock()
	return actors.ClientInfo{ID: c.id, UserID: c.details.Identity.Subject, Rooms: rooms, Data: c.data, Node: c.gw.node.id}
}

// each calls f for the addressed clients.
func (g *gateway) each(ctx context.Context, to *actors.Multicast, f func(*client) error) error {
	infos, err := g.Members(ctx, to)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if v, ok := g.node.clients.Load(info.ID); ok {
			if err := f(v.(*client)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Move implements actors.GatewayHost.
func (g *gateway) Move(ctx context.Context, to *actors.Multicast, join, leave []string) error {
	return g.each(ctx, to, func(c *client) error {
		if err := c.Join(ctx, join, nil); err != nil && !errors.Is(err, errGone) {
			return err
		}
		return c.Leave(ctx, leave)
	})
}

// Disconnect implements actors.GatewayHost.
func (g *gateway) Disconnect(ctx context.Context, to *actors.Multicast, closeTransport bool) error {
	return g.each(ctx, to, func(c *client) error {
		c.Disconnect(closeTransport)
		return nil
	})
}

// ServerEmit implements actors.GatewayHost. There is no other node yet that
// could answer.
func (g *gateway) ServerEmit(context.Context, string, string, actors.Raw) ([]json.RawMessage, error) {
	return nil, nil
}

// sessions finds clients that may recover by their pid.
type sessions struct {
	mu    sync.Mutex // guards byPID
	byPID map[string]*client
}

func (s *sessions) get(pid string) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byPID[pid]
}

func (s *sessions) put(pid string, c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byPID == nil {
		s.byPID = make(map[string]*client)
	}
	s.byPID[pid] = c
}

func (s *sessions) remove(pid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byPID, pid)
}

// keptRooms remembers the rooms of users.
type keptRooms struct {
	mu    sync.Mutex // guards rooms
	rooms map[[2]string][]string
}

func (k *keptRooms) of(namespace, user string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.rooms[[2]string{namespace, user}])
}

// keep notes that a client's user has entered or left a room.
func (g *gateway) keep(c *client, room string, in bool) {
	user := c.details.Identity.Subject
	if !g.config.KeepRooms || user == "" || hidden(room) {
		return
	}
	k, key := &g.kept, [2]string{c.details.Namespace, user}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rooms == nil {
		k.rooms = make(map[[2]string][]string)
	}
	rooms := slices.DeleteFunc(k.rooms[key], func(r string) bool { return r == room })
	if in {
		rooms = append(rooms, room)
	}
	if len(rooms) == 0 {
		delete(k.rooms, key)
		return
	}
	k.rooms[key] = rooms
}
