// Command game is an example: an arena where up to sixteen fight for sparks,
// decided by the room 30 times per second. The room is room.go, its rules are
// rules.go; this file gives it a node, a transport and a page, and serves them
// on one port.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/cmd/node/telemetry"
	"github.com/parlor-rooms/parlor/transport"
)

//go:embed page
var files embed.FS

// stopWithin is how long clients and requests are given when the program ends.
const stopWithin = 5 * time.Second

func main() {
	listen := flag.String("listen", "127.0.0.1:8082", "address to serve on; port 0 picks a free one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "game:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It prints where on out.
func run(ctx context.Context, listen string, out io.Writer) (err error) {
	page, err := fs.Sub(files, "page")
	if err != nil {
		return err
	}
	tel, err := telemetry.Start(ctx, telemetry.Config{Service: "game"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tel.Stop(context.WithoutCancel(ctx))) }()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	rooms, err := node.New(node.Config{
		Kinds: []actors.Behavior{Kind()}, Tracer: tel.Tracer(), SampleRatio: tel.SampleRatio(), Meter: tel.Meter(),
	})
	if err != nil {
		return err
	}
	sockets, err := transport.New(rooms, transport.Config{Tracer: tel.Tracer(), SampleRatio: tel.SampleRatio(), Meter: tel.Meter()})
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           sockets.Mount(http.FileServerFS(page)),
		ReadHeaderTimeout: 10 * time.Second,
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	go func() { ended <- rooms.Run(ctx) }()
	go func() {
		defer cancel()
		ended <- server.Serve(listener)
	}()
	fmt.Fprintf(out, "game: open http://%s/ and play\n", listener.Addr())

	<-ctx.Done()
	limit, done := context.WithTimeout(context.Background(), stopWithin)
	defer done()
	err = errors.Join(sockets.Close(limit), server.Shutdown(limit))
	for range cap(ended) {
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}
