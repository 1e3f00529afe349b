package e2e

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/cmd/node/internal/loopback"
)

// confData is what the conformance gateways know of a client.
type confData struct {
	Mark  string `json:"mark"`
	steps []int
}

// goodbye is what the disconnect hook was told of a client.
type goodbye struct {
	Reason actors.LeaveReason `json:"reason"`
	Times  int                `json:"times"`
	Rooms  []string           `json:"rooms"`
}

// farewells records what disconnect hooks saw, by client.
type farewells struct {
	mu   sync.Mutex // guards seen
	seen map[string]goodbye
}

func (f *farewells) add(id string, why actors.LeaveReason, rooms []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.seen[id]
	f.seen[id] = goodbye{why, g.Times + 1, rooms}
}

func (f *farewells) of(id string) goodbye {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[id]
}

// target says in JSON whom the conformance server is to address.
type target struct {
	Rooms    []string `json:"rooms"`
	Users    []string `json:"users"`
	Except   []string `json:"except"`
	Self     bool     `json:"self"`   // from the caller, which is left out
	Caller   bool     `json:"caller"` // the caller alone
	Volatile bool     `json:"volatile"`
	Local    bool     `json:"local"`
}

// conf is a gateway that does whatever its clients ask for.
type conf struct {
	*actors.Gateway[confData]
	gone *farewells
}

func (s conf) to(c *actors.Client[confData], t target) actors.Broadcast[confData] {
	b := s.In(c.Namespace())
	switch {
	case t.Caller:
		b = b.To(c.ID())
	case t.Self && len(t.Rooms) > 0:
		b = c.To(t.Rooms...)
		t.Rooms = nil
	case t.Self:
		b = c.Broadcast()
	}
	b = b.To(t.Rooms...).ToUser(t.Users...).Except(t.Except...)
	if t.Volatile {
		b = b.Volatile()
	}
	if t.Local {
		b = b.Local()
	}
	return b
}

type emission struct {
	To      target       `json:"to"`
	Event   string       `json:"event"`
	Args    []actors.Raw `json:"args"`
	Count   int          `json:"count"` // so many times, the number as last argument; 0: once
	Timeout int          `json:"timeout"`
}

func (e *emission) args() []any {
	var args []any
	for _, a := range e.Args {
		args = append(args, a)
	}
	return args
}

type answers struct {
	Code    actors.Code       `json:"code"`
	Answers map[string]answer `json:"answers"`
}

type answer struct {
	Args []any       `json:"args"`
	Code actors.Code `json:"code"`
}

type move struct {
	To    target   `json:"to"`
	In    []string `json:"join"`
	Out   []string `json:"leave"`
	Away  bool     `json:"disconnect"`
	Close bool     `json:"close"`
}

// sum has a rule that its JSON type does not say.
type sum struct {
	A int `json:"a"`
	B int `json:"b"`
}

func (s sum) Validate() error {
	if s.A > 100 {
		return errors.New("a is at most 100")
	}
	return nil
}

func newConf(namespace string, cfg actors.GatewayConfig, gone *farewells) conf {
	s := conf{actors.NewGateway[confData](namespace, cfg), gone}
	s.OnConnect(func(_ context.Context, c *actors.Client[confData]) error {
		if c.Recovered() {
			return c.Emit("welcomeBack", c.Data.Mark)
		}
		var auth struct {
			Mark    string `json:"mark"`
			Refuse  bool   `json:"refuse"`
			Dismiss string `json:"dismiss"`
		}
		if err := c.Bind(&auth); err != nil {
			return err
		}
		c.Data.Mark = auth.Mark
		if auth.Refuse {
			return &actors.Error{Code: "not_you", Message: "go away", Data: map[string]string{"mark": auth.Mark}}
		}
		if auth.Dismiss != "" {
			c.Disconnect(auth.Dismiss == "transport")
		}
		return nil
	})
	s.OnDisconnect(func(_ context.Context, c *actors.Client[confData], why actors.LeaveReason) {
		s.gone.add(c.ID(), why, c.Rooms())
	})
	s.Guard(func(_ context.Context, c *actors.Client[confData], event string) error {
		if event == "guarded" && c.Data.Mark != "trusted" {
			return errors.New("the text of this error stays here")
		}
		return nil
	})
	s.Use(func(_ context.Context, _ *actors.Client[confData], ev *actors.Event, next func() error) error {
		if strings.HasPrefix(ev.Name, "blocked") {
			return actors.Errorf("blocked", "%s is blocked", ev.Name)
		}
		return next()
	})
	s.handleRooms()
	s.handleEmits()
	s.handleAnswers()
	s.OnServer("sum", func(_ context.Context, args actors.Args) (any, error) { return len(args.List), nil })
	return s
}

