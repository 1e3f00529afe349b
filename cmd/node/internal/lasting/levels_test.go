package lasting

import (
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// everysecLag is what an everysec Redis, or a replica that is not waited for,
// may be behind: Redis lets an fsync take two seconds before it waits for it.
const everysecLag = 3 * time.Second

// TestClientsOfAKilledRedisHaveWhatTheirLevelPromises kills Redis with SIGKILL
// while clients write, every other time the server with it, and has it come
// back with what its persistence kept, or its replica in its place. Where the
// level promises it, all is as if nothing had happened. Where it does not, only
// that is missing which the setting may lose; everybody who knew of it is told
// recovered: false; and what is acknowledged from then on is there.
func TestClientsOfAKilledRedisHaveWhatTheirLevelPromises(t *testing.T) {
	always := []string{"--appendonly", "yes", "--appendfsync", "always"}
	for _, c := range []struct {
		name     string
		level    actors.Durability
		args     []string
		failOver bool // to a replica
		keeps    keeps
	}{
		{"redis-fsync, AOF always", actors.DurabilityRedisFsync, always, false, keepsAll},
		{"redis, AOF everysec", actors.DurabilityRedis, []string{"--appendonly", "yes"}, false, keepsMost},
		{"redis, RDB only", actors.DurabilityRedis, nil, false, keepsSnapshots},
		{"redis, no persistence", actors.DurabilityRedis, nil, false, keepsNothing},
		{"redis-sync, fail-over", actors.DurabilityRedisSync, always, true, keepsAll},
		{"redis-fsync, fail-over", actors.DurabilityRedisFsync, always, true, keepsMost},
	} {
		t.Run(c.name, func(t *testing.T) {
			seed := drawSeed(t)
			g := &ground{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), args: c.args, keeps: c.keeps}
			g.redis = testenv.StartRedis(t, c.args...)
			if c.failOver {
				g.follow()
			}
			url := g.redis.URL()
			if c.level == actors.DurabilityRedisSync {
				url += "?replicas=1"
			}
			g.server = startServer(t, c.level, "--redis", url, "--cluster-lease", "2s")
			crowd := begin(t, "http://"+g.server.Public(), seed, c.keeps != keepsAll)
			crowd.server = g.server
			for i := range outages {
				crowd.await(1 + g.rnd.IntN(400))
				g.snapshot()
				crowd.await(1 + g.rnd.IntN(400))
				g.breaks(i%2 == 1)
			}
			held := crowd.finish()
			crowd.stop()
			lost := crowd.audit(held, g.mayLose)
			sum := crowd.tally()
			t.Logf("%d outages, %d lines that were acknowledged are lost; %v", outages, lost, sum)
			switch {
			case c.keeps == keepsAll && sum.cuts > 0:
				t.Errorf("%d stays were cut, though nothing was lost", sum.cuts)
			case c.keeps >= keepsSnapshots && (lost == 0 || sum.cuts == 0):
				t.Error("nothing was lost, or nobody was told: nothing is shown")
			}
		})
	}
}

// keeps is what a Redis keeps when it is killed.
type keeps int

const (
	keepsAll       keeps = iota
	keepsMost            // all but what came in the last seconds
	keepsSnapshots       // what was there at the last snapshot
	keepsNothing
)

// ground is what a crowd stands on.
type ground struct {
	t      *testing.T
	rnd    *rand.Rand
	server *fleet.Node
	redis  *testenv.Redis
	args   []string
	keeps  keeps

	replica *testenv.Redis // takes the place of redis; nil: redis is started again
	saved   time.Time      // when the last snapshot was begun
	losses  []window
	owed    *time.Time // from when on Redis may have lost what the server has, and may not have given back yet; nil: nothing
}

// window is from when to when a change may have been acknowledged and lost.
type window struct{ from, to time.Time }

func (g *ground) mayLose(acknowledged time.Time) bool {
	for _, w := range g.losses {
		if acknowledged.After(w.from) && acknowledged.Before(w.to) {
			return true
		}
	}
	return false
}

// follow starts a replica and waits until it follows.
func (g *ground) follow() {
	g.t.Helper()
	host, port, _ := net.SplitHostPort(g.redis.Addr)
	g.replica = testenv.StartRedis(g.t, append(g.args, "--repl-diskless-sync-delay", "0", "--replicaof", host+" "+port)...)
	for end := time.Now().Add(patience); g.redis.Do("WAIT", "1", "100") != ":1"; {
		if time.Now().After(end) {
			g.t.Fatal("the replica does not follow")
		}
	}
}

func (g *ground) snapshot() {
	if g.keeps != keepsSnapshots {
		return
	}
	g.saved = time.Now()
	if got := g.redis.Do("SAVE"); got != "+OK" {
		g.t.Fatalf("SAVE: %s", got)
	}
}

// breaks kills Redis, and the server if it should, and brings both back. What
// Redis loses while the server lives is lost only if that dies too, before it
// has given it back and Redis has kept it.
func (g *ground) breaks(server bool) {
	g.t.Helper()
	if server && g.rnd.IntN(2) == 0 {
		g.server.Kill()
	}
	killed := time.Now()
	g.redis.Kill()
	if server {
		g.server.Kill()
	}
	if g.replica != nil {
		g.failOver()
	} else {
		g.redis.Start()
	}
	from := map[keeps]time.Time{keepsMost: killed.Add(-everysecLag), keepsSnapshots: g.saved}[g.keeps]
	if g.keeps != keepsAll && (g.owed == nil || from.Before(*g.owed)) {
		g.owed = &from
	}
	if server {
		if g.owed != nil {
			g.losses = append(g.losses, window{*g.owed, time.Now()})
			g.owed = nil
		}
		start(g.t, g.server)
	}
}

// failOver has the replica take the place of Redis, under its address.
func (g *ground) failOver() {
	g.t.Helper()
	_, port, _ := strings.Cut(g.redis.Addr, ":")
	for _, command := range [][]string{{"REPLICAOF", "NO", "ONE"}, {"CONFIG", "SET", "port", port}} {
		if got := g.replica.Do(command...); got != "+OK" {
			g.t.Fatalf("%s: %s", command[0], got)
		}
	}
	g.replica.Addr = g.redis.Addr
	g.redis = g.replica
	g.follow()
}
