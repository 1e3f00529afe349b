package lasting

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/cmd/node/internal/app"
)

// nodeEnv makes the test binary a node: parlor serve, with ledgers that are
// kept at the level levelEnv.
const (
	nodeEnv  = "PARLOR_TEST_LASTING_NODE"
	levelEnv = "PARLOR_TEST_LASTING_LEVEL"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "what random choices begin with; 0 draws one")
	killsFlag = flag.Int("kills", kills, "how often a server is killed")
)

func TestMain(m *testing.M) {
	if os.Getenv(nodeEnv) != "" {
		os.Exit(serve())
	}
	goleak.VerifyTestMain(m)
}

func serve() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	level := actors.Durability(os.Getenv(levelEnv))
	os.Unsetenv(nodeEnv) // the program would not know the variables
	os.Unsetenv(levelEnv)
	main := app.Main{
		Args: os.Args[1:], Env: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr,
		Kinds: []actors.Behavior{ledgerKind(level)},
	}
	if err := main.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return app.Status(err)
	}
	return 0
}

// drawSeed returns the seed of this run and logs it. With it come the same
// choices; what they meet is up to the machine.
func drawSeed(t *testing.T) uint64 {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d; again with -args -seed %[1]d", seed)
	return seed
}