func (s conf) handleRooms() {
	type client = actors.Client[confData]
	g := s.Gateway
	actors.Handle(g, "join", func(ctx context.Context, c *client, rooms []string) ([]string, error) {
		err := c.Join(ctx, rooms...)
		return c.Rooms(), err
	})
	actors.Handle(g, "leave", func(ctx context.Context, c *client, rooms []string) ([]string, error) {
		err := c.Leave(ctx, rooms...)
		return c.Rooms(), err
	})
	actors.Handle(g, "rooms", func(_ context.Context, c *client, _ struct{}) ([]string, error) { return c.Rooms(), nil })
	actors.Handle(g, "members", func(ctx context.Context, c *client, t target) ([]actors.ClientInfo, error) {
		return s.to(c, t).Members(ctx)
	})
	actors.Handle(g, "move", func(ctx context.Context, c *client, m move) (any, error) {
		to := s.to(c, m.To)
		if len(m.In) > 0 {
			if err := to.Join(ctx, m.In...); err != nil {
				return nil, err
			}
		}
		if len(m.Out) > 0 {
			if err := to.Leave(ctx, m.Out...); err != nil {
				return nil, err
			}
		}
		if m.Away {
			return nil, to.Disconnect(ctx, m.Close)
		}
		return nil, nil
	})
	actors.Handle(g, "goodbye", func(_ context.Context, _ *client, id string) (goodbye, error) { return s.gone.of(id), nil })
	actors.Handle(g, "disconnectMe", func(_ context.Context, c *client, closeTransport bool) (any, error) {
		err := c.Emit("bye")
		c.Disconnect(closeTransport)
		return nil, err
	})
	actors.Handle(g, "mark", func(ctx context.Context, c *client, mark string) (any, error) {
		c.Data.Mark = mark
		return nil, c.Share(ctx)
	})
	actors.Handle(g, "whoami", func(_ context.Context, c *client, _ struct{}) (map[string]any, error) {
		h := c.Handshake()
		return map[string]any{
			"id": c.ID(), "namespace": c.Namespace(), "user": c.Identity().Subject, "auth": c.Auth(), "mark": c.Data.Mark,
			"recovered": c.Recovered(), "address": h.Address, "secure": h.Secure, "path": h.Path, "time": h.Time,
			"query": h.Query, "agent": h.Header.Get("X-Agent"),
		}, nil
	})
}

