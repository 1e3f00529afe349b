// Package node is one process of the runtime: it holds connections, rooms and
// the fan-out between them, each an actor on Proto.Actor around one of the
// plain state machines of actors/internal. It is handed to a transport, which
// calls it as actors.Gate.
package node

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/memory"
)

// Config describes a node. It is read once, by New.
type Config struct {
	// Kinds are the kinds of room that are served. Names must differ.
	Kinds []actors.Behavior

	// Gateways are the namespaces with connection-level handlers. A gateway's
	// exact name goes before a kind, a kind before GatewayConfig.Match.
	Gateways []actors.GatewayBehavior

	// Authenticator finds out who a client is. Nil makes everybody anonymous.
	Authenticator actors.Authenticator
	// AuthTimeout bounds one call of it. Zero means 10 s.
	AuthTimeout time.Duration

	// MaxConnections is how many connections are accepted. Zero means
	// 100,000.
	MaxConnections int
	// MaxNamespaces is how many namespaces one connection may hold; one more
	// is refused with CodeTooLarge. Zero means 100.
	MaxNamespaces int
	// MaxMailbox is how many messages may wait for one room; beyond it events
	// are answered CodeOverloaded without a turn. Zero means 65,536.
	MaxMailbox int
	// MaxMailboxBytes is the same for the bytes that members have sent in those
	// messages. Zero means 16 MiB.
	MaxMailboxBytes int

	// MaxRoomBytes is how much a room may keep: keys and values of its durable
	// fields, and its seats where they are stored. An event, a call or a join
	// that would make it more is refused with CodeTooLarge; hooks, timers and
	// alarms have an eighth more. A room of which more is stored than that is
	// not loaded: whoever wants it is refused with CodeTooLarge, and nothing of
	// it is touched. Zero means 64 MiB.
	MaxRoomBytes int
	// MaxLoadBytes is what all rooms together may hold that are being loaded,
	// each 1 MiB at least; others wait, and are refused with CodeUnavailable
	// after 10 s. A room that is larger counts as MaxRoomBytes and an eighth,
	// or as all of it. Zero means 256 MiB.
	MaxLoadBytes int

	// Store is where rooms with durable fields or alarms outlive the process.
	// Whoever made it closes it, after Run has returned. Nil keeps them in the
	// memory of this node.
	Store actors.Store
	// OwnerAlive reports whether an activation of another node that owns a
	// room may still be at work; what it owns is left to it. It is called from
	// any goroutine and does not block. Nil means that there is no other node:
	// whoever owned a room before this process is dead.
	OwnerAlive func(actors.Owner) bool

	// Limits bound what clients may do.
	Limits Limits

	// DrainTimeout is how long Run waits for rooms to end. Zero means 10 s.
	DrainTimeout time.Duration

	Logger *slog.Logger // nil: slog.Default

	// Cluster and Carrier make the node one of many: both are set, or neither.
	// The node owns them and closes the carrier when it stops.
	Cluster Cluster
	Carrier Carrier
	Links   LinkLimits

	// Meter publishes what Stats counts, and durations, until the node has
	// stopped. Nil means that nobody does. docs/operations.md lists the
	// metrics.
	Meter metric.Meter

	// Tracer makes spans of what happens to packets. Nil means that nothing is
	// traced.
	Tracer trace.Tracer
	// SampleRatio is which part of the packets is traced, 0 to 1.
	SampleRatio float64
	// TrustTraceparent lets clients decide by the trace context they send
	// (docs/protocol.md): theirs becomes the parent, sampled or not. Otherwise
	// it is linked from the traces on which the lot falls.
	TrustTraceparent bool
}

