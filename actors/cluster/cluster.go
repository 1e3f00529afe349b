// Package cluster makes nodes one of many: they find each other in Redis, and
// whoever looks for a room is told where it is. A node is given a Cluster as
// node.Config.Cluster.
//
// What the parts promise is said in actors/internal/cluster, which holds them;
// this package connects them with a Redis, with each other and with a node.
package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/cluster"
	"github.com/parlor-rooms/parlor/actors/internal/cluster/redisregistry"
	"github.com/parlor-rooms/parlor/actors/node"
)

// Config describes a node's part in its cluster.
type Config struct {
	// Redis is where nodes find each other. It stays the caller's, who closes
	// it after node.Node.Run has returned.
	Redis redis.UniversalClient
	// Prefix begins the names of all keys; clusters that share a Redis differ
	// in it. Empty means "parlor".
	Prefix string

	// Store says who owns a room. All nodes have the same. If it knows who
	// owns rooms, as the Redis store does (Owners, Bury), rooms of nodes that
	// have died are given up: within a few leases, and longer where there are
	// many.
	Store actors.Ownership

	// Web is host:port at which other nodes reach what serves Handler.
	Web string
	// TLS is how this node calls the Handlers of others. Nil means plain HTTP.
	TLS *tls.Config

	// NoRooms keeps rooms away: the node holds sockets only.
	NoRooms bool

	// Unclaimed lets rooms of kinds of which nothing is kept start while Redis
	// is away, where they would start if it were not. Nobody can say then that
	// a room has one owner: nodes that see different members, or that cannot
	// reach each other, may each start one, until Redis is back and one of them
	// is left.
	Unclaimed bool

	// Lease is how long a node that has fallen silent is still counted on;
	// a node beats six times as often. A node that was paused for longer is
	// lost. Zero means 5 s; at least 1 s. All nodes should have the same.
	Lease time.Duration

	// Gone is told the id of every node that is not alive any more, from one
	// goroutine. It does not block. Nil is allowed.
	Gone func(node string)

	Logger *slog.Logger // nil: slog.Default
}

// Cluster implements node.Cluster, for one node that runs once. Its methods may
// be called from any goroutine.
type Cluster struct {
	// Set by New, read-only afterwards.
	cfg      Config
	registry cluster.Registry
	client   *http.Client
	ctx      context.Context // ends with Leave
	cancel   context.CancelFunc
	ended    chan struct{} // closed when the agent's Run has returned
	joined   chan struct{} // closed when the first view is known

	// Set by Join before joined is closed, read-only afterwards.
	self  string
	agent *cluster.Agent
	place *cluster.Placement

	releases sync.WaitGroup
	holders  sync.WaitGroup // of wires, and of the burial

	mu    sync.Mutex // guards the following
	begun bool
	wires map[string]context.CancelFunc // by peer
}

// Pauses and limits of what is said between nodes.
const (
	wirePause   = 200 * time.Millisecond
	leaveWithin = 2 * time.Second
)

// New returns a cluster that nobody has joined yet.
func New(cfg Config) (*Cluster, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Gone == nil {
		cfg.Gone = func(string) {}
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "parlor"
	}
	if cfg.Lease == 0 {
		cfg.Lease = 5 * time.Second
	}
	if cfg.Redis == nil || cfg.Store == nil || cfg.Web == "" || cfg.Lease < time.Second {
		return nil, errors.New("cluster: want Redis, Store, Web, and a Lease of a second at least")
	}
	return newCluster(cfg, redisregistry.New(cfg.Redis, cfg.Prefix)), nil
}

