package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/cmd/node/internal/playground"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// dial connects a client and closes it when the test ends.
func dial(t *testing.T, r *running, o transporttest.Options) *transporttest.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := transporttest.Dial(ctx, r.url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// enter joins a room.
func enter(t *testing.T, c *transporttest.Client, room string, auth any) *transporttest.Namespace {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ns, err := c.Connect(ctx, room, auth)
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

// next waits for an event of that name and passes over others.
func next(t *testing.T, ns *transporttest.Namespace, name string) transporttest.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		e, err := ns.Next(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", name, err)
		}
		if e.Name == name {
			return e
		}
	}
}

func TestServesThePlaygroundByDefault(t *testing.T) {
	r := start(t)
	if status, body := get(t, r.url+"/"); status != 200 || !strings.Contains(body, "Parlor playground") {
		t.Errorf("the page is answered %d: %.80s", status, body)
	}
	if status, body := get(t, r.url+"/socket.io/socket.io.esm.min.js"); status != 200 || !strings.Contains(body, "Manager") {
		t.Errorf("the client is answered %d: %.80s", status, body)
	}
	room := enter(t, dial(t, r, transporttest.Options{}), "/playground/lounge", map[string]string{"name": "Ada"})
	if e := next(t, room, "room:state"); !strings.Contains(string(e.Args[0]), `"cursor":{}`) {
		t.Errorf("the state is %s", e.Args[0])
	}
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if status, body := get(t, r.url+path); status != 200 || body != want {
			t.Errorf("%s is answered %d %q", path, status, body)
		}
	}
	if status, _ := get(t, r.url+"/debug/pprof/"); status != 404 {
		t.Errorf("clients get profiles: %d", status)
	}
}

const lobby = `
kinds:
  lobby:
    events: {chat: {history: 50}, cursor: {keep: true}}
    profile: [name]
    sync_every: 0s
    rooms: [main]
`

func TestConfiguredRoomsRelay(t *testing.T) {
	r := start(t, "--config", file(t, lobby))
	ada := enter(t, dial(t, r, transporttest.Options{}), "/lobby/main", map[string]string{"name": "Ada"})
	ben := enter(t, dial(t, r, transporttest.Options{Transport: transporttest.Polling}), "/lobby/main", map[string]string{"name": "Ben"})
	next(t, ben, "room:state")

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ack, err := ada.EmitAck(ctx, "chat", map[string]string{"text": "hi"})
	if err != nil {
		t.Fatal(err)
	}
	e := next(t, ben, "chat")
	if string(e.Args[0]) != `{"text":"hi"}` || !strings.HasPrefix(string(e.Args[1]), fmt.Sprintf(`{"from":"%s","at":`, ada.SID())) {
		t.Errorf("ben got %s", e.Args)
	}
	if len(ack.Args) != 1 || string(ack.Args[0]) != string(e.Args[1]) {
		t.Errorf("the acknowledgement is %s, want the stamp %s", ack.Args, e.Args[1])
	}
	if err := ben.Emit("cursor", []int{1, 2}); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(string(next(t, ada, "room:patch").Args[0]), fmt.Sprintf(`"cursor":{"%s":[1,2]}`, ben.SID())) {
	}
	if err := ada.Emit("dance", 1); err != nil {
		t.Fatal(err)
	}
	if e := next(t, ada, "exception"); !strings.Contains(string(e.Args[0]), `"unknown_event"`) {
		t.Errorf("an unknown event is answered %s", e.Args[0])
	}
}

func TestThePlaygroundIsServedWhenItShouldBe(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		want int
	}{
		{"auto without kinds", nil, 200},
		{"auto with kinds", []string{"--kinds={lobby: }"}, 404},
		{"on with kinds", []string{"--kinds={lobby: }", "--playground=on"}, 200},
		{"off", []string{"--playground=off"}, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, test.args...)
			if status, _ := get(t, r.url+"/"); status != test.want {
				t.Errorf("the page is answered %d, want %d", status, test.want)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := dial(t, r, transporttest.Options{}).Connect(ctx, "/"+playground.Kind+"/x", nil)
			if (err == nil) != (test.want == 200) {
				t.Errorf("entering its room: %v", err)
			}
		})
	}
}

func TestThePathOfSocketIOCanBeChosen(t *testing.T) {
	r := start(t, "--transport-path=/rt/io")
	if status, body := get(t, r.url+"/"); status != 200 || !strings.Contains(body, `data-path="/rt/io/"`) {
		t.Errorf("the page is answered %d", status)
	}
	enter(t, dial(t, r, transporttest.Options{Path: "/rt/io/"}), "/playground/x", nil)
}

// TestStopsInOrderAndLeavesNothing holds what an orchestrator and stock clients
// rely on: members are let go by closing their transport and not by
// DISCONNECT, and neither polls nor idle connections hold the server up.
func TestStopsInOrderAndLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	r := start(t, "--admin-listen=127.0.0.1:0")
	idle, err := net.Dial("tcp", r.Public.String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	var clients []*transporttest.Client
	var rooms []*transporttest.Namespace
	for _, transport := range []transporttest.Transport{transporttest.WebSocket, transporttest.Polling, transporttest.Upgrade} {
		c := dial(t, r, transporttest.Options{Transport: transport})
		clients, rooms = append(clients, c), append(rooms, enter(t, c, "/playground/x", nil))
	}
	for _, room := range rooms {
		if err := room.Emit("chat", "hello"); err != nil {
			t.Fatal(err)
		}
	}
	next(t, rooms[0], "chat")

	begin := time.Now()
	if err := r.stop(t); err != nil {
		t.Errorf("it stopped with %v", err)
	}
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("stopping took %v", took)
	}
	for i, c := range clients {
		select {
		case <-c.Done():
		case <-time.After(patience):
			t.Errorf("client %d is still connected", i)
		}
		c.Close()
	}
	var order []string
	for line := range strings.SplitSeq(r.log.String(), "\n") {
		if _, part, ok := strings.Cut(line, "msg=stopping component=server part="); ok {
			order = append(order, strings.Trim(part, `"`))
		}
	}
	if got := strings.Join(order, ", "); got != "readiness, listener, memory, sessions, node, admin listener, telemetry" {
		t.Errorf("the parts stopped in the order %s", got)
	}
	idle.Close()
	goleak.VerifyNone(t, before)
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, flag := range []string{"--listen", "--admin-listen"} {
		m := &Main{Args: []string{"serve", "--listen=127.0.0.1:0", flag + "=" + taken.Addr().String()}, Stdout: new(log), Stderr: new(log)}
		err := m.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "listener: listen tcp "+taken.Addr().String()) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// TestAListenerThatFailsStopsTheServer uses a listener whose Accept fails.
func TestAListenerThatFailsStopsTheServer(t *testing.T) {
	m := &Main{
		Args: []string{"serve", "--listen=127.0.0.1:0"}, Stdout: new(log), Stderr: new(log),
		Listen: func(network, address string) (net.Listener, error) {
			l, err := net.Listen(network, address)
			return brokenListener{l}, err
		},
	}
	if err := m.Run(t.Context()); err == nil || err.Error() != "listener: out of files" {
		t.Errorf("it ended with %v", err)
	}
}

type brokenListener struct{ net.Listener }

func (brokenListener) Accept() (net.Conn, error) { return nil, errors.New("out of files") }
