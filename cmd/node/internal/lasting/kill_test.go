package lasting

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
)

// TestAKilledServerKeepsWhatItsClientsWereAnswered kills parlor serve with
// SIGKILL, over the embedded store, while clients write over every transport,
// and starts it again, also before it has started. Clients come back by
// themselves and send again what was not acknowledged. In the end every line
// is there once, where its acknowledgement said; nobody was told or shown
// anything that is not there; and what each was told has no gap.
func TestAKilledServerKeepsWhatItsClientsWereAnswered(t *testing.T) {
	seed := drawSeed(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	server := startServer(t)
	c := begin(t, "http://"+server.Public(), seed)
	early := 0
	for range kills {
		c.await(1 + rnd.IntN(400))
		server.Kill()
		for rnd.IntN(4) == 0 {
			early++
			launch(t, server)
			pause(t.Context(), time.Duration(rnd.Int64N(int64(startTime))))
			server.Kill()
		}
		launch(t, server)
		if err := server.Ready(); err != nil {
			t.Fatal(err)
		}
	}
	held := c.finish()
	c.stop()
	server.Kill()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	lines := 0
	for room, before := range held {
		after := read(t, c.url, room)
		if !slices.Equal(before, after) {
			t.Errorf("%s held %d lines before the last kill, and holds %d", room, len(before), len(after))
		}
		lines += len(after)
	}
	c.audit(held)
	c.report(t, kills+early+1, lines)
}

// startTime is about what the program takes to start.
const startTime = 300 * time.Millisecond

// report logs how much was done, and fails the test if that shows nothing.
func (c *crowd) report(t *testing.T, killed, lines int) {
	t.Helper()
	var resent, resumed, began, cuts int
	for _, s := range c.all {
		resent += s.resent
		resumed += s.resumed
		began += s.began
		cuts += s.cuts
	}
	t.Logf("%d kills, %d lines, %d sent again; %d stays resumed, %d began, %d were told that they missed something", killed, lines, resent, resumed, began, cuts)
	if resent == 0 || resumed == 0 {
		t.Error("no command was sent again, or no stay went on: nothing is shown")
	}
	if cuts > 0 {
		t.Errorf("%d stays were cut, though seats outlive the process and all events were kept", cuts)
	}
}

// startServer starts the test binary as a server over an empty store.
func startServer(t *testing.T) *fleet.Node {
	t.Helper()
	n, err := fleet.NewNode(fleet.Config{
		Name: "server", Binary: os.Args[0], Env: append([]string{nodeEnv + "=1"}, authEnv...),
		Args: []string{"--store", t.TempDir(), "--playground", "off", "--transport-max-per-address", "0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

func launch(t *testing.T, n *fleet.Node) {
	t.Helper()
	if err := n.Launch(); err != nil {
		t.Fatal(err)
	}
}