func newCluster(cfg Config, registry cluster.Registry) *Cluster {
	c := &Cluster{
		cfg: cfg, registry: registry, client: &http.Client{Transport: &http.Transport{TLSClientConfig: cfg.TLS, MaxIdleConnsPerHost: 2}},
		ended: make(chan struct{}), joined: make(chan struct{}), wires: make(map[string]context.CancelFunc),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Join implements node.Cluster. What serves Handler must run before.
func (c *Cluster) Join(ctx context.Context, self node.Peer, changed func(node.View), lost func(error)) error {
	c.mu.Lock()
	begun := c.begun
	c.begun = true
	c.mu.Unlock()
	if begun {
		return errors.New("cluster: joined twice")
	}
	kinds := slices.Sorted(slices.Values(self.Kinds))
	me := cluster.Member{ID: self.ID, Address: self.Address, Web: c.cfg.Web, Rooms: !c.cfg.NoRooms, Kinds: kinds}
	first := make(chan struct{})
	var once sync.Once
	before := &cluster.View{}
	agent := cluster.NewAgent(cluster.AgentConfig{
		Membership: cluster.MembershipConfig{
			Self: me, TTL: c.cfg.Lease, Log: c.cfg.Logger, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		},
		Registry: c.registry,
		Ask:      func(ctx context.Context, peer cluster.Member) cluster.Said { return c.ask(ctx, self.ID, peer) },
		Changed: func(v *cluster.View) {
			changed(peers(v))
			c.rewire(v, self.ID)
			for _, m := range before.Gone(v) {
				c.cfg.Gone(m.ID)
			}
			before = v
			once.Do(func() { close(first) })
		},
		Lost: func(why string) { lost(fmt.Errorf("cluster: node %s: %s", self.ID, why)) },
	})
	c.self, c.agent = self.ID, agent
	c.place = cluster.NewPlacement(cluster.PlacementConfig{Self: self.ID, Store: c.cfg.Store, Members: agent, Log: c.cfg.Logger, Unclaimed: c.cfg.Unclaimed})
	close(c.joined)
	if graves, ok := c.cfg.Store.(cluster.Graves); ok {
		burial := &cluster.Burial{Self: self.ID, Graves: graves, Members: agent, Log: c.cfg.Logger, Every: c.cfg.Lease}
		c.holders.Go(func() { burial.Run(c.ctx) }) // Leave waits for it
	}
	go func() { // Leave waits for it
		defer close(c.ended)
		agent.Run(c.ctx, leaveWithin)
	}()
	select {
	case <-first:
		return nil
	case <-ctx.Done():
		_ = c.Leave(context.WithoutCancel(ctx))
		return fmt.Errorf("cluster: no heart-beat was answered: %w", ctx.Err())
	}
}

func peers(v *cluster.View) node.View {
	view := node.View{Data: v.Data, Away: v.Away, Peers: make([]node.Peer, len(v.Members))}
	for i, m := range v.Members {
		view.Peers[i] = node.Peer{ID: m.ID, Address: m.Address, Draining: m.Draining, Kinds: m.Kinds}
	}
	return view
}

// Locate implements node.Cluster. A gateway that emits while its node begins is
// before Join: it waits for it.
func (c *Cluster) Locate(ctx context.Context, q node.Query) (node.Place, error) {
	select {
	case <-c.joined:
	case <-ctx.Done():
		return node.Place{}, fmt.Errorf("cluster: locate %v: not joined: %w", q.Room, ctx.Err())
	}
	p, err := c.place.Locate(ctx, cluster.Request{Room: q.Room, Peek: q.Peek, Here: q.Here, Brief: q.Brief})
	return node.Place{Node: p.Node, Owned: p.Owned, Unclaimed: p.Unclaimed}, err
}

// Claim implements node.Cluster.
func (c *Cluster) Claim(ctx context.Context, room actors.RoomRef) (node.Place, error) {
	p, err := c.place.Claim(ctx, room)
	return node.Place{Node: p.Node, Owned: p.Owned}, err
}

// Reclaim implements node.Cluster.
func (c *Cluster) Reclaim(ctx context.Context, room actors.RoomRef, o actors.Owned) (actors.Owned, error) {
	return c.place.Reclaim(ctx, room, o)
}

// releaseWithin bounds how long a release is tried.
const releaseWithin = 30 * time.Second

// Release implements node.Cluster.
func (c *Cluster) Release(room actors.RoomRef, o actors.Owned) {
	c.releases.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, releaseWithin)
		defer cancel()
		if err := c.place.Release(ctx, room, o); err != nil {
			c.cfg.Logger.Debug("a room was not released", "room", room.String(), "err", err)
		}
	})
}

// Drain implements node.Cluster.
func (c *Cluster) Drain() { c.agent.Drain() }

// Lease implements node.Cluster.
func (c *Cluster) Lease() node.Lease {
	select {
	case <-c.joined:
	default:
		return node.Lease{Away: true}
	}
	l := node.Lease{Away: c.agent.View().Away}
	if at := c.agent.LastAnswer(); !at.IsZero() {
		l.Age = time.Since(at)
	}
	return l
}

// Members returns the living nodes as this one knows them, and whether Redis
// answers. It does not block.
func (c *Cluster) Members() (members []node.Peer, away bool) {
	select {
	case <-c.joined:
	default:
		return nil, true
	}
	v := c.agent.View()
	return peers(v).Peers, v.Away
}

// Web is where a living node serves its Handler; false for any other. It does
// not block.
func (c *Cluster) Web(id string) (string, bool) {
	select {
	case <-c.joined:
	default:
		return "", false
	}
	m, ok := c.agent.View().Find(id)
	return m.Web, ok
}

// Leave implements node.Cluster. Rooms that were just released are waited for
// first, for a moment: what is not released waits for the lease of this node.
func (c *Cluster) Leave(ctx context.Context) error {
	released := make(chan struct{})
	go func() { defer close(released); c.releases.Wait() }() // ends with c.ctx at the latest
	patience := time.NewTimer(leaveWithin)
	defer patience.Stop()
	select {
	case <-released:
	case <-patience.C:
	case <-ctx.Done():
	}
	c.cancel()
	<-released
	select {
	case <-c.joined:
	default:
		return nil
	}
	select {
	case <-c.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.holders.Wait() // their contexts are c.ctx
	c.client.CloseIdleConnections()
	return nil
}
