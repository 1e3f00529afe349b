package redis_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/redis"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

var seedFlag = flag.Uint64("seed", 0, "what random choices begin with; 0 draws one")

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func config(servers ...*testenv.Redis) redis.Config {
	c := redis.Config{Cluster: len(servers) > 1, Logger: quiet}
	for _, s := range servers {
		c.Addresses = append(c.Addresses, s.Addr)
	}
	return c
}

func TestALevelThatRedisCannotGiveIsRefused(t *testing.T) {
	every, fsync, sync := actors.DurabilityRedis, actors.DurabilityRedisFsync, actors.DurabilityRedisSync
	for name, c := range map[string]struct {
		args     []string
		given    []actors.Durability
		refused  []actors.Durability
		replicas int
	}{
		"no persistence":     {nil, []actors.Durability{every}, []actors.Durability{fsync, sync}, 0},
		"appendfsync second": {[]string{"--appendonly", "yes"}, []actors.Durability{every}, []actors.Durability{fsync, sync}, 0},
		"appendfsync always": {[]string{"--appendonly", "yes", "--appendfsync", "always"}, []actors.Durability{every, fsync}, []actors.Durability{sync}, 0},
		"replicas that are not there": {
			[]string{"--appendonly", "yes", "--appendfsync", "always"}, []actors.Durability{every, fsync}, []actors.Durability{sync}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := config(testenv.StartRedis(t, c.args...))
			c2.Replicas = c.replicas
			s := open(t, c2)
			defer s.Close()
			for _, d := range append(c.given, actors.DurabilityDefault, actors.DurabilityMemory) {
				if err := s.Provides(t.Context(), d); err != nil {
					t.Errorf("%q: %v", d, err)
				}
			}
			for _, d := range append(c.refused, actors.DurabilityDisk) {
				if err := s.Provides(t.Context(), d); !errors.Is(err, actors.ErrNoDurability) {
					t.Errorf("%q: %v", d, err)
				}
			}
		})
	}
}

