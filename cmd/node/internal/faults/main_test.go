package faults

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/cmd/node/internal/app"
)

// nodeEnv makes the test binary a node: parlor serve, with three kinds and a gateway more.
const nodeEnv = "PARLOR_TEST_NODE"

// newsNode is the value with which it tells the news.
const newsNode = "news"

func TestMain(m *testing.M) {
	if os.Getenv(nodeEnv) != "" {
		os.Exit(serve())
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		removeProgram()
		os.Exit(status)
	}))
}

func serve() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	news := newNews()
	main := app.Main{
		Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr,
		Kinds:    []actors.Behavior{hallKind(), lobbyKind(), metronomeKind()},
		Gateways: []actors.GatewayBehavior{news},
	}
	told := make(chan struct{})
	go func() { // awaited below
		defer close(told)
		if os.Getenv(nodeEnv) == newsNode {
			tell(ctx, news)
		}
	}()
	err := main.Run(ctx)
	stop()
	<-told
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return app.Status(err)
	}
	return 0
}
