package transport_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport"
)

// A whole server: Socket.IO beside other routes on one port, and an end in the
// right order.
func Example() {
	var node actors.Gate // of actors/node
	sockets, err := transport.New(node, transport.Config{
		Origins: []string{"https://board.example"},
	})
	if err != nil {
		log.Fatal(err)
	}
	routes := http.NewServeMux()
	routes.Handle("/", http.FileServer(http.Dir("public")))
	server := &http.Server{
		Addr:              ":8080",
		Handler:           sockets.Mount(routes),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       75 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- server.ListenAndServe() }() // waited for below
	<-ctx.Done()

	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := sockets.Close(patience); err != nil { // before Shutdown, which would wait for every GET
		log.Print(err)
	}
	if err := server.Shutdown(patience); err != nil {
		log.Print(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		log.Print(err)
	}
}
