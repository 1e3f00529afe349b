package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/store/memory"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a Redis, a store, and members that find each other there.
type lab struct {
	t     *testing.T
	redis *testenv.Redis
	store actors.Store
}

func newLab(t *testing.T) *lab {
	return &lab{t, testenv.StartRedis(t), memory.New(memory.Config{})}
}

// member is a node as its cluster sees it.
type member struct {
	*Cluster
	id    string
	web   *httptest.Server
	views chan node.View
	lost  chan error
}

func (l *lab) join(id string, change func(*Config)) *member {
	l.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: l.redis.Addr, MaxRetries: -1, DialerRetries: 1, ReadTimeout: time.Second})
	m := &member{id: id, views: make(chan node.View, 1000), lost: make(chan error, 1)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	cfg := Config{Redis: client, Store: l.store, Web: listener.Addr().String(), Lease: 2 * time.Second, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	if m.Cluster, err = New(cfg); err != nil {
		l.t.Fatal(err)
	}
	m.web = &httptest.Server{Listener: listener, Config: &http.Server{Handler: m.Handler()}}
	m.web.Start()
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	if err := m.Join(ctx, node.Peer{ID: id, Address: id + ":1", Kinds: []string{"board"}}, func(v node.View) { m.views <- v }, func(err error) { m.lost <- err }); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := m.Leave(context.Background()); err != nil {
			l.t.Error(err)
		}
		m.web.Close()
		_ = client.Close()
	})
	return m
}

// sees waits until a member sees exactly these nodes, and returns the time that
// took.
func (m *member) sees(t *testing.T, ids ...string) time.Duration {
	t.Helper()
	begun := time.Now()
	within := time.After(10 * time.Second)
	for {
		var seen []string
		peers, _ := m.Members()
		for _, p := range peers {
			seen = append(seen, p.ID)
		}
		if slices.Equal(seen, ids) {
			return time.Since(begun)
		}
		select {
		case <-m.views:
		case <-within:
			t.Fatalf("%s sees %v, want %v", m.id, seen, ids)
		}
	}
}

func TestNodesFindEachOtherInRedis(t *testing.T) {
	l := newLab(t)
	a := l.join("a", nil)
	b := l.join("b", nil)
	c := l.join("c", func(cfg *Config) { cfg.Prefix = "another" })
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
	c.sees(t, "c")
	b.Drain()
	for v := range a.views {
		if len(v.Peers) == 2 && v.Peers[1].Draining {
			break
		}
	}
	if err := b.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.sees(t, "a")
}

// TestAProcessThatDiesIsMissedAtOnce ends what a process listens on, as its
// kernel does; its lease would have lasted for two seconds.
func TestAProcessThatDiesIsMissedAtOnce(t *testing.T) {
	l := newLab(t)
	a := l.join("a", func(cfg *Config) { cfg.Lease = time.Minute })
	b := l.join("b", func(cfg *Config) { cfg.Lease = time.Minute })
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
	_ = b.web.Listener.Close()
	b.web.CloseClientConnections()
	a.sees(t, "a") // within ten seconds
	select {
	case err := <-b.lost:
		if err == nil {
			t.Error("it was told of no error")
		}
	case <-time.After(30 * time.Second):
		t.Error("whom the others have counted out was not told")
	}
}

func TestARoomIsClaimedFoundAndReleased(t *testing.T) {
	l := newLab(t)
	a, b := l.join("a", nil), l.join("b", nil)
	front := l.join("front", func(cfg *Config) { cfg.NoRooms = true })
	front.sees(t, "a", "b", "front")
	a.sees(t, "a", "b", "front")
	b.sees(t, "a", "b", "front")
	by := map[string]*member{"a": a, "b": b}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i := range 20 {
		ref := actors.RoomRef{Kind: "board", ID: fmt.Sprint(i)}
		target, err := front.Locate(ctx, node.Query{Room: ref})
		if err != nil || by[target.Node] == nil {
			t.Fatalf("%v is to wake on %q: %v", ref, target.Node, err)
		}
		here, err := by[target.Node].Locate(ctx, node.Query{Room: ref, Here: true})
		if err != nil || here.Node != target.Node || here.Owned.Epoch == 0 {
			t.Fatalf("claimed as %+v: %v", here, err)
		}
		if found, err := front.Locate(ctx, node.Query{Room: ref, Peek: true}); err != nil || found.Node != target.Node {
			t.Fatalf("found at %q: %v", found.Node, err)
		}
		by[target.Node].Release(ref, here.Owned)
		by[target.Node].releases.Wait()
		if found, err := front.Locate(ctx, node.Query{Room: ref, Peek: true}); err != nil || found.Node != "" {
			t.Fatalf("after its release it is at %q: %v", found.Node, err)
		}
	}
}

func TestNobodyIsLostWhileRedisIsAway(t *testing.T) {
	l := newLab(t)
	a, b := l.join("a", nil), l.join("b", nil)
	a.sees(t, "a", "b")
	b.sees(t, "a", "b")
	l.redis.Pause()
	<-time.After(5 * time.Second) // more than two leases
	if _, away := a.Members(); !away {
		t.Error("nobody noticed")
	}
	l.redis.Resume()
	for _, m := range []*member{a, b} {
		for away := true; away; _, away = m.Members() {
			<-time.After(10 * time.Millisecond)
		}
		m.sees(t, "a", "b")
		select {
		case err := <-m.lost:
			t.Errorf("%s: %v", m.id, err)
		default:
		}
	}
}

func TestJoiningFailsWithoutRedis(t *testing.T) {
	l := newLab(t)
	l.redis.Kill()
	client := redis.NewClient(&redis.Options{Addr: l.redis.Addr, MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = client.Close() }()
	c, err := New(Config{Redis: client, Store: l.store, Web: "127.0.0.1:1", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Join(ctx, node.Peer{ID: "a"}, func(node.View) {}, func(error) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Join returns %v", err)
	}
}

// TestWhoAsksBeforeTheNodeHasJoinedWaits: a gateway may emit while its node
// begins.
func TestWhoAsksBeforeTheNodeHasJoinedWaits(t *testing.T) {
	c := newCluster(Config{Logger: slog.New(slog.DiscardHandler)}, nil)
	defer c.cancel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Locate(ctx, node.Query{Room: actors.RoomRef{Kind: "@/chat", ID: "lobby"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it is answered %v", err)
	}
}

func TestAConfigurationMustBeWhole(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer func() { _ = client.Close() }()
	for name, cfg := range map[string]Config{
		"nothing": {}, "no store": {Redis: client, Web: "h:1"}, "no address": {Redis: client, Store: memory.New(memory.Config{})},
		"a lease too short": {Redis: client, Store: memory.New(memory.Config{}), Web: "h:1", Lease: time.Millisecond},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
