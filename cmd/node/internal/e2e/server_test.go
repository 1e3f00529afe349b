package e2e

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/transport"
)

// server is a node with its transport on a loopback port.
type server struct {
	node *node.Node
	url  string
	stop func() // idempotent; waits for the end of the node
}

// serve starts a node that ends with the test.
func serve(t *testing.T, cfg node.Config) *server {
	t.Helper()
	return serveOn(t, cfg, "127.0.0.1:0")
}

func serveOn(t *testing.T, cfg node.Config, address string) *server {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h, err := transport.New(n, transport.Config{Logger: cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	web := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	web.Start()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }() // stop waits for it
	s := &server{node: n, url: "http://" + l.Addr().String()}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		within, done := context.WithTimeout(context.Background(), 20*time.Second)
		defer done()
		if err := h.Close(within); err != nil {
			t.Errorf("transport: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("node: %v", err)
		}
		web.CloseClientConnections()
		web.Close()
	}
	t.Cleanup(s.stop)
	return s
}

// transports are the three ways a stock client connects.
var transports = []string{"websocket", "polling", "upgrade"}

// lab is a room that offers one handler per thing a client can do.
type lab struct {
	Notes  actors.Map[string, string]            `room:"notes,synced,durable"`
	Places actors.Map[actors.MemberID, place]    `room:"places,synced"`
	Hands  actors.Map[actors.MemberID, []string] `room:"hands,synced,member"`
	Count  actors.Value[int]                     `room:"count,synced"`
}

type place struct {
	X int `json:"x"`
	Y int `json:"y"`
}

func (l *lab) Admit(_ *actors.Turn, r *actors.JoinRequest) error {
	var auth struct{ Name string }
	if err := r.Bind(&auth); err != nil {
		return err
	}
	if auth.Name == "mallory" {
		return &actors.Error{Code: actors.CodeForbidden, Message: "not you", Data: map[string]string{"name": auth.Name}}
	}
	return nil
}

func (l *lab) Joined(t *actors.Turn, m actors.Member) {
	l.Hands.Set(m.ID, []string{"ace of " + string(m.ID)})
	l.Count.Set(l.Count.Get() + 1)
}

func (l *lab) Left(t *actors.Turn, m actors.Member, why actors.LeaveReason) {
	l.Places.Delete(m.ID)
	l.Hands.Delete(m.ID)
	l.Count.Set(l.Count.Get() - 1)
	t.Broadcast("left", m.ID, why)
}

type addNote struct {
	Key  string `json:"key"`
	Text string `json:"text"`
}

func (l *lab) Add(t *actors.Turn, in addNote) (string, error) {
	l.Notes.Set(in.Key, in.Text)
	if in.Text == "" {
		return "", actors.Errorf(actors.CodeInvalid, "a note needs a text")
	}
	t.Broadcast("added", in.Key)
	return in.Key, nil
}

func (l *lab) Place(t *actors.Turn, in place) { l.Places.Set(t.Member().ID, in) }

func (l *lab) Echo(_ *actors.Turn, in actors.Raw) (actors.Raw, error) { return in, nil }

func (l *lab) Boom(*actors.Turn, struct{}) { l.Notes.Set("boom", "never"); panic("boom") }

func (l *lab) Tell(t *actors.Turn, in actors.Raw) { t.All().Except(t.Member().ID).Emit("told", in) }

func (l *lab) Kick(t *actors.Turn, id actors.MemberID) { t.Kick(id, "out") }

func (l *lab) Destroy(t *actors.Turn, _ struct{}) { t.Destroy() }

// AskAll asks every member and answers with how many said what.
func (l *lab) AskAll(t *actors.Turn, _ struct{}, ack actors.Ack[map[string]int]) {
	t.All().Ask(500*time.Millisecond, func(t *actors.Turn, answers []actors.Answer) {
		count := make(map[string]int)
		for _, a := range answers {
			if a.Err != nil {
				count[string(actors.AsError(a.Err).Code)]++
			} else {
				count[string(a.Args.List[0])]++
			}
		}
		ack.Reply(t, count)
	}, "question")
}

func labKind(c actors.KindConfig) *actors.Kind[lab] {
	k := actors.NewKind("lab", func() *lab { return new(lab) }, c)
	actors.OnAck(k, "add", (*lab).Add)
	actors.On(k, "place", (*lab).Place)
	actors.OnAck(k, "echo", (*lab).Echo)
	actors.On(k, "boom", (*lab).Boom)
	actors.On(k, "tell", (*lab).Tell)
	actors.On(k, "kick", (*lab).Kick)
	actors.On(k, "destroy", (*lab).Destroy)
	actors.OnLater(k, "askAll", (*lab).AskAll)
	return k
}
