package node

import (
	"context"
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
	c := g.newClient(n.id+newID(), namespace, conn, j)
	attach := wire.GateAttach{Client: c.id, Conn: wire.ConnRef{Node: n.id, ID: conn.id}}
	if g.config.RecoverWithin > 0 {
		c.pid = newID()
		attach.PID, attach.RecoverEvents, attach.RecoverBytes = c.pid, g.config.RecoverEvents, g.config.RecoverBytes
		g.sessions.put(c.pid, c)
	}
	n.clients.Store(c.id, c)
	n.liveClients.Add(1)
	c.tell(attach)
	c.push(job{run: func() { c.connect(j) }})
	return c
}

// newClient returns a client that nobody knows yet.
func (g *gateway) newClient(id, namespace string, conn *connection, j *wire.Join) *client {
	n := g.node
	c := &client{gw: g, id: id, conn: conn}
	c.shard = n.gateShard(c.id)
	c.details = actors.ClientDetails{ID: c.id, Namespace: namespace, Identity: j.Identity, Auth: j.Auth, Handshake: j.Handshake}
	c.identify(&c.details)
	c.ctx, c.cancel = context.WithCancel(n.ctx)
	c.user = g.behavior.NewClient(c)
	return c
}

// Gateway implements connection.Directory.
func (n *Node) Gateway(namespace string) bool { return n.gateway(namespace) != nil }

// gateShard is the fan-out shard that knows a client, wherever it reconnects.
func (n *Node) gateShard(client string) *fan { return n.fans[n.hash(client)%uint64(len(n.fans))] }

// hidden rooms are the runtime's own: they are not among a client's rooms.
func hidden(room string) bool { return strings.HasPrefix(room, "\x00") }

func userRoom(user string) string { return "\x00user:" + user }

// validRoom says whether a client may enter a room of this name.
func (n *Node) validRoom(room string) error {
	if room == "" || len(room) > 256 || strings.IndexByte(room, 0) >= 0 {
		return actors.Errorf(actors.CodeBadRoom, "a room's name has 1 to 256 bytes and no NUL")
	}
	if n.nodeOf(room) != "" {
		return actors.Errorf(actors.CodeBadRoom, "a client's id names the room of that client alone")
	}
	return nil
}

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
	g.emit(to, 0, 0)
	return nil
}

// emit sends an event on its way and returns how many hubs will say to which
// nodes they sent it, and which nodes will report, each once per delivery, if
// ask is not zero.
func (g *gateway) emit(to *actors.Multicast, ask uint64, wait time.Duration) (hubs []string, nodes []string) {
	n := g.node
	rooms := addressed(to)
	item := wire.GateEmit{Except: to.Except, Data: to.Data, Volatile: to.Volatile, AskID: ask, AskFor: wait, From: n.id}
	if rooms == nil {
		return nil, n.emitToAll(to, item)
	}
	if len(rooms) > 1 {
		item.EmitID = n.emitID.Add(1)
	}
	var also []string // hubs of clients whose nodes are asked
	for _, room := range rooms {
		if node := n.nodeOf(room); node != "" {
			if to.Local && node != n.id {
				continue
			}
			direct := item
			direct.Scope, direct.Room = wire.ScopeClient, room
			n.deliverGateTo(node, &wire.GateDeliver{Namespace: to.Namespace, Items: []wire.GateItem{direct}, Trace: to.Trace})
			nodes = append(nodes, node)
			if ask == 0 || n.isHere(room) || !n.clustered() {
				continue // a node that the client has left passes it on
			}
			room = clientRoom(room)
			if ask != 0 {
				also = append(also, room)
				continue
			}
		} else if isClientID(room) && n.clustered() { // of a client that has outlived its first node
			if ask != 0 {
				hubs = append(hubs, clientRoom(room))
			} else {
				n.tellHub(to.Namespace, clientRoom(room), g.hubEmit(to, item))
			}
		}
		if ask != 0 {
			hubs = append(hubs, room)
			continue // asked with an answer
		}
		n.tellHub(to.Namespace, room, g.hubEmit(to, item))
	}
	if ask != 0 {
		g.emitAsking(to, hubs, item, true)
		g.emitAsking(to, also, item, false)
	}
	return append(hubs, also...), nodes
}

// emitToAll sends an event to every client of the namespace, and returns the
// nodes it went to. Each node is sent these events in the order of their
// numbers; those that not every node is sent have none.
func (n *Node) emitToAll(to *actors.Multicast, item wire.GateEmit) (nodes []string) {
	item.Scope = wire.ScopeNamespace
	nodes = []string{n.id}
	n.toAll.Lock()
	defer n.toAll.Unlock()
	if !to.Local {
		nodes = append(nodes, n.others()...)
		if !to.Volatile {
			n.toAllPos++
			item.Pos = n.toAllPos
		}
	}
	for _, node := range nodes { // one message for each, with a slice of its own: it is prepared there
		n.deliverGateTo(node, &wire.GateDeliver{Namespace: to.Namespace, Items: []wire.GateItem{item}, Trace: to.Trace})
	}
	return nodes
}

