// Package redis is the store of many nodes: a Redis server, or a Redis Cluster.
// Every change is one script, so that what it checks and what it writes are
// one step; the scripts are in lua, each with the keys it touches.
//
// The keys of a room share a hash tag and therefore a slot:
//
//	PREFIX:{kind/id}:own    who owns it, and where its entries stand
//	PREFIX:{kind/id}:data   its entries
//	PREFIX:r:{BASE64URL}    a record
//	PREFIX:owned            who owns which rooms
//	PREFIX:agenda:{N}       the rooms of shard N by the time they are due
//
// Names of rooms hold no brace, so a name is nothing but a name wherever it
// stands; keys of records hold any bytes and are encoded.
package redis

import (
	"context"
	"crypto/sha1" // how Redis names scripts
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/parlor-rooms/parlor/actors"
)

//go:embed lua/*.lua
var scripts embed.FS

// script is one of the files in lua. Redis knows it by its hash once it has run.
type script struct{ source, hash string }

// Store is an actors.Store in Redis. What it cannot have it refuses: see Open
// and Provides.
type Store struct {
	// Set before Open returns, read-only afterwards.
	prefix  string
	owned   string // the key of who owns which rooms
	wait    int    // replicas
	waitFor time.Duration
	log     *slog.Logger
	client  redis.UniversalClient
	cluster *redis.ClusterClient // nil for one server

	now func() time.Time

	claim, append, load, release, bury, record, take script

	closed atomic.Bool

	mu     sync.Mutex // guards the following
	levels map[actors.Durability]error
	runs   map[string]time.Time // Redis processes, and from when on rooms may be claimed from them
}

var _ actors.Store = (*Store)(nil)

// Open connects to Redis and verifies what the store needs: version 7, a
// primary, and an eviction policy that evicts nothing. It blocks until that is
// known or ctx ends. What a Redis forbids to ask is logged as not verified. An
// error that wraps ErrNoDurability says what is missing.
func Open(ctx context.Context, c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{prefix: c.Prefix, owned: c.Prefix + ":owned", wait: c.Replicas, waitFor: c.ReplicasTimeout, log: c.Logger, now: time.Now, runs: make(map[string]time.Time)}
	for name, into := range map[string]*script{
		"claim": &s.claim, "append": &s.append, "load": &s.load, "release": &s.release, "bury": &s.bury, "record": &s.record, "take": &s.take,
	} {
		source, err := scripts.ReadFile("lua/" + name + ".lua")
		if err != nil {
			return nil, err
		}
		*into = script{source: string(source), hash: fmt.Sprintf("%x", sha1.Sum(source))}
	}
	s.connect(c)
	if err := s.verify(ctx); err != nil {
		_ = s.client.Close()
		return nil, fmt.Errorf("open the store in redis %v: %w", c.Addresses, err)
	}
	return s, nil
}

// connect makes the client. It does not retry: whoever called knows what may
// be repeated, and a client that repeats a call on its own cannot tell that the
// first one may take effect yet.
func (s *Store) connect(c Config) {
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if !c.Cluster {
		s.client = redis.NewClient(&redis.Options{
			Addr: c.Addresses[0], Username: c.Username, Password: c.Password, DB: c.Database, TLSConfig: c.TLS,
			MaxRetries: -1, DialerRetries: 1, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true,
			ReadTimeout: c.Timeout, WriteTimeout: c.Timeout, PoolSize: c.Connections,
			MaintNotificationsConfig: quiet,
		})
		return
	}
	s.cluster = redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: c.Addresses, Username: c.Username, Password: c.Password, TLSConfig: c.TLS,
		MaxRetries: -1, MaxRedirects: 8, DialerRetries: 1, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true,
		ReadTimeout: c.Timeout, WriteTimeout: c.Timeout, PoolSize: c.Connections,
		DisableRoutingPolicies: true, MaintNotificationsConfig: quiet,
	})
	s.client = s.cluster
}

// Close implements actors.Store.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.client.Close()
}

// begin refuses calls that need not be tried.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", actors.ErrUnavailable, err)
	}
	if s.closed.Load() {
		return fmt.Errorf("%w: it is closed", actors.ErrUnavailable)
	}
	return nil
}

func (s *Store) own(ref actors.RoomRef) string  { return s.ownKey(ref.String()) }
func (s *Store) ownKey(room string) string      { return s.prefix + ":{" + room + "}:own" }
func (s *Store) data(ref actors.RoomRef) string { return s.prefix + ":{" + ref.String() + "}:data" }

func (s *Store) recordKey(key string) string {
	return s.prefix + ":r:{" + base64.RawURLEncoding.EncodeToString([]byte(key)) + "}"
}

// once is a command that is never sent twice: the client for clusters would
// repeat it after errors of the network.
type once struct{ *redis.Cmd }

// NoRetry implements redis.Cmder.
func (once) NoRetry() bool { return true }

// run runs a script and returns its answer: a list whose first item is a word.
func (s *Store) run(ctx context.Context, sc script, keys []string, args ...any) ([]any, error) {
	cmd := once{redis.NewCmd(ctx, call("evalsha", sc.hash, keys, args)...)}
	err := s.client.Process(ctx, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		cmd = once{redis.NewCmd(ctx, call("eval", sc.source, keys, args)...)}
		err = s.client.Process(ctx, cmd)
	}
	return answer(cmd.Cmd, err)
}

func call(name, script string, keys []string, args []any) []any {
	list := make([]any, 0, 3+len(keys)+len(args))
	list = append(list, name, script, len(keys))
	for _, k := range keys {
		list = append(list, k)
	}
	return append(list, args...)
}

func answer(cmd *redis.Cmd, err error) ([]any, error) {
	if err != nil {
		return nil, outcome(err)
	}
	list, err := cmd.Slice()
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("an answer of Redis that no script gives: %v, %w", cmd.Val(), err)
	}
	return list, nil
}

// notDone begin the answers of Redis that say that a command was not executed.
var notDone = []string{
	"READONLY", "MISCONF", "OOM", "LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "NOREPLICAS", "BUSY",
	"NOAUTH", "WRONGPASS", "NOPERM", "MOVED", "ASK", "CROSSSLOT", "max number of clients",
}

// outcome wraps an error in ErrUnavailable if it says that nothing was done.
func outcome(err error) error {
	for _, prefix := range notDone {
		if redis.HasErrorPrefix(err, prefix) {
			return fmt.Errorf("%w: %w", actors.ErrUnavailable, err)
		}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" || errors.Is(err, redis.ErrPoolTimeout) ||
		errors.Is(err, redis.ErrPoolExhausted) || errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("%w: %w", actors.ErrUnavailable, err)
	}
	return err
}

// text returns an item of an answer.
func text(list []any, i int) string {
	if i < len(list) {
		if s, ok := list[i].(string); ok {
			return s
		}
	}
	return ""
}