func (s conf) handleEmits() {
	type client = actors.Client[confData]
	g := s.Gateway
	actors.Handle(g, "emit", func(_ context.Context, c *client, e emission) (any, error) {
		to := s.to(c, e.To)
		if e.Count == 0 {
			return nil, to.Emit(e.Event, e.args()...)
		}
		for i := range e.Count {
			if err := to.Emit(e.Event, append(e.args(), i+1)...); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	actors.Handle(g, "emitMe", func(_ context.Context, c *client, e emission) (any, error) {
		if e.To.Volatile {
			return nil, c.Volatile().Emit(e.Event, e.args()...)
		}
		return nil, c.Emit(e.Event, e.args()...)
	})
	actors.Handle(g, "ask", func(ctx context.Context, c *client, e emission) (answers, error) {
		got, err := s.to(c, e.To).Timeout(time.Duration(e.Timeout)*time.Millisecond).Ask(ctx, e.Event, e.args()...)
		out := answers{Answers: make(map[string]answer)}
		if err != nil {
			out.Code = actors.AsError(err).Code
		}
		for _, a := range got {
			one := answer{}
			for i := range a.Args.List {
				one.Args = append(one.Args, a.Args.At(i))
			}
			if a.Err != nil {
				one.Code = actors.AsError(a.Err).Code
			}
			out.Answers[a.Client] = one
		}
		return out, nil
	})
	actors.Handle(g, "askMe", func(ctx context.Context, c *client, e emission) (any, error) {
		got, err := c.Ask(ctx, time.Duration(e.Timeout)*time.Millisecond, e.Event, e.args()...)
		return got, err
	})
	actors.Handle(g, "serverSide", func(ctx context.Context, _ *client, in actors.Args) (int, error) {
		got, err := s.ServerSideEmit(ctx, "sum", in)
		return len(got), err
	})
}

func (s conf) handleAnswers() {
	type client = actors.Client[confData]
	g := s.Gateway
	actors.Handle(g, "echo", func(_ context.Context, _ *client, in actors.Args) (actors.Args, error) { return in, nil })
	actors.Handle(g, "value", func(_ context.Context, _ *client, in actors.Raw) (actors.Raw, error) { return in, nil })
	actors.Handle(g, "bytes", func(_ context.Context, c *client, in actors.Binary) (any, error) {
		return nil, s.In(c.Namespace()).Emit("bytes", in, map[string]any{"and": in})
	})
	actors.Handle(g, "flaky", func(_ context.Context, c *client, in string) (any, error) {
		if c.Data.steps = append(c.Data.steps, 0); len(c.Data.steps) < 3 {
			return []actors.Reply{}, nil // no acknowledgement
		}
		return in, nil
	})
	actors.Handle(g, "nothing", func(context.Context, *client, struct{}) (any, error) { return nil, nil })
	actors.Handle(g, "reply", func(_ context.Context, _ *client, in actors.Raw) (actors.Reply, error) {
		return actors.Reply{Event: "replied", Data: in}, nil
	})
	actors.Handle(g, "replies", func(_ context.Context, _ *client, in actors.Args) ([]actors.Reply, error) {
		return []actors.Reply{{Event: "first", Data: in}, {Event: "second"}}, nil
	})
	actors.Handle(g, "add", func(_ context.Context, _ *client, in sum) (int, error) { return in.A + in.B, nil })
	actors.Handle(g, "fail", func(context.Context, *client, struct{}) (any, error) {
		return nil, &actors.Error{Code: "no_tea", Message: "no tea left", Data: 7}
	})
	actors.Handle(g, "oops", func(context.Context, *client, struct{}) (any, error) { return nil, errors.New("secret") })
	actors.Handle(g, "panic", func(context.Context, *client, struct{}) (any, error) { panic("secret") })
	actors.Handle(g, "guarded", func(context.Context, *client, struct{}) (string, error) { return "come in", nil })
	actors.Handle(g, "step", func(ctx context.Context, c *client, n int) (any, error) {
		wait := time.NewTimer(time.Duration(n%3) * time.Millisecond)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		c.Data.steps = append(c.Data.steps, n)
		return nil, nil
	})
	actors.Handle(g, "steps", func(_ context.Context, c *client, _ struct{}) ([]int, error) { return c.Data.steps, nil })
	actors.Handle(g, "block", func(ctx context.Context, _ *client, ms int) (string, error) {
		wait := time.NewTimer(time.Duration(ms) * time.Millisecond)
		defer wait.Stop()
		select {
		case <-wait.C:
			return "waited", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	g.HandleAny(func(_ context.Context, _ *client, event string, args actors.Args) (any, error) {
		return map[string]any{"any": event, "args": len(args.List)}, nil
	})
}

// confAuth takes the token "user:NAME", or none.
type confAuth struct{}

func (confAuth) Authenticate(_ context.Context, r *actors.AuthRequest) (actors.Identity, error) {
	if r.Token == "" {
		return actors.Identity{}, nil
	}
	if name, ok := strings.CutPrefix(r.Token, "user:"); ok && name != "" {
		return actors.Identity{Subject: name}, nil
	}
	return actors.Identity{}, errors.New("bad token")
}

// serveConformance starts the conformance server on a node of its own.
func serveConformance(t *testing.T) (*loopback.Server, conf) {
	t.Helper()
	cfg, main := conformance(&farewells{seen: make(map[string]goodbye)})
	return serve(t, cfg), main
}

// conformance is the conformance server: "/conf" and everything below it
// without recovery, the same below "/recover" with it, "/keep" with the rooms
// of users kept, "/slow" whose connect hook takes its time, "/dyn-7" by
// pattern, and "/". What disconnect hooks see goes to gone.
func conformance(gone *farewells) (node.Config, conf) {
	newConf := func(namespace string, cfg actors.GatewayConfig) conf { return newConf(namespace, cfg, gone) }
	below := func(prefix string) func(string) bool {
		return func(namespace string) bool { return strings.HasPrefix(namespace, prefix+"/") }
	}
	main := newConf("/conf", actors.GatewayConfig{Match: below("/conf")})
	recovering := newConf("/recover", actors.GatewayConfig{
		Match: below("/recover"), RecoverWithin: 1500 * time.Millisecond, RecoverEvents: 50,
	})
	kept := newConf("/keep", actors.GatewayConfig{Match: below("/keep"), KeepRooms: true})
	dynamic := newConf("/dyn", actors.GatewayConfig{Match: regexp.MustCompile(`^/dyn-\d+$`).MatchString})
	slow := newConf("/slow", actors.GatewayConfig{Match: below("/slow")})
	slow.OnConnect(func(ctx context.Context, c *actors.Client[confData]) error {
		wait := time.NewTimer(200 * time.Millisecond)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		c.Data.steps = append(c.Data.steps, -1)
		return nil
	})
	cfg := node.Config{
		Gateways:      []actors.GatewayBehavior{main, recovering, kept, dynamic, slow, newConf("/", actors.GatewayConfig{})},
		Authenticator: confAuth{},
	}
	return cfg, main
}
