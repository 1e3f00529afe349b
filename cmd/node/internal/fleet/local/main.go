// Command local is make cluster: a Redis, a few nodes and a balancer on this
// machine, with the playground on top. Kill a node and watch: it is started
// again after a moment. Ctrl-C stops everything.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
)

// restartAfter is how long a node that was killed stays away.
const restartAfter = 3 * time.Second

// stopWithin bounds the end.
const stopWithin = 60 * time.Second

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "HOST:PORT of the balancer")
	nodes := flag.Int("nodes", 3, "how many nodes")
	binary := flag.String("parlor", "bin/parlor", "the program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *nodes, *binary, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// run runs the cluster until ctx ends.
func run(ctx context.Context, listen string, count int, binary string, args []string) error {
	redis, err := fleet.StartRedis()
	if err != nil {
		return err
	}
	defer redis.Kill()
	nodes, err := startNodes(count, binary, append([]string{"--redis", redis.URL(), "--playground", "on"}, args...))
	defer stopNodes(nodes)
	var wait sync.WaitGroup
	defer wait.Wait()
	if err != nil {
		return err
	}
	var backends []string
	for _, n := range nodes {
		backends = append(backends, n.Public())
	}
	balancer, err := fleet.StartBalancer(listen, backends...)
	if err != nil {
		return err
	}
	defer func() { _ = balancer.Close() }()
	fmt.Printf("\nOpen %s/ in a few windows; every request goes to another of:\n", balancer.URL())
	for i, n := range nodes {
		fmt.Printf("  node %d: http://%s/, operators http://%s/, kill -9 %d\n", i+1, n.Public(), n.Admin(), n.PID())
	}
	fmt.Println("Ctrl-C stops everything.")
	for i, n := range nodes {
		wait.Go(func() { keep(ctx, i+1, n) })
	}
	<-ctx.Done()
	return nil
}

// keep starts a node again whenever it ends before ctx does.
func keep(ctx context.Context, number int, n *fleet.Node) {
	for {
		select {
		case <-n.Ended():
		case <-ctx.Done():
			return
		}
		pause := time.NewTimer(restartAfter)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		if err := n.Start(); err != nil {
			fmt.Fprintln(os.Stderr, "cluster:", err)
			return
		}
		fmt.Printf("  node %d is back: kill -9 %d\n", number, n.PID())
	}
}

func startNodes(count int, binary string, args []string) ([]*fleet.Node, error) {
	var nodes []*fleet.Node
	for i := range count {
		n, err := fleet.NewNode(fleet.Config{Name: fmt.Sprintf("node %d |", i+1), Binary: binary, Args: args, Log: os.Stderr, Own: true})
		if err != nil {
			return nodes, err
		}
		if err := n.Start(); err != nil {
			return nodes, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// stopNodes stops all at once, as the end of a terminal session does.
func stopNodes(nodes []*fleet.Node) {
	var wait sync.WaitGroup
	for _, n := range nodes {
		wait.Go(func() {
			if _, err := n.Stop(stopWithin); err != nil {
				n.Kill()
			}
		})
	}
	wait.Wait()
}
