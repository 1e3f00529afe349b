// Command stranger uses Parlor from another module: a whiteboard beside the
// routes of an ordinary web server.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/transport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(ctx, listener); err != nil {
		log.Fatal(err)
	}
}

// serve serves boards and a page until ctx ends.
func serve(ctx context.Context, listener net.Listener) error {
	rooms, err := node.New(node.Config{Kinds: []actors.Behavior{Kind()}})
	if err != nil {
		return err
	}
	sockets, err := transport.New(rooms, transport.Config{})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", sockets)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "a page") })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	go func() { ended <- rooms.Run(ctx) }()
	go func() {
		defer cancel()
		ended <- server.Serve(listener)
	}()
	<-ctx.Done()
	within, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	err = errors.Join(sockets.Close(within), server.Shutdown(within))
	for range cap(ended) {
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}
