// Command parlor is the ready-made server: relay rooms from a configuration
// file, a playground, and everything that runs a node.
//
//	parlor serve --listen 127.0.0.1:8080 --config parlor.yaml
//	parlor config print
//
// The first SIGINT or SIGTERM stops it in order; the second ends it at once,
// with 128 and the number of the signal as its status. A node that the others
// count as gone ends with 3, for a supervisor to start it again.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/parlor-rooms/parlor/cmd/node/internal/app"
)

// version is set by the linker: -X main.version=v1.2.3.
var version string

func main() {
	membership, _ := os.ReadFile("/proc/self/cgroup") // not there: no limit
	limitMemory("/sys/fs/cgroup", membership)
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		cancel()
		if s, ok := (<-signals).(syscall.Signal); ok {
			os.Exit(128 + int(s))
		}
	}()
	m := app.Main{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version}
	if err := m.Run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "parlor: %v\n", err)
		os.Exit(app.Status(err))
	}
}