func (c *Config) complete() error {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	var errs []error
	number := func(name string, v *int, std int) {
		if *v < 0 {
			errs = append(errs, fmt.Errorf("%s is %d: want 0 or more", name, *v))
		} else if *v == 0 {
			*v = std
		}
	}
	duration := func(name string, v *time.Duration, std time.Duration) {
		if *v < 0 {
			errs = append(errs, fmt.Errorf("%s is %v: want 0 or more", name, *v))
		} else if *v == 0 {
			*v = std
		}
	}
	number("MaxConnections", &c.MaxConnections, 100_000)
	number("MaxNamespaces", &c.MaxNamespaces, 100)
	number("MaxMailbox", &c.MaxMailbox, 65_536)
	number("MaxMailboxBytes", &c.MaxMailboxBytes, 16<<20)
	number("MaxRoomBytes", &c.MaxRoomBytes, 64<<20)
	number("MaxLoadBytes", &c.MaxLoadBytes, 256<<20)
	duration("AuthTimeout", &c.AuthTimeout, 10*time.Second)
	duration("DrainTimeout", &c.DrainTimeout, 10*time.Second)
	if !(c.SampleRatio >= 0 && c.SampleRatio <= 1) {
		errs = append(errs, fmt.Errorf("SampleRatio is %v: want 0 to 1", c.SampleRatio))
	}
	errs = append(errs, c.Limits.complete(c.MaxNamespaces), c.Links.complete())
	if (c.Cluster == nil) != (c.Carrier == nil) {
		errs = append(errs, errors.New("Cluster and Carrier go together"))
	}
	return errors.Join(errs...)
}

// ErrExpelled says that the others took this node for dead, and that it has
// stopped. Start the process again: the node comes back with another id.
var ErrExpelled = errors.New("node: expelled from the cluster")

// joinTimeout bounds the first contact with the cluster.
const joinTimeout = 30 * time.Second

// Node is one process of the runtime. Its methods may be called from any
// goroutine.
type Node struct {
	// Set by New, read-only afterwards.
	cfg      Config
	id       string
	log      *slog.Logger
	kinds    map[string]actors.Behavior
	system   *actor.ActorSystem
	workers  workers // run its actors
	seed     maphash.Seed
	shards   []*actor.PID // directory, by room
	fans     []*fan       // fan-out, by room
	callers  []*actor.PID // by room
	gateways []*gateway
	store    actors.Store
	house    *house
	loads    *loads
	apart    bool // room.Config.Apart: set by benchmarks, before there is a room
	meters   meters
	counts   counts
	tracing  *tracing
	ctx      context.Context // ends when the node stops
	cancel   context.CancelFunc

	stopping    atomic.Bool
	settles     atomic.Int64 // until when rooms of gateways may be about to be entered again, in ns since 1970
	handingOver atomic.Int64 // clients of gateways, and answers that say so
	awaited     atomic.Bool  // something was said that others are to have before the node leaves
	parting     atomic.Int64 // once stopping: for how many ns clients that may recover are kept for others to take
	epoch       atomic.Uint64
	connID      atomic.Uint64
	callID      atomic.Uint64
	live        atomic.Int64 // connections
	rooms       atomic.Int64 // rooms in memory
	asleep      atomic.Int64 // rooms that hibernate, of those in rooms
	emitID      atomic.Uint64
	liveClients atomic.Int64 // clients of gateways
	linksLost   atomic.Uint64
	conns       sync.Map // uint64 → *connection
	clients     sync.Map // string → *client

	toAll    sync.Mutex // guards toAllPos, and that what goes to all nodes does so in its order
	toAllPos uint64
	asks     asks
	early    early
	peers    peers
	away     away
	out      chan error    // gets why the node was expelled
	reclaims chan struct{} // a slot per room that is claimed again
	beside   sync.WaitGroup
	stopOnce sync.Once
}

