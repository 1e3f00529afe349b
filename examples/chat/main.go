// Command chat is an example: rooms, presence, notifications and a dashboard
// behind tokens. chat.go is the gateway; this file gives it a node, a
// transport, a login and a page, and serves them on one port.
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
	listen := flag.String("listen", "127.0.0.1:8083", "address to serve on; port 0 picks a free one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var secret []byte
	if s := os.Getenv("CHAT_SECRET"); s != "" {
		secret = []byte(s)
	}
	if err := run(ctx, *listen, secret, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It prints where on out.
func run(ctx context.Context, listen string, secret []byte, out io.Writer) (err error) {
	page, err := fs.Sub(files, "page")
	if err != nil {
		return err
	}
	tokens, err := NewTokens(secret)
	if err != nil {
		return err
	}
	tel, err := telemetry.Start(ctx, telemetry.Config{Service: "chat"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tel.Stop(context.WithoutCancel(ctx))) }()
	jobs := NewJobs(2 * time.Second)
	chat, dashboard := NewChat(jobs), NewDashboard()
	n, err := node.New(node.Config{
		Gateways:      []actors.GatewayBehavior{chat, dashboard},
		Authenticator: tokens,
		Tracer:        tel.Tracer(), SampleRatio: tel.SampleRatio(), Meter: tel.Meter(),
	})
	if err != nil {
		return err
	}
	sockets, err := transport.New(n, transport.Config{Tracer: tel.Tracer(), SampleRatio: tel.SampleRatio(), Meter: tel.Meter()})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	routes := http.NewServeMux()
	routes.Handle("POST /token", tokens)
	routes.Handle("GET /", http.FileServerFS(page))
	server := &http.Server{Handler: sockets.Mount(routes), ReadHeaderTimeout: 10 * time.Second}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := []func() error{
		func() error { return n.Run(ctx) },
		func() error { return server.Serve(listener) },
		func() error { return tick(ctx, time.Second, dashboard, n.Stats, chat.history.Sent) },
		func() error {
			return jobs.Run(ctx, func(user string, n Notification) error { return chat.ToUser(user).Emit("notification", n) })
		},
	}
	ended := make(chan error, len(parts))
	for _, part := range parts {
		go func() { // ended below
			defer cancel()
			ended <- part()
		}()
	}
	fmt.Fprintf(out, "chat: open http://%s/ twice\n", listener.Addr())

	<-ctx.Done()
	limit, done := context.WithTimeout(context.Background(), stopWithin)
	defer done()
	err = errors.Join(sockets.Close(limit), server.Shutdown(limit))
	for range parts {
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}
