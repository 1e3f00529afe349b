// Package carrier takes batches from node to node over Proto.Actor remote. It
// implements node.Carrier.
//
// The remote has an actor system of its own, with one actor in it, so that
// there is nothing else that a message from outside could reach; and what comes
// in is checked before Proto.Actor looks at it (guard.go).
package carrier

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/parlor-rooms/parlor/actors/node"
)

// Config describes a Carrier.
type Config struct {
	// Listen is HOST:PORT where batches of other nodes arrive. Port 0 takes any
	// that is free. The host is one address, not all of a machine.
	Listen string
	// Advertise is HOST or HOST:PORT by which others reach it. What is missing
	// is that of Listen.
	Advertise string

	// TLS is how this node proves what it is and asks others to, on both ends
	// of a connection: with Certificates, RootCAs, ClientCAs and ClientAuth.
	// Nil is allowed on a loopback address only.
	TLS *tls.Config

	Logger *slog.Logger // nil: slog.Default
}

// Limits of gRPC. A batch of the remote holds up to batchSize of ours.
const (
	batchSize    = 64
	queueSize    = 4096
	maxRecv      = 2 * batchSize * node.MaxBatch
	window       = 16 << 20         // bytes; links bound what is under way
	keepAlive    = 10 * time.Second // the least that gRPC allows
	keepAliveEnd = 3 * time.Second
)

// links is the name of the one actor.
const links = "links"

// Carrier implements node.Carrier. It is opened once.
type Carrier struct {
	cfg     Config
	address string

	system *actor.ActorSystem // of Open
	remote *remote.Remote

	peers sync.Map // address → *actor.PID, of those that were sent to

	mu     sync.RWMutex // guards the following
	open   bool
	closed bool
}

// New checks cfg. It starts nothing.
func New(cfg Config) (*Carrier, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("carrier: %w", err)
	}
	ip := net.ParseIP(host)
	if host == "" || ip != nil && ip.IsUnspecified() {
		return nil, errors.New("carrier: want one address to listen on, not all of the machine")
	}
	if loopback := host == "localhost" || ip != nil && ip.IsLoopback(); cfg.TLS == nil && !loopback {
		return nil, errors.New("carrier: without TLS only a loopback address may be listened on")
	}
	if cfg.TLS != nil && (cfg.TLS.ClientAuth != tls.RequireAndVerifyClientCert || cfg.TLS.MinVersion < tls.VersionTLS13) {
		return nil, errors.New("carrier: want TLS 1.3 that verifies both sides")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("carrier: port %q: %w", port, err)
	}
	return &Carrier{cfg: cfg}, nil
}

// Open implements node.Carrier.
func (c *Carrier) Open(_ string, receive func(batch []byte)) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open || c.closed {
		return errors.New("carrier: opened twice")
	}
	host, port, err := freePort(c.cfg.Listen)
	if err != nil {
		return fmt.Errorf("carrier: %w", err)
	}
	c.address = advertised(c.cfg.Advertise, host, port)
	quiet := slog.New(slog.DiscardHandler) // it tells of every connection that ends
	c.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	c.remote = remote.NewRemote(c.system, c.remoteConfig(host, port))
	props := actor.PropsFromFunc(func(ctx actor.Context) {
		if b, ok := ctx.Message().(*wrapperspb.BytesValue); ok {
			receive(b.Value)
		}
	}, actor.WithDispatcher(actor.NewSynchronizedDispatcher(batchSize))) // receive does not block
	if _, err := c.system.Root.SpawnNamed(props, links); err != nil {
		return fmt.Errorf("carrier: %w", err)
	}
	defer func() {
		if v := recover(); v != nil { // how the remote says that the port is taken
			c.system.Shutdown()
			err = fmt.Errorf("carrier: %v", v)
		}
	}()
	c.remote.Start()
	c.open = true
	return nil
}

// remoteConfig works around what the remote's defaults do: batches that exceed
// gRPC's limit are lost without a word, and a queue of a million is allocated
// for every peer. gRPC sends PINGs while data comes, to find out how large a
// window would be good, unless it is told.
func (c *Carrier) remoteConfig(host string, port int) *remote.Config {
	transport := insecure.NewCredentials()
	if c.cfg.TLS != nil {
		transport = credentials.NewTLS(c.cfg.TLS)
	}
	transport = prompt{transport}
	g := &guard{log: c.cfg.Logger}
	server := []grpc.ServerOption{
		grpc.Creds(transport),
		grpc.MaxRecvMsgSize(maxRecv), grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window), grpc.StreamInterceptor(g.stream), grpc.UnaryInterceptor(g.unary),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepAlive / 2, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepAlive, Timeout: keepAliveEnd}),
	}
	cfg := remote.Configure(host, port,
		remote.WithAdvertisedHost(c.address),
		remote.WithEndpointWriterBatchSize(batchSize),
		remote.WithEndpointWriterQueueSize(queueSize),
		remote.WithServerOptions(server...),
		remote.WithDialOptions(
			grpc.WithTransportCredentials(transport), grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxRecv)),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepAlive, Timeout: keepAliveEnd})))
	cfg.MaxRetryCount = 1 // it sleeps for 2 s before it says that it failed
	return cfg
}

// freePort is a host and a port to listen on: the remote cannot be told to take
// any port and be known by another name.
func freePort(listen string) (host string, port int, err error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", 0, err
	}
	host, _, _ = net.SplitHostPort(listen)
	port = l.Addr().(*net.TCPAddr).Port
	return host, port, l.Close()
}

// advertised is HOST:PORT for others.
func advertised(name, host string, port int) string {
	if name == "" {
		name = host
	} else if _, _, err := net.SplitHostPort(name); err == nil {
		return name
	}
	return net.JoinHostPort(name, strconv.Itoa(port))
}

// Address implements node.Carrier.
func (c *Carrier) Address() string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.address
}

// Send implements node.Carrier.
func (c *Carrier) Send(to node.Peer, batch []byte) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if !c.open || c.closed {
		return
	}
	pid, known := c.peers.Load(to.Address)
	if !known {
		pid, _ = c.peers.LoadOrStore(to.Address, actor.NewPID(to.Address, links))
	}
	c.system.Root.Send(pid.(*actor.PID), wrapperspb.Bytes(batch))
}

// Forget implements node.Carrier. What goes on to be sent to a dead address
// would leak a connection with every attempt.
func (c *Carrier) Forget(to node.Peer) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.open && !c.closed {
		c.peers.Delete(to.Address)
		c.system.EventStream.Publish(&remote.EndpointTerminatedEvent{Address: to.Address})
	}
}

// Close implements node.Carrier.
func (c *Carrier) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open || c.closed {
		c.closed = true
		return nil
	}
	c.closed = true
	c.peers.Range(func(address, _ any) bool {
		c.system.EventStream.Publish(&remote.EndpointTerminatedEvent{Address: address.(string)})
		return true
	})
	c.remote.Shutdown(false)
	_ = c.system.Root.StopFuture(actor.NewPID(c.system.Address(), links)).Wait()
	c.system.Shutdown()
	return nil
}