// New starts a node. It fails if the configuration or a kind is wrong. The
// node runs until Run's context ends; Run must be called once.
func New(cfg Config) (*Node, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	n := &Node{cfg: cfg, id: newID()[:8], log: cfg.Logger, kinds: make(map[string]actors.Behavior), seed: maphash.MakeSeed(), store: cfg.Store, house: newHouse(cfg.Limits), loads: newLoads(cfg.MaxRoomBytes, cfg.MaxLoadBytes), tracing: newTracing(&cfg), out: make(chan error, 1)}
	n.counts.init()
	n.reclaims = make(chan struct{}, reclaimsAtOnce)
	n.peers = peers{byID: make(map[string]*peer), gone: make(map[string]bool)}
	var errs []error
	for _, k := range cfg.Kinds {
		if err := k.Err(); err != nil {
			errs = append(errs, err)
		} else if n.kinds[k.Name()] != nil {
			errs = append(errs, fmt.Errorf("kind %q is given twice", k.Name()))
		}
		n.kinds[k.Name()] = k
	}
	for _, g := range cfg.Gateways {
		errs = append(errs, g.Err())
		if slices.ContainsFunc(n.gateways, func(o *gateway) bool { return o.behavior.Namespace() == g.Namespace() }) {
			errs = append(errs, fmt.Errorf("gateway %q is given twice", g.Namespace()))
		}
		n.gateways = append(n.gateways, newGateway(n, g))
	}
	if errors.Join(errs...) != nil {
		return nil, fmt.Errorf("node: %w", errors.Join(errs...))
	}
	if n.store == nil {
		n.store = memory.New(memory.Config{})
	}
	if err := n.checkDurability(); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(atLeast{slog.LevelError, cfg.Logger.Handler()})
	}), actor.WithDeadLetterThrottleInterval(time.Millisecond)) // nobody reads of dead letters; a goroutine waits for this
	shards := max(2, runtime.GOMAXPROCS(0))
	for range shards {
		n.fans = append(n.fans, startFan(n))
		n.shards = append(n.shards, n.spawn(func() actor.Actor { return newDirectory(n) }))
	}
	for range shards {
		n.callers = append(n.callers, n.spawn(func() actor.Actor { return newCaller(n) }))
	}
	if err := n.observe(cfg.Meter); err != nil {
		n.cancel()
		n.shutdown()
		return nil, fmt.Errorf("node: %w", err)
	}
	for _, g := range n.gateways {
		g.behavior.Bind(g)
	}
	if n.shares() {
		n.learnRevoked(n.ctx)       // before anybody enters
		n.beside.Go(n.watchRevoked) // ends with n.ctx; stop waits for it
	}
	n.beside.Go(n.buryOthers) // ends with n.ctx; stop waits for it
	if len(n.lasting()) > 0 {
		n.beside.Go(n.watchAgenda) // ends with n.ctx; stop waits for it
	}
	if n.clustered() {
		ctx, cancel := context.WithTimeout(context.Background(), joinTimeout)
		defer cancel()
		if err := n.join(ctx); err != nil {
			n.cancel()
			n.meters.end()
			n.shutdown()
			return nil, fmt.Errorf("node: join: %w", err)
		}
	}
	return n, nil
}

// checkDurability refuses a kind whose level the store does not provide. A
// store that does not answer is not asked again: appends say the same.
func (n *Node) checkDurability() error {
	ctx, cancel := context.WithTimeout(context.Background(), claimPatience)
	defer cancel()
	var errs []error
	for _, k := range n.lasting() {
		switch err := n.store.Provides(ctx, k.Config().Durability); {
		case errors.Is(err, actors.ErrNoDurability):
			errs = append(errs, fmt.Errorf("kind %q: %w", k.Name(), err))
		case err != nil:
			n.log.Warn("the store cannot be asked what it provides", "kind", k.Name(), "error", err)
		}
	}
	return errors.Join(errs...)
}

// ID is the node's id, unique per process start.
func (n *Node) ID() string { return n.id }

// nextEpoch is higher than every epoch this node gave before and, where there
// are others, than theirs of earlier: they are microseconds then.
func (n *Node) nextEpoch() uint64 {
	if n.clustered() {
		now := uint64(time.Now().UnixMicro())
		if last := n.epoch.Load(); last < now {
			n.epoch.CompareAndSwap(last, now)
		}
	}
	return n.epoch.Add(1)
}

// shutdown ends the actors, and those who run them.
func (n *Node) shutdown() {
	n.system.Shutdown()
	n.workers.close()
}

func (n *Node) spawn(producer actor.Producer) *actor.PID {
	return n.system.Root.Spawn(actor.PropsFromProducer(producer, actor.WithDispatcher(&n.workers)))
}