func TestARedisThatCannotBeTrustedIsRefused(t *testing.T) {
	t.Run("it evicts", func(t *testing.T) {
		server := testenv.StartRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
		_, err := redis.Open(t.Context(), config(server))
		if !errors.Is(err, actors.ErrNoDurability) || !strings.Contains(err.Error(), "allkeys-lru") {
			t.Errorf("open: %v", err)
		}
	})
	t.Run("it is a replica", func(t *testing.T) {
		primary := testenv.StartRedis(t)
		host, port, _ := strings.Cut(primary.Addr, ":")
		replica := testenv.StartRedis(t, "--replicaof", host+" "+port)
		if _, err := redis.Open(t.Context(), config(replica)); !errors.Is(err, actors.ErrNoDurability) {
			t.Errorf("open: %v", err)
		}
	})
	t.Run("it forbids CONFIG", func(t *testing.T) {
		server := testenv.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
		server.Do("ACL", "SETUSER", "parlor", "on", ">secret", "~parlor:*", "+@all", "-@dangerous", "+info") // docs/operations.md
		var log strings.Builder
		c := config(server)
		c.Username, c.Password, c.Logger = "parlor", "secret", slog.New(slog.NewTextHandler(&log, nil))
		s := open(t, c)
		defer s.Close()
		if err := s.Provides(t.Context(), actors.DurabilityRedisFsync); err != nil {
			t.Errorf("redis-fsync: %v", err)
		}
		if !strings.Contains(log.String(), "cannot verify appendfsync") {
			t.Errorf("the log says %q", log.String())
		}
		o, err := claim(t.Context(), s, "r", actors.DurabilityRedisFsync)
		if err == nil {
			err = o.append(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("nobody is there", func(t *testing.T) {
		server := testenv.StartRedis(t)
		server.Kill()
		if _, err := redis.Open(t.Context(), config(server)); !errors.Is(err, actors.ErrUnavailable) {
			t.Errorf("open: %v", err)
		}
	})
	t.Run("a wrong password", func(t *testing.T) {
		server := testenv.StartRedis(t)
		server.Do("CONFIG", "SET", "requirepass", "right")
		c := config(server)
		c.Password = "wrong"
		if _, err := redis.Open(t.Context(), c); err == nil || strings.Contains(err.Error(), "right") {
			t.Errorf("open: %v", err)
		}
	})
}

func TestURLs(t *testing.T) {
	c, err := redis.ParseURL("rediss://me:p%40ss@a,b:7000/0?cluster=true&prefix=x&replicas=2")
	if err != nil || c.Username != "me" || c.Password != "p@ss" || c.TLS == nil || !c.Cluster || c.Prefix != "x" || c.Replicas != 2 ||
		fmt.Sprint(c.Addresses) != "[a:6379 b:7000]" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{
		"", "http://a", "redis://", "redis://a,b", "redis://a/x", "redis://:s3cret@a/9?cluster=true", "redis://:s3cret@a?prefix={x}",
		"redis://:s3cret@a?wait=1", "redis://:s3cret@a:b:%zz",
	} {
		if c, err := redis.ParseURL(bad); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q = %+v, %v", bad, c, err)
		}
	}
}

// a room of the tests below, with an owner that repeats until it knows.
type owner struct {
	s     actors.Store
	ref   actors.RoomRef
	level actors.Durability
	owned actors.Owned
	n     int
}

func claim(ctx context.Context, s actors.Store, name string, level actors.Durability) (*owner, error) {
	o := &owner{s: s, ref: actors.RoomRef{Kind: "r", ID: name}, level: level}
	var err error
	o.owned, err = seize(ctx, s, o.ref)
	o.n = int(o.owned.Sequence)
	return o, err
}

// seize claims a room from whoever has it.
func seize(ctx context.Context, s actors.Store, ref actors.RoomRef) (actors.Owned, error) {
	present, err := s.Owner(ctx, ref)
	if err != nil {
		return actors.Owned{}, err
	}
	c := actors.Claim{Owner: actors.Owner{Node: "n", Nonce: fmt.Sprintf("%x", rand.Uint64())}, Expect: present}
	for {
		o, err := s.Claim(ctx, ref, c)
		if !errors.Is(err, actors.ErrUnavailable) || ctx.Err() != nil {
			return o, err
		}
		select { // Redis has been started again: owners come first
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// TestOwnersComeFirstWhereAnotherRedisAnswers: it has lost everything, and the
// owner takes its room back. For a while nobody else claims any.
func TestOwnersComeFirstWhereAnotherRedisAnswers(t *testing.T) {
	server := testenv.StartRedis(t)
	s, other := open(t, config(server)), open(t, config(server))
	defer s.Close()
	defer other.Close()
	now := time.Now()
	other.SetClock(func() time.Time { return now })
	o, err := claim(t.Context(), s, "r", "")
	if err == nil {
		err = o.append(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	theirs := actors.Claim{Owner: actors.Owner{Node: "m", Nonce: "1"}}
	tries := func(room actors.RoomRef, want error) {
		t.Helper()
		for range 2 {
			if _, err := other.Claim(t.Context(), room, theirs); !errors.Is(err, want) {
				t.Errorf("%v of the new Redis is claimed: %v, want %v", room, err, want)
			}
		}
	}
	tries(actors.RoomRef{Kind: "r", ID: "before"}, nil)
	server.Kill()
	server.Start()
	elsewhere := actors.RoomRef{Kind: "r", ID: "elsewhere"}
	tries(o.ref, actors.ErrUnavailable)
	now = now.Add(2*time.Second - 1)
	tries(elsewhere, actors.ErrUnavailable)
	back, err := s.Claim(t.Context(), o.ref, actors.Claim{Owner: o.owned.Owner, Back: true, Floor: o.owned.Epoch})
	if err != nil {
		t.Fatalf("the owner claims: %v", err)
	}
	if again, err := s.Claim(t.Context(), o.ref, actors.Claim{Owner: back.Owner}); err != nil || again != back {
		t.Errorf("the owner claims what it has: %+v, %v", again, err)
	}
	now = now.Add(1)
	tries(o.ref, actors.ErrHeld)
	tries(elsewhere, nil)
}

// append appends a batch that no other equals, until its outcome is known.
func (o *owner) append(ctx context.Context) error {
	b := &actors.Batch{
		Owned: o.owned, ID: fmt.Sprintf("b%x", rand.Uint64()), NewGeneration: fmt.Sprintf("g%x", rand.Uint64()), Durability: o.level,
		Entries: []actors.Entry{{Key: fmt.Sprint(o.n), Value: fmt.Appendf(nil, "value %d", o.n)}},
	}
	for {
		err := o.s.Append(ctx, o.ref, b)
		switch {
		case err == nil:
			o.owned = b.After()
			o.n++
			return nil
		case errors.Is(err, actors.ErrFenced) || ctx.Err() != nil:
			return err
		}
		select { // Redis is away
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func count(t *testing.T, s actors.Store, ref actors.RoomRef) int {
	t.Helper()
	o, err := seize(t.Context(), s, ref)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]string)
	if err := s.Load(t.Context(), ref, o, func(k string, v []byte) error { seen[k] = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range len(seen) {
		if seen[fmt.Sprint(i)] != fmt.Sprint("value ", i) {
			t.Fatalf("%v holds %d batches, but not number %d", ref, len(seen), i)
		}
	}
	return len(seen)
}

// writers append to rooms of a store, each until it is fenced.
type writers struct {
	owners []*owner
	acked  []atomic.Int64
	news   []chan struct{} // holds one after an append; closed when its owner was fenced
	errs   []error         // of the owners; read after wait
	wait   sync.WaitGroup
}

func startWriters(ctx context.Context, t *testing.T, s actors.Store, level actors.Durability, rooms int) *writers {
	t.Helper()
	w := &writers{acked: make([]atomic.Int64, rooms), errs: make([]error, rooms)}
	for i := range rooms {
		o, err := claim(ctx, s, fmt.Sprint(i), level)
		if err != nil {
			t.Fatal(err)
		}
		news := make(chan struct{}, 1)
		w.owners, w.news = append(w.owners, o), append(w.news, news)
		w.wait.Go(func() {
			defer close(news)
			for w.errs[i] == nil {
				if w.errs[i] = o.append(ctx); w.errs[i] != nil {
					return
				}
				w.acked[i].Store(int64(o.n))
				select {
				case news <- struct{}{}:
				default:
				}
			}
		})
	}
	return w
}

// await waits until every owner has appended some more, or was fenced.
func (w *writers) await(times func() int) {
	for _, news := range w.news {
		for range times() {
			<-news
		}
	}
}

// TestAKilledRedisKeepsWhatItsLevelPromises kills Redis with SIGKILL while
// rooms append, starts it again, and lets them go on with the batches whose
// outcome they do not know. With appendfsync always nothing that was
// acknowledged is missing and nothing is there twice. With everysec Redis
// answers before it writes while an fsync takes long, so the last changes may
// be missing: then what is there is what was first, with everything that was
// acknowledged some seconds before, and the owner is told. So it is with
// snapshots only, back to the last one. Without persistence the rooms are gone,
// and their owners are told.
func TestAKilledRedisKeepsWhatItsLevelPromises(t *testing.T) {
	const rooms, kills = 4, 4
	everysec := func(*testenv.Redis) { <-time.After(3 * time.Second) } // Redis waits no longer than two for an fsync
	save := func(r *testenv.Redis) { r.Do("SAVE") }
	for name, c := range map[string]struct {
		args  []string
		level actors.Durability
		keeps bool                 // all of it
		loses bool                 // what is not settled
		sets  func(*testenv.Redis) // settles what was acknowledged before: it is kept
	}{
		"appendfsync always":   {[]string{"--appendonly", "yes", "--appendfsync", "always"}, actors.DurabilityRedisFsync, true, false, nil},
		"appendfsync everysec": {[]string{"--appendonly", "yes"}, actors.DurabilityRedis, false, false, everysec},
		"snapshots":            {nil, actors.DurabilityRedis, false, true, save},
		"no persistence":       {nil, actors.DurabilityRedis, false, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			seed := cmp.Or(*seedFlag, uint64(time.Now().UnixNano()))
			t.Logf("seed %d; again with -args -seed %[1]d", seed)
			rnd := rand.New(rand.NewPCG(seed, 0))
			some := func() int { return 2 + rnd.IntN(30) } // some appends into the load
			server := testenv.StartRedis(t, c.args...)
			s := open(t, config(server))
			defer s.Close()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			w := startWriters(ctx, t, s, c.level, rooms)
			w.await(some)
			settled := make([]int, rooms)
			if c.sets != nil {
				for i := range settled {
					settled[i] = int(w.acked[i].Load())
				}
				c.sets(server)
			}
			for range kills {
				w.await(some)
				server.Kill()
				server.Start()
			}
			if !c.loses {
				w.await(func() int { return 2 })
				stop()
			}
			w.wait.Wait()
			for i, o := range w.owners {
				kept, told := count(t, s, o.ref), errors.Is(w.errs[i], actors.ErrFenced)
				t.Logf("%v: %d acknowledged, %d of them settled; %d kept, told %v", o.ref, o.n, settled[i], kept, told)
				switch {
				case c.keeps && told:
					t.Errorf("%v was told that it is fenced", o.ref)
				case !told && kept != o.n && kept != o.n+1: // the last one may have been under way
					t.Errorf("%v holds %d batches, %d were acknowledged", o.ref, kept, o.n)
				case kept < settled[i]:
					t.Errorf("%v holds %d batches, %d were settled", o.ref, kept, settled[i])
				case c.loses && (!told || kept >= o.n):
					t.Errorf("%v holds %d batches of %d, and its owner was told %v: nothing is shown", o.ref, kept, o.n, w.errs[i])
				case c.loses && c.sets == nil && kept != 0:
					t.Errorf("%v holds %d batches that nobody kept", o.ref, kept)
				}
			}
		})
	}
}

// TestAPromotedReplicaHasWhatWasWaitedFor kills the primary and promotes the
// replica.
func TestAPromotedReplicaHasWhatWasWaitedFor(t *testing.T) {
	fsync := []string{"--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"}
	primary := testenv.StartRedis(t, fsync...)
	host, port, _ := strings.Cut(primary.Addr, ":")
	replica := testenv.StartRedis(t, append(fsync, "--replicaof", host+" "+port)...)
	c := config(primary)
	c.Replicas, c.ReplicasTimeout = 1, 50*time.Millisecond
	s := open(t, c)
	defer s.Close()
	for end := time.Now().Add(20 * time.Second); ; {
		err := s.Provides(t.Context(), actors.DurabilityRedisSync)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	o, err := claim(t.Context(), s, "r", actors.DurabilityRedisSync)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := o.append(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	// A replica that does not answer: the outcome is unknown. Repeating the
	// batch waits again, although there is nothing left to change and another
	// connection, which has written nothing, may be the one to wait on.
	replica.Pause()
	other := open(t, c)
	defer other.Close()
	b := &actors.Batch{Owned: o.owned, ID: "unanswered", Durability: o.level, Entries: []actors.Entry{{Key: "50", Value: []byte("value 50")}}}
	for _, s := range []*redis.Store{s, other, s} {
		err := s.Append(t.Context(), o.ref, b)
		if err == nil || errors.Is(err, actors.ErrFenced) || errors.Is(err, actors.ErrUnavailable) {
			t.Fatalf("append without the replica: %v", err)
		}
	}
	replica.Resume()
	for end := time.Now().Add(20 * time.Second); s.Append(t.Context(), o.ref, b) != nil; {
		if time.Now().After(end) {
			t.Fatal("the replica is back and the batch is not through")
		}
	}

	primary.Kill()
	if err := s.Append(t.Context(), o.ref, &actors.Batch{Owned: b.After(), ID: "late", Durability: o.level}); err == nil {
		t.Fatal("a killed primary acknowledged")
	}
	replica.Do("REPLICAOF", "NO", "ONE")
	after := open(t, config(replica))
	defer after.Close()
	if kept := count(t, after, o.ref); kept != 51 {
		t.Errorf("%d batches, want 51", kept)
	}
}

// TestAnOutageIsToldApartFromAnUnknownOutcome looks at what an owner hears
// while Redis is paused, gone, full or loading.
func TestAnOutageIsToldApartFromAnUnknownOutcome(t *testing.T) {
	server := testenv.StartRedis(t)
	c := config(server)
	c.ReplicasTimeout, c.Timeout = 50*time.Millisecond, 200*time.Millisecond
	s := open(t, c)
	defer s.Close()
	o, err := claim(t.Context(), s, "r", actors.DurabilityDefault)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.append(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := &actors.Batch{Owned: o.owned, ID: "b", Entries: []actors.Entry{{Key: "1", Value: []byte("value 1")}}}
	server.Pause()
	if err := s.Append(t.Context(), o.ref, b); err == nil || errors.Is(err, actors.ErrUnavailable) || errors.Is(err, actors.ErrFenced) {
		t.Errorf("paused: %v, want that the outcome is unknown", err)
	}
	server.Resume()
	if err := s.Append(t.Context(), o.ref, b); err != nil {
		t.Errorf("again: %v", err)
	}
	server.Do("CONFIG", "SET", "maxmemory", "1")
	if err := s.Append(t.Context(), o.ref, &actors.Batch{Owned: b.After(), ID: "c"}); !errors.Is(err, actors.ErrUnavailable) {
		t.Errorf("full: %v, want that nothing was done", err)
	}
	if _, err := s.Claim(t.Context(), actors.RoomRef{Kind: "r", ID: "other"}, actors.Claim{Owner: o.owned.Owner}); !errors.Is(err, actors.ErrUnavailable) {
		t.Errorf("full: %v", err)
	}
	if err := s.Release(t.Context(), o.ref, b.After()); err != nil {
		t.Errorf("full, release: %v", err)
	}
	server.Do("CONFIG", "SET", "maxmemory", "0")
	if n := count(t, s, o.ref); n != 2 {
		t.Errorf("%d batches", n)
	}
	server.Kill()
	if err := s.Append(t.Context(), o.ref, b); err == nil {
		t.Error("gone: it was acknowledged")
	}
	if err := s.Append(t.Context(), o.ref, b); !errors.Is(err, actors.ErrUnavailable) {
		t.Errorf("gone for a while: %v, want that nothing was done", err)
	}
}

// TestVisitorsLeaveNoKey claims and releases rooms that never append, and
// destroys one that did.
func TestVisitorsLeaveNoKey(t *testing.T) {
	server := testenv.StartRedis(t)
	s := open(t, config(server))
	defer s.Close()
	for i := range 500 {
		o, err := claim(t.Context(), s, fmt.Sprint(i), "")
		if err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			if err = o.append(t.Context()); err == nil {
				err = s.Destroy(t.Context(), o.ref, o.owned)
			}
		} else {
			err = s.Release(t.Context(), o.ref, o.owned)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := server.Do("DBSIZE"); got != ":0" {
		t.Errorf("DBSIZE = %s", got)
	}
}
