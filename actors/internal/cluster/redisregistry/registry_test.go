package redisregistry

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors/internal/cluster"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dial(t *testing.T) redis.UniversalClient {
	client := redis.NewClient(&redis.Options{Addr: testenv.StartRedis(t).Addr})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestTheScriptsAgreeWithTheirReference sends the same beats, at the same
// times, to Redis and to cluster.Memory, whose contract the model test of
// membership rests on. Now and then both are emptied, or rolled back.
func TestTheScriptsAgreeWithTheirReference(t *testing.T) {
	client := dial(t)
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		if err := client.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		kept := New(client, "t")
		kept.now = clock
		model := &cluster.Memory{Now: clock}
		var ticks [4]uint64
		draining := [4]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			},
			"beat": func(t *rapid.T) {
				i := rapid.IntRange(0, 3).Draw(t, "node")
				b := cluster.Beat{
					Self: cluster.Member{ID: fmt.Sprintf("n%d", i), Address: fmt.Sprintf("h%d:1", i%3), Rooms: true, Kinds: []string{"board"}, Draining: draining[i]},
					TTL:  5 * time.Second, Gap: 1300 * time.Millisecond,
					Join: rapid.Bool().Draw(t, "join"), Sure: rapid.Bool().Draw(t, "sure"), Seen: ticks[i],
				}
				want, _ := model.Beat(ctx, b)
				got, err := kept.Beat(ctx, b)
				if err != nil {
					t.Fatal(err)
				}
				slices.SortFunc(got.Members, func(a, b cluster.Member) int { return strings.Compare(a.ID, b.ID) })
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("Redis answers %+v\nwant %+v", got, want)
				}
				ticks[i] = got.Tick
			},
			"expire": func(t *rapid.T) {
				id := fmt.Sprintf("n%d", rapid.IntRange(0, 3).Draw(t, "node"))
				_ = model.Expire(ctx, id)
				if err := kept.Expire(ctx, id); err != nil {
					t.Fatal(err)
				}
			},
			"drain": func(t *rapid.T) { draining[rapid.IntRange(0, 3).Draw(t, "node")] = true },
			"empty": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					*model = cluster.Memory{Now: clock}
					if err := client.FlushAll(ctx).Err(); err != nil {
						t.Fatal(err)
					}
				}
			},
		})
	})
}

func TestWatchersHearOfChanges(t *testing.T) {
	client := dial(t)
	r := New(client, "t")
	ctx, cancel := context.WithCancel(t.Context())
	changed := make(chan struct{}, 100)
	done := make(chan struct{})
	go func() { defer close(done); r.Watch(ctx, func() { changed <- struct{}{} }) }()
	beat := cluster.Beat{Self: cluster.Member{ID: "a", Address: "a:1"}, TTL: time.Second, Gap: time.Second, Join: true}
	for { // until the subscription stands
		if n, err := client.PubSubNumSub(ctx, r.channel).Result(); err != nil || n[r.channel] == 1 {
			break
		}
	}
	for i, f := range []func() error{
		func() error { _, err := r.Beat(ctx, beat); return err },
		func() error { return r.Expire(ctx, "a") },
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
		case <-time.After(5 * time.Second):
			t.Fatalf("change %d was not told", i)
		}
	}
	cancel()
	<-done
}

// TestTheClockIsRedis: leases end by Redis' own time, and members of another
// prefix are not seen.
func TestTheClockIsRedis(t *testing.T) {
	client := dial(t)
	r, other := New(client, "t"), New(client, "u")
	ctx := t.Context()
	beat := func(r *Registry, id string, ttl time.Duration) cluster.Roll {
		roll, err := r.Beat(ctx, cluster.Beat{
			Self: cluster.Member{ID: id, Address: id + ":1"}, TTL: ttl, Gap: time.Hour, Join: true, Sure: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		return roll
	}
	beat(other, "x", time.Hour)
	beat(r, "a", time.Hour) // the first sure beat extends what there is
	beat(r, "b", time.Millisecond)
	<-time.After(5 * time.Millisecond)
	if roll := beat(r, "a", time.Hour); len(roll.Members) != 1 || roll.Members[0].ID != "a" {
		t.Errorf("members are %+v, want a alone", roll.Members)
	}
	if roll := beat(r, "b", time.Hour); !roll.Lost {
		t.Error("a lease that ended can be taken again")
	}
	if ttl := client.TTL(ctx, r.keys[0]).Val(); ttl != -1 {
		t.Errorf("the list itself expires in %v", ttl)
	}
}

// TestAnotherProcessIsAnotherDataSet: it may have lost what came last, though
// no beat was among that.
func TestAnotherProcessIsAnotherDataSet(t *testing.T) {
	server := testenv.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = client.Close() })
	r := New(client, "t")
	b := cluster.Beat{Self: cluster.Member{ID: "a", Address: "a:1"}, TTL: time.Hour, Gap: time.Hour, Join: true, Sure: true}
	beat := func() cluster.Roll {
		t.Helper()
		roll, err := r.Beat(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		b.Join, b.Seen = false, roll.Tick
		return roll
	}
	first := beat()
	if again := beat(); again.Data != first.Data {
		t.Errorf("data set %d, then %d", first.Data, again.Data)
	}
	server.Kill()
	server.Start()
	second := beat()
	if second.Data == first.Data || second.Age > time.Minute || second.Tick != 3 || len(second.Members) != 1 {
		t.Errorf("after a restart that lost nothing: %+v, was %+v", second, first)
	}
	if again := beat(); again.Data != second.Data {
		t.Errorf("data set %d, then %d", second.Data, again.Data)
	}
}

// TestWhoMayNotAskForInfoBeatsAllTheSame: its Redis forbids it.
func TestWhoMayNotAskForInfoBeatsAllTheSame(t *testing.T) {
	client := dial(t)
	if err := client.Do(t.Context(), "ACL", "SETUSER", "default", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	r := New(client, "t")
	b := cluster.Beat{Self: cluster.Member{ID: "a", Address: "a:1"}, TTL: time.Hour, Gap: time.Hour, Join: true}
	first, err := r.Beat(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.Beat(t.Context(), b); err != nil || again.Data != first.Data {
		t.Errorf("%+v, %v, after %+v", again, err, first)
	}
}

func TestARedisThatFailsIsAnError(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer func() { _ = client.Close() }()
	r := New(client, "t")
	if _, err := r.Beat(t.Context(), cluster.Beat{}); err == nil {
		t.Error("no error")
	}
	if err := r.Expire(t.Context(), "a"); err == nil {
		t.Error("no error")
	}
	for _, reply := range [][]any{{}, {"OK"}, {"OK", "x", "1", int64(1)}, {"OK", int64(1), "x", int64(1)}, {"OK", int64(1), "1", int64(1), "a", "{"}} {
		if _, err := parse(reply); err == nil {
			t.Errorf("%v is understood", reply)
		}
	}
}