func (n *Node) send(to *actor.PID, msg any) { n.system.Root.Send(to, msg) }

// Run blocks until ctx ends and then stops the node: no new connections, rooms
// run their hook Closing, sockets are closed with ReasonShutdown so that
// clients reconnect elsewhere. Where there are other nodes, gateways' clients
// that may recover are kept for 7 s after they lost their connection, or three
// quarters of Config.DrainTimeout if that is less, for the others to take. It returns
// once no goroutine of the node is left, or with an error after
// Config.DrainTimeout. If the node is expelled
// from its cluster it stops by itself, soon, with an error that wraps ErrExpelled.
func (n *Node) Run(ctx context.Context) error {
	var err error
	within, words, expelled := n.cfg.DrainTimeout, leaveTimeout, false
	select {
	case <-ctx.Done():
	case why := <-n.out:
		err = fmt.Errorf("%w: %w", ErrExpelled, why)
		within, words, expelled = min(within, expelledTimeout), expelledTimeout, true
	}
	n.stopOnce.Do(func() { err = errors.Join(err, n.stop(within, words, expelled)) })
	return err
}

// expelledTimeout bounds what an expelled node waits for: its rooms are others'
// by now, and what they have not stored will not be. Nobody waits for its word.
const expelledTimeout = time.Second

func (n *Node) expel(why error) {
	select {
	case n.out <- why:
	default:
	}
}

// partFor is how long a gateway's client that may recover is kept by a node
// that stops within a time, since it lost its connection. A stock client comes
// back after 1.5 s at the most, and if it was refused, as by this very node
// behind a balancer that does not know yet, after 3 s more; then it connects.
func partFor(within time.Duration) time.Duration { return min(7*time.Second, within*3/4) }

// stop waits for rooms and connections within a time, and for the cluster to be
// told within another.
func (n *Node) stop(within, words time.Duration, expelled bool) error {
	if n.clustered() && len(n.others()) > 0 && !expelled {
		n.cfg.Cluster.Drain() // the rooms of those who are taken wake elsewhere
		n.parting.Store(int64(partFor(within)))
	}
	n.stopping.Store(true)
	for _, d := range n.shards {
		n.send(d, closeRooms{})
	}
	n.conns.Range(func(_, c any) bool {
		c.(*connection).socket.Close(actors.ReasonShutdown)
		return true
	})
	n.clients.Range(func(_, c any) bool {
		c.(*client).part()
		return true
	})
	err := n.await(within)
	if !expelled {
		n.giveUpHeld(words)
	}
	n.finish(words)
	n.leave(words)
	n.cancel()
	for _, d := range slices.Concat(n.callers, n.shards, n.fanPIDs()) {
		_ = n.system.Root.StopFuture(d).Wait()
	}
	n.beside.Wait()
	n.meters.end()
	n.shutdown()
	return err
}

// await waits until no room and no connection is left.
func (n *Node) await(limit time.Duration) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for n.rooms.Load() > 0 || n.live.Load() > 0 || n.liveClients.Load() > 0 || n.handingOver.Load() > 0 {
		select {
		case <-poll.C:
		case <-deadline.C:
			return fmt.Errorf("node: %d rooms and %d connections were left after %v", n.rooms.Load(), n.live.Load(), limit)
		}
	}
	return nil
}

func (n *Node) fanPIDs() []*actor.PID {
	var pids []*actor.PID
	for _, f := range n.fans {
		pids = append(pids, f.pid)
	}
	return pids
}

func (n *Node) shardOf(r actors.RoomRef) int {
	return int(n.hash(r.String()) % uint64(len(n.shards)))
}

func (n *Node) hash(s string) uint64 { return maphash.String(n.seed, s) }

// newID returns 22 characters of [A-Za-z0-9_-], 128 random bits.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// atLeast keeps Proto.Actor's chatter out of the log.
type atLeast struct {
	level slog.Level
	slog.Handler
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}
func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.level, h.Handler.WithAttrs(a)}
}
func (h atLeast) WithGroup(g string) slog.Handler { return atLeast{h.level, h.Handler.WithGroup(g)} }
