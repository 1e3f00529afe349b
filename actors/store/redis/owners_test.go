package redis_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/redis"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// claimed claims a room for a node, and appends to it if something is to be
// kept.
func claimed(t *testing.T, s *redis.Store, node string, room actors.RoomRef, keep bool, expect actors.Owner) actors.Owned {
	t.Helper()
	o, err := s.Claim(t.Context(), room, actors.Claim{Owner: actors.Owner{Node: node, Nonce: "of-" + node}, Expect: expect})
	if err != nil {
		t.Fatal(err)
	}
	if keep {
		err = s.Append(t.Context(), room, &actors.Batch{Owned: o, ID: "1", NewGeneration: "g", Entries: []actors.Entry{{Key: "k", Value: []byte("v")}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func porch(i int) actors.RoomRef { return actors.RoomRef{Kind: "porch", ID: fmt.Sprint("r", i)} }

func owners(t *testing.T, s *redis.Store) []string {
	t.Helper()
	nodes, err := s.Owners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

// buried has everything of a node given up, and returns in how many steps.
func buried(t *testing.T, s *redis.Store, node string, most int) (steps int) {
	t.Helper()
	for more := true; more; steps++ {
		var err error
		if more, err = s.Bury(t.Context(), node, most); err != nil {
			t.Fatal(err)
		}
	}
	return steps
}

// TestTheRoomsOfADeadNodeAreBuried: of those of which nothing is kept nothing is
// left, of the others all but their owner, and those of other nodes stay.
func TestTheRoomsOfADeadNodeAreBuried(t *testing.T) {
	server := testenv.StartRedis(t)
	c := config(server)
	c.Prefix = "p"
	s := open(t, c)
	defer s.Close()
	const rooms = 300
	var old actors.Owned
	for i := range rooms {
		old = claimed(t, s, "dead", porch(i), i == 0, actors.Owner{})
	}
	first := old.Owner
	taken := claimed(t, s, "dea", porch(1), false, first) // whose name the other begins with
	claimed(t, s, "deadly", porch(rooms), false, actors.Owner{})
	if got := owners(t, s); !slices.Equal(got, []string{"dea", "dead", "deadly"}) {
		t.Errorf("owners are %v", got)
	}
	if steps := buried(t, s, "dead", 128); steps != 3 {
		t.Errorf("buried in %d steps", steps)
	}
	if got := owners(t, s); !slices.Equal(got, []string{"dea", "deadly"}) {
		t.Errorf("afterwards owners are %v", got)
	}
	for i := range rooms {
		key := c.Prefix + ":{" + porch(i).String() + "}:own"
		left := server.Do("PTTL", key)
		var ms int
		_, _ = fmt.Sscanf(left, ":%d", &ms)
		switch o, err := s.Owner(t.Context(), porch(i)); {
		case err != nil:
			t.Fatal(err)
		case i == 1 && (o != taken.Owner || left != ":-1"):
			t.Errorf("a room that was taken before: %v, %s", o, left)
		case i == 0 && (o != (actors.Owner{}) || left != ":-1"):
			t.Errorf("a room that is kept: %v, %s", o, left)
		case i > 1 && (o != (actors.Owner{}) || ms < 1 || ms > 10_000):
			t.Fatalf("a room of which nothing is kept: %v, it ends in %s", o, left)
		}
	}
	again := claimed(t, s, "next", porch(rooms-1), false, actors.Owner{})
	if again.Epoch <= old.Epoch {
		t.Errorf("epoch %d after %d", again.Epoch, old.Epoch)
	}
	if left := server.Do("PTTL", c.Prefix+":{"+porch(rooms-1).String()+"}:own"); left != ":-1" {
		t.Errorf("a room that is owned again ends in %s", left)
	}
	if got := claimed(t, s, "next", porch(0), false, actors.Owner{}); got.Sequence != 1 {
		t.Errorf("what was kept: %+v", got)
	}
	if steps := buried(t, s, "dead", 128); steps != 1 {
		t.Error("there is something left to bury")
	}
}

// TestOwnersAreWrittenDownForAsLongAsTheyOwn, also where Redis does not know the
// scripts yet, and in a Redis Cluster.
func TestOwnersAreWrittenDownForAsLongAsTheyOwn(t *testing.T) {
	for name, start := range map[string]func(*testing.T) []*testenv.Redis{
		"one server":    func(t *testing.T) []*testenv.Redis { return []*testenv.Redis{testenv.StartRedis(t)} },
		"Redis Cluster": startCluster,
	} {
		t.Run(name, func(t *testing.T) {
			servers := start(t)
			s := open(t, config(servers...))
			defer s.Close()
			each := func(command ...string) (answers []string) {
				for _, server := range servers {
					answers = append(answers, server.Do(command...))
				}
				return answers
			}
			for range 2 {
				each("SCRIPT", "FLUSH")
				o := claimed(t, s, "a", porch(1), false, actors.Owner{})
				_, err := s.Claim(t.Context(), porch(1), actors.Claim{Owner: actors.Owner{Node: "b", Nonce: "1"}})
				if !errors.Is(err, actors.ErrHeld) {
					t.Fatal(err)
				}
				if got := owners(t, s); !slices.Equal(got, []string{"a"}) {
					t.Errorf("owners are %v", got)
				}
				each("SCRIPT", "FLUSH")
				if err := s.Release(t.Context(), porch(1), o); err != nil {
					t.Fatal(err)
				}
				for _, size := range each("DBSIZE") {
					if size != ":0" {
						t.Errorf("DBSIZE = %s", size)
					}
				}
			}
		})
	}
}
