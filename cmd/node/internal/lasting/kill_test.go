package lasting

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestAKilledServerKeepsWhatItsClientsWereAnswered kills parlor serve with
// SIGKILL while clients write over every transport, and starts it again, also
// before it has started; now and then it is stopped in its tracks for a while
// before. Clients come back by themselves and send again what
// was not acknowledged. In the end every line is there once, where its
// acknowledgement said; nobody was told or shown anything that is not there;
// and what each was told has no gap.
func TestAKilledServerKeepsWhatItsClientsWereAnswered(t *testing.T) {
	t.Run("over the embedded store", func(t *testing.T) {
		killServer(t, *killsFlag, startServer(t, "", "--store", t.TempDir()))
	})
	t.Run("over Redis", func(t *testing.T) {
		redis := testenv.StartRedis(t)
		// A room is taken from a killed process once its lease has ended.
		killServer(t, max(2, *killsFlag/4), startServer(t, "", "--redis", redis.URL(), "--cluster-lease", "2s"))
	})
}

// killServer kills a server so often, starts it again, and audits.
func killServer(t *testing.T, times int, server *fleet.Node) {
	t.Helper()
	seed := drawSeed(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	c := begin(t, "http://"+server.Public(), seed, false)
	for killed := 1; killed < times; killed++ {
		c.await(1 + rnd.IntN(400))
		if rnd.IntN(4) == 0 {
			stand(t, server, time.Duration(rnd.Int64N(int64(startTime))))
			c.await(1)
		}
		server.Kill()
		for ; killed < times-1 && rnd.IntN(4) == 0; killed++ {
			launch(t, server)
			testenv.Pause(t.Context(), time.Duration(rnd.Int64N(int64(startTime))))
			server.Kill()
		}
		start(t, server)
	}
	held := c.finish()
	c.stop()
	server.Kill()
	start(t, server)
	lines := 0
	for room, before := range held {
		after := read(t, c.url, room)
		if !slices.Equal(before, after) {
			t.Errorf("%s held %d lines before the last kill, and holds %d", room, len(before), len(after))
		}
		lines += len(after)
	}
	c.audit(held, nil)
	c.report(t, times, lines)
}

// stand stops a server in its tracks for a while.
func stand(t *testing.T, server *fleet.Node, d time.Duration) {
	t.Helper()
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	testenv.Pause(t.Context(), d)
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
}

// TestClientsOfAKilledServerThatKeptNothingAreTold: rooms in the memory of a
// server end with it. Whoever knew of one is told recovered: false, and what is
// acknowledged by the next process is there.
func TestClientsOfAKilledServerThatKeptNothingAreTold(t *testing.T) {
	seed := drawSeed(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	server := startServer(t, actors.DurabilityMemory)
	c := begin(t, "http://"+server.Public(), seed, true)
	var killed time.Time
	for range outages {
		c.await(1 + rnd.IntN(400))
		server.Kill()
		killed = time.Now()
		start(t, server)
	}
	held := c.finish()
	c.stop()
	lost := c.audit(held, func(acknowledged time.Time) bool { return acknowledged.Before(killed) })
	sum := c.tally()
	t.Logf("%d lines that were acknowledged are lost; %v", lost, sum)
	if lost == 0 || sum.cuts == 0 {
		t.Error("nothing was lost, or nobody was told: nothing is shown")
	}
}

// startTime is about what the program takes to start.
const startTime = 300 * time.Millisecond

// report logs how much was done, and fails the test if that shows nothing.
func (c *crowd) report(t *testing.T, killed, lines int) {
	t.Helper()
	sum := c.tally()
	t.Logf("%d kills, %d lines, %v", killed, lines, sum)
	if sum.resent == 0 || sum.resumed == 0 {
		t.Error("no command was sent again, or no stay went on: nothing is shown")
	}
	if sum.cuts > 0 {
		t.Errorf("%d stays were cut, though seats outlive the process and all events were kept", sum.cuts)
	}
}

// tally is what scribes went through.
type tally struct{ resent, resumed, began, cuts int }

func (s tally) String() string {
	return fmt.Sprintf("%d sent again; %d stays resumed, %d began, %d were told that they missed something", s.resent, s.resumed, s.began, s.cuts)
}

// tally adds up. The crowd must have stopped.
func (c *crowd) tally() (sum tally) {
	for _, s := range c.all {
		sum.resent += s.resent
		sum.resumed += s.resumed
		sum.began += s.began
		sum.cuts += s.cuts
	}
	return sum
}

// startServer starts the test binary as a server that keeps rooms at a level,
// where these arguments say.
func startServer(t *testing.T, level actors.Durability, store ...string) *fleet.Node {
	t.Helper()
	n, err := fleet.NewNode(fleet.Config{
		Name: "server", Binary: os.Args[0], Env: append([]string{nodeEnv + "=1", levelEnv + "=" + string(level)}, authEnv...),
		Args: append(store, "--playground", "off", "--transport-max-per-address", "0"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	start(t, n)
	return n
}

func start(t *testing.T, n *fleet.Node) {
	t.Helper()
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
}

func launch(t *testing.T, n *fleet.Node) {
	t.Helper()
	if err := n.Launch(); err != nil {
		t.Fatal(err)
	}
}