func (g *gateway) hubEmit(to *actors.Multicast, item wire.GateEmit) *wire.HubEmit {
	e := &wire.HubEmit{
		Except: to.Except, Data: to.Data, Volatile: to.Volatile, EmitID: item.EmitID,
		AskID: item.AskID, AskFor: item.AskFor, From: wire.ConnRef{Node: g.node.id},
		Trace: to.Trace,
	}
	if to.Local {
		e.Local = g.node.id
	}
	return e
}

// emitAsking sends an event that asks for acknowledgements to hubs, each of
// which reports where it went. If one that is the way to clients cannot be
// reached, not everybody was asked.
func (g *gateway) emitAsking(to *actors.Multicast, hubs []string, item wire.GateEmit, theWay bool) {
	n := g.node
	for _, room := range hubs {
		e := g.hubEmit(to, item)
		n.beside.Go(func() {
			done, err := n.askHub(n.ctx, to.Namespace, room, e)
			if err != nil {
				n.asks.with(item.AskID, func(a *ask) {
					if a.hubs--; theWay {
						a.unreached()
					}
				})
				return
			}
			n.asks.expect(item.AskID, -1, done.Nodes...)
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
	n.asks.expect(a.id, 1) // not complete before everything is on its way
	hubs, nodes := g.emit(to, a.id, timeout)
	n.asks.expect(a.id, len(hubs)-1, nodes...)
	select {
	case <-a.done:
		return n.asks.result(a)
	case <-ctx.Done():
	}
	answers, _ := n.asks.result(a)
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
	if rooms == nil {
		return n.clientsEverywhere(ctx, namespace)
	}
	var all []actors.ClientInfo
	for _, room := range rooms {
		if node := n.nodeOf(room); node != "" {
			infos, err := n.clientsOf(ctx, node, &wire.ClientsList{Namespace: namespace, IDs: []string{room}})
			if err != nil {
				return nil, err
			}
			all = append(all, infos...)
			if len(infos) > 0 || !n.clustered() {
				continue
			}
			room = clientRoom(room) // it may have moved
		} else if isClientID(room) && n.clustered() {
			if infos, err := g.list(ctx, namespace, []string{clientRoom(room)}); err != nil {
				return nil, err
			} else if len(infos) > 0 {
				all = append(all, infos...)
				continue
			}
		}
		done, err := n.askHub(ctx, namespace, room, &wire.HubList{})
		if err != nil {
			return nil, err
		}
		infos, err := n.withRooms(ctx, namespace, done.Members)
		if err != nil {
			return nil, err
		}
		all = append(all, infos...)
	}
	return all, nil
}

// withRooms fills in what only the clients' own nodes know. Those that have
// gone meanwhile stay without.
func (n *Node) withRooms(ctx context.Context, namespace string, infos []actors.ClientInfo) ([]actors.ClientInfo, error) {
	rooms := make(map[string][]string, len(infos))
	for node, ids := range byNode(infos) {
		known, err := n.clientsOf(ctx, node, &wire.ClientsList{Namespace: namespace, IDs: ids})
		if err != nil && (node == n.id || n.peer(node) != nil) {
			return nil, err
		}
		for _, info := range known {
			rooms[info.ID] = info.Rooms
		}
	}
	for i := range infos {
		infos[i].Rooms = rooms[infos[i].ID]
	}
	return infos, nil
}

func byNode(infos []actors.ClientInfo) map[string][]string {
	nodes := make(map[string][]string)
	for _, info := range infos {
		nodes[info.Node] = append(nodes[info.Node], info.ID)
	}
	return nodes
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

// each has every node do something to those of its clients that are addressed:
// this one by here, others by op.
func (g *gateway) each(ctx context.Context, to *actors.Multicast, here func(*client) error, op func(ids []string) wire.NodeOp) error {
	n := g.node
	infos, err := g.Members(ctx, to)
	if err != nil {
		return err
	}
	for node, ids := range byNode(infos) {
		if node != n.id {
			if _, err := n.askNode(ctx, node, op(ids)); err != nil && n.peer(node) != nil {
				return err
			}
			continue
		}
		for _, c := range n.local(to.Namespace, ids) {
			if err := here(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// Move implements actors.GatewayHost.
func (g *gateway) Move(ctx context.Context, to *actors.Multicast, join, leave []string) error {
	return g.each(ctx, to, func(c *client) error { return c.move(ctx, join, leave) }, func(ids []string) wire.NodeOp {
		return &wire.ClientsMove{Namespace: to.Namespace, IDs: ids, Join: join, Leave: leave}
	})
}

func (c *client) move(ctx context.Context, join, leave []string) error {
	if err := c.Join(ctx, join, nil); err != nil && !errors.Is(err, errGone) {
		return err
	}
	return c.Leave(ctx, leave)
}

// Disconnect implements actors.GatewayHost.
func (g *gateway) Disconnect(ctx context.Context, to *actors.Multicast, closeTransport bool) error {
	here := func(c *client) error {
		c.Disconnect(closeTransport)
		return nil
	}
	return g.each(ctx, to, here, func(ids []string) wire.NodeOp {
		return &wire.ClientsEnd{Namespace: to.Namespace, IDs: ids, Close: closeTransport}
	})
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
