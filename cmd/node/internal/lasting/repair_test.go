package lasting

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestClientsDoNotNoticeThatRedisWasRolledBack kills Redis with SIGKILL while
// clients write, and has it come back without what its setting loses, or its
// replica in its place: again and again, and the rooms' owners live. Nothing
// that was acknowledged is missing or doubled, and nobody is told anything;
// also by the processes that then find in Redis what those had given back.
func TestClientsDoNotNoticeThatRedisWasRolledBack(t *testing.T) {
	for _, c := range []struct {
		name     string
		level    actors.Durability
		args     []string
		failOver bool
		keeps    keeps
	}{
		{"AOF everysec", actors.DurabilityRedis, []string{"--appendonly", "yes"}, false, keepsMost},
		{"RDB only", actors.DurabilityRedis, nil, false, keepsSnapshots},
		{"no persistence", actors.DurabilityRedis, nil, false, keepsNothing},
		{"fail-over", actors.DurabilityRedisFsync, []string{"--appendonly", "yes", "--appendfsync", "always"}, true, keepsMost},
	} {
		for nodes := 1; nodes <= 2; nodes++ {
			t.Run(c.name+map[int]string{1: ", one node", 2: ", two nodes"}[nodes], func(t *testing.T) {
				seed := drawSeed(t)
				g := &ground{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), args: c.args, keeps: c.keeps}
				g.redis = testenv.StartRedis(t, c.args...)
				if c.failOver {
					g.follow()
				}
				var servers []*fleet.Node
				var addresses []string
				for range nodes {
					n := startServer(t, c.level, "--redis", g.redis.URL(), "--cluster-lease", "2s")
					servers, addresses = append(servers, n), append(addresses, n.Public())
				}
				balancer, err := fleet.StartBalancer("127.0.0.1:0", addresses...)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = balancer.Close() })
				crowd := begin(t, balancer.URL(), seed, false)
				for range outages {
					crowd.await(1 + g.rnd.IntN(400))
					g.snapshot()
					crowd.await(1 + g.rnd.IntN(400))
					g.breaks(false)
				}
				crowd.await(1)
				held := crowd.finish() // everybody's last line is one that was written since
				crowd.stop()
				crowd.audit(held, nil)
				sum := crowd.tally()
				if sum.cuts > 0 {
					t.Errorf("%d stays were cut", sum.cuts)
				}
				repaired := 0
				for _, n := range servers {
					repaired += strings.Count(n.Log(), "and is given it back")
					n.Kill()
				}
				t.Logf("%d outages, %d repairs; %v", outages, repaired, sum)
				if repaired == 0 && c.keeps >= keepsSnapshots {
					t.Error("no room was repaired: nothing is shown")
				}
				for _, n := range servers {
					start(t, n)
				}
				for room, before := range held {
					if after := read(t, crowd.url, room); !slices.Equal(before, after) {
						t.Errorf("%s held %d lines, and %d are in Redis", room, len(before), len(after))
					}
				}
			})
		}
	}
}

// TestANodeThatCameLaterLeavesRoomsToTheirOwner: by rendezvous half of the rooms
// would be its own. It is asked for each of them in the moment in which Redis
// is back and knows of no room.
func TestANodeThatCameLaterLeavesRoomsToTheirOwner(t *testing.T) {
	redis := testenv.StartRedis(t)
	arguments := []string{"--redis", redis.URL(), "--cluster-lease", "2s"}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := startServer(t, actors.DurabilityRedis, arguments...)
	client, err := transporttest.Dial(ctx, "http://"+first.Public(), transporttest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Abort)
	const several = 12
	name := func(i int) string { return fmt.Sprintf("/ledger/r%d", i) }
	for i := range several {
		ns, err := client.Connect(ctx, name(i), map[string]string{"token": token(t, "ada")})
		if err == nil {
			_, err = ns.EmitAck(ctx, "write", line{"ada", i})
		}
		if err != nil {
			t.Fatalf("%s: %v", name(i), err)
		}
	}
	later := startServer(t, actors.DurabilityRedis, arguments...)
	redis.Kill()
	redis.Start()
	for i := range several {
		if got := read(t, "http://"+later.Public(), name(i)); !slices.Equal(got, []line{{"ada", i}}) {
			t.Errorf("%s holds %v", name(i), got)
		}
	}
	if log := first.Log() + later.Log(); strings.Contains(log, "rollback_divergence") {
		t.Error("a room was taken from its owner")
	}
}
