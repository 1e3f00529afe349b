package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// fakeGatewayHost notes what a gateway asks of its node.
type fakeGatewayHost struct {
	emitted []actors.Multicast
	timeout time.Duration
	did     []string
}

func (h *fakeGatewayHost) Emit(to *actors.Multicast) error {
	h.emitted = append(h.emitted, *to)
	return nil
}

func (h *fakeGatewayHost) Ask(_ context.Context, to *actors.Multicast, timeout time.Duration) ([]actors.ClientAnswer, error) {
	h.emitted, h.timeout = append(h.emitted, *to), timeout
	return nil, nil
}

func (h *fakeGatewayHost) Members(context.Context, *actors.Multicast) ([]actors.ClientInfo, error) {
	h.did = append(h.did, "members")
	return nil, nil
}

func (h *fakeGatewayHost) Move(_ context.Context, _ *actors.Multicast, join, leave []string) error {
	h.did = append(h.did, fmt.Sprint("join ", join, " leave ", leave))
	return nil
}

func (h *fakeGatewayHost) Disconnect(_ context.Context, _ *actors.Multicast, closeTransport bool) error {
	h.did = append(h.did, fmt.Sprint("disconnect ", closeTransport))
	return nil
}

func (h *fakeGatewayHost) ServerEmit(_ context.Context, _, event string, args actors.Raw) ([]json.RawMessage, error) {
	h.did = append(h.did, event+string(args.JSON))
	return nil, nil
}

// fakeClientHost is client ada with an auth payload, in her own room and one
// more.
type fakeClientHost struct{ joined []string }

func (h *fakeClientHost) Info() *actors.ClientDetails {
	return &actors.ClientDetails{ID: "ada", Namespace: "/chat", Auth: []byte(`{"name":"Ada"}`)}
}
func (h *fakeClientHost) Context() context.Context { return context.Background() }
func (h *fakeClientHost) Trace() actors.Trace      { return actors.Trace{} }
func (h *fakeClientHost) Join(_ context.Context, rooms []string, data json.RawMessage) error {
	h.joined = append(h.joined, strings.Join(rooms, "+")+" "+string(data))
	return nil
}
func (h *fakeClientHost) Leave(context.Context, []string) error { return nil }
func (h *fakeClientHost) Rooms() []string                       { return []string{"ada", "lobby"} }
func (h *fakeClientHost) Disconnect(bool)                       {}

type profile struct {
	Name string `json:"name"`
}

func chat() *actors.Gateway[profile] {
	return actors.NewGateway[profile]("/chat", actors.GatewayConfig{})
}

// handle has client ada send an event to a gateway without mistakes.
func handle(t *testing.T, g *actors.Gateway[profile], event string, args ...string) (string, error) {
	t.Helper()
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	ev := &actors.Event{Name: event, WantsAck: true}
	for _, arg := range args {
		ev.Args.List = append(ev.Args.List, json.RawMessage(arg))
	}
	r, err := g.NewClient(new(fakeClientHost)).Handle(t.Context(), ev)
	if r.NoAck {
		var replies []string
		for _, reply := range r.Replies {
			replies = append(replies, spelled(reply))
		}
		return "replies " + strings.Join(replies, " "), err
	}
	return spelled(r.Ack), err
}

func result(out any, err error) func(context.Context, *actors.Client[profile], actors.Args) (any, error) {
	return func(context.Context, *actors.Client[profile], actors.Args) (any, error) { return out, err }
}

func TestMistakesInAGatewayAreErrorsOfTheGateway(t *testing.T) {
	for name, c := range map[string]struct {
		build func() *actors.Gateway[profile]
		want  []string
	}{
		"no slash":     {func() *actors.Gateway[profile] { return actors.NewGateway[profile]("chat", actors.GatewayConfig{}) }, []string{"begins with a slash"}},
		"no namespace": {func() *actors.Gateway[profile] { return actors.NewGateway[profile]("", actors.GatewayConfig{}) }, []string{"begins with a slash"}},
		"too long": {func() *actors.Gateway[profile] {
			return actors.NewGateway[profile]("/"+strings.Repeat("x", 256), actors.GatewayConfig{})
		}, []string{"256 bytes"}},
		"configuration": {func() *actors.Gateway[profile] {
			return actors.NewGateway[profile]("/", actors.GatewayConfig{Queue: -1, RecoverWithin: -1})
		}, []string{"Queue is -1", "RecoverWithin is -1ns"}},
		"reserved": {func() *actors.Gateway[profile] {
			g := chat()
			actors.Handle(g, "disconnect", result(nil, nil))
			return g
		}, []string{`"disconnect" is reserved`}},
		"no name": {func() *actors.Gateway[profile] { g := chat(); actors.Handle(g, "", result(nil, nil)); return g }, []string{`event name ""`}},
		"twice": {func() *actors.Gateway[profile] {
			g := chat()
			actors.Handle(g, "a", result(nil, nil))
			actors.Handle(g, "a", result(nil, nil))
			return g
		}, []string{`"a" is registered twice`}},
		"nil": {func() *actors.Gateway[profile] { g := chat(); actors.Handle[profile, int, int](g, "a", nil); return g }, []string{`event "a": the handler is nil`}},
		"In is no JSON": {func() *actors.Gateway[profile] {
			g := chat()
			actors.Handle[profile, chan int, int](g, "a", func(context.Context, *actors.Client[profile], chan int) (int, error) { return 0, nil })
			return g
		}, []string{"chan int cannot be decoded"}},
		"server, twice": {func() *actors.Gateway[profile] { g := chat(); onServer(g); onServer(g); return g }, []string{`server event "a" is registered twice`}},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, c.build().Err(), append(c.want, "gateway ")...) })
	}
	if err := chat().Err(); err != nil {
		t.Error(err)
	}
	g := chat()
	g.OnConnect(nil)
	g.OnDisconnect(nil)
	g.Use(nil)
	g.Guard(nil)
	g.HandleAny(nil)
	g.OnServer("a", nil)
	for _, what := range []string{"OnConnect", "OnDisconnect", "Use", "Guard", "HandleAny", "OnServer"} {
		wantError(t, g.Err(), what+": the function is nil")
	}
}

func onServer(g *actors.Gateway[profile]) {
	g.OnServer("a", func(_ context.Context, args actors.Args) (any, error) { return len(args.List), nil })
}

func TestTheResultOfAGatewaysHandlerIsAckOrReplies(t *testing.T) {
	for name, c := range map[string]struct {
		out  any
		want string
	}{
		"nothing":          {nil, `[]`},
		"a value":          {"<id>", `["<id>"]`},
		"bytes":            {[]byte("x"), `[` + p0 + `] "x"`},
		"a reply":          {actors.Reply{Event: "pong", Data: 1}, `replies ["pong",1]`},
		"an empty reply":   {actors.Reply{Event: "pong"}, `replies ["pong"]`},
		"several replies":  {[]actors.Reply{{Event: "a"}, {Event: "b", Data: B("x")}}, `replies ["a"] ["b",` + p0 + `] "x"`},
		"no reply":         {[]actors.Reply{}, `replies `},
		"several in a one": {actors.Reply{Event: "a", Data: actors.Args{List: []json.RawMessage{[]byte("1"), []byte("2")}}}, `replies ["a",1,2]`},
	} {
		t.Run(name, func(t *testing.T) {
			g := chat()
			actors.Handle(g, "e", result(c.out, nil))
			if got, err := handle(t, g, "e"); err != nil || got != c.want {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
		})
	}
	for name, out := range map[string]any{
		"a reserved reply": actors.Reply{Event: "disconnect"}, "a reply without a name": []actors.Reply{{}},
		"not encodable": math.NaN(), "a reply that is not": actors.Reply{Event: "a", Data: math.NaN()},
	} {
		g := chat()
		actors.Handle(g, "e", result(out, nil))
		if got, err := handle(t, g, "e"); err == nil || actors.AsError(err).Code != actors.CodeInternal {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestAGatewaysHandlerGetsWhatFits(t *testing.T) {
	g := chat()
	actors.Handle(g, "checked", func(_ context.Context, _ *actors.Client[profile], in checkedByPointer) (int, error) { return in.N, nil })
	g.HandleAny(func(_ context.Context, _ *actors.Client[profile], event string, args actors.Args) (any, error) {
		return fmt.Sprint(event, len(args.List)), nil
	})
	for _, c := range []struct {
		event, arg, want string
		code             actors.Code
	}{
		{"checked", `{"N":4}`, `[40]`, ""},
		{"checked", `{"N":1}`, ``, actors.CodeInvalid},
		{"checked", `5`, ``, actors.CodeBadPayload},
		{"other", `5`, `["other1"]`, ""},
		{"room:state", `5`, ``, actors.CodeUnknownEvent},
	} {
		got, err := handle(t, g, c.event, c.arg)
		if got != c.want || (err != nil) != (c.code != "") || err != nil && actors.AsError(err).Code != c.code {
			t.Errorf("%s(%s): %s, %v", c.event, c.arg, got, err)
		}
	}
}

func TestMiddlewareRunsOutsideInAndMayRefuse(t *testing.T) {
	var trace []string
	g := chat()
	for _, name := range []string{"outer", "inner"} {
		g.Use(func(_ context.Context, _ *actors.Client[profile], ev *actors.Event, next func() error) error {
			trace = append(trace, name)
			if ev.Name == name {
				return actors.Errorf(actors.CodeForbidden, "not here")
			}
			err := next()
			trace = append(trace, "/"+name)
			return err
		})
	}
	g.HandleAny(func(context.Context, *actors.Client[profile], string, actors.Args) (any, error) {
		trace = append(trace, "handler")
		return 1, nil
	})
	for event, want := range map[string]string{
		"e": "outer inner handler /inner /outer", "outer": "outer", "inner": "outer inner /outer",
	} {
		trace = nil
		_, err := handle(t, g, event)
		if got := strings.Join(trace, " "); got != want || (err == nil) != (event == "e") {
			t.Errorf("%s: ran %s, %v", event, got, err)
		}
	}
}

func TestAGuardCoversConnectingAndEveryEvent(t *testing.T) {
	g := chat()
	var asked []string
	allow := func(_ context.Context, _ *actors.Client[profile], event string) error {
		asked = append(asked, event)
		switch event {
		case "known":
			return actors.Errorf(actors.CodeConflict, "later")
		case "secret":
			return errors.New("pq: password is hunter2")
		}
		return nil
	}
	g.OnConnect(func(_ context.Context, c *actors.Client[profile]) error { return c.Bind(&c.Data) })
	g.Guard(allow)
	g.HandleAny(func(context.Context, *actors.Client[profile], string, actors.Args) (any, error) { return 1, nil })
	client := g.NewClient(new(fakeClientHost))
	if err := client.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "data", client.(*actors.Client[profile]).Data, profile{"Ada"})
	for event, code := range map[string]actors.Code{"fine": "", "known": actors.CodeConflict, "secret": actors.CodeForbidden} {
		_, err := handle(t, g, event)
		if (err == nil) != (code == "") || err != nil && actors.AsError(err).Code != code || err != nil && strings.Contains(actors.AsError(err).Error(), "hunter2") {
			t.Errorf("%s: %v", event, err)
		}
	}
	slices.Sort(asked)
	wantEqual(t, "asked about", asked, []string{"", "fine", "known", "secret"})
}

func TestAGatewayThatNobodyServesSaysSo(t *testing.T) {
	g := chat()
	ctx := t.Context()
	_, ask := g.All().Ask(ctx, "e")
	_, members := g.All().Members(ctx)
	_, server := g.ServerSideEmit(ctx, "e")
	for name, err := range map[string]error{
		"Emit": g.Emit("e"), "Ask": ask, "Members": members, "ServerSideEmit": server,
		"Join": g.To("a").Join(ctx, "b"), "Leave": g.To("a").Leave(ctx, "b"), "Disconnect": g.All().Disconnect(ctx, true),
	} {
		if !errors.Is(err, actors.ErrNotServed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABroadcastIsAValue(t *testing.T) {
	h := new(fakeGatewayHost)
	g := chat()
	g.Bind(h)
	base := g.To("1").To("2").To("a").Except("v").Except("w").Except("x") // append leaves room for a fourth
	for _, b := range []actors.Broadcast[profile]{base.To("b").Except("y"), base.To("c").Except("z").ToUser("u").Volatile().Local(), base, g.All(), g.In("/dyn")} {
		if err := b.Emit("e", 1); err != nil {
			t.Fatal(err)
		}
	}
	client := g.NewClient(new(fakeClientHost)).(*actors.Client[profile])
	if err := errors.Join(client.Emit("e", 1), client.To("lobby").Emit("e", 1), client.Broadcast().Emit("e", 1), client.Volatile().Emit("e", 1)); err != nil {
		t.Fatal(err)
	}
	data := raw(`["e",1]`)
	var want []actors.Multicast
	for _, m := range []actors.Multicast{
		{Rooms: []string{"1", "2", "a", "b"}, Except: []string{"v", "w", "x", "y"}},
		{Rooms: []string{"1", "2", "a", "c"}, Except: []string{"v", "w", "x", "z"}, Users: []string{"u"}, Volatile: true, Local: true},
		{Rooms: []string{"1", "2", "a"}, Except: []string{"v", "w", "x"}},
		{},
		{Namespace: "/dyn"},
		{Rooms: []string{"ada"}},
		{Rooms: []string{"lobby"}, Except: []string{"ada"}},
		{Except: []string{"ada"}},
		{Rooms: []string{"ada"}, Volatile: true},
	} {
		if m.Event, m.Data = "e", data; m.Namespace == "" {
			m.Namespace = "/chat"
		}
		want = append(want, m)
	}
	for i := range want {
		wantEqual(t, fmt.Sprint("multicast ", i), h.emitted[i], want[i])
	}
}

// A guard's own words are for the log: a runtime finds them in the error whose
// public face says forbidden.
func TestAGuardsOwnErrorIsKeptForTheLog(t *testing.T) {
	broken := errors.New("the database is away")
	g := chat()
	g.Guard(func(context.Context, *actors.Client[profile], string) error { return fmt.Errorf("look up: %w", broken) })
	err := g.NewClient(new(fakeClientHost)).Connect(t.Context())
	if e := actors.AsError(err); e.Code != actors.CodeForbidden || e.Message != "forbidden" {
		t.Errorf("clients are told %v", e)
	}
	var guard *actors.GuardError
	if !errors.As(err, &guard) || !errors.Is(err, broken) {
		t.Errorf("the log is told %v", err)
	}
}

func TestABroadcastFailsBeforeAnythingIsSent(t *testing.T) {
	h := new(fakeGatewayHost)
	g := chat()
	g.Bind(h)
	for name, c := range map[string]struct {
		event string
		arg   any
		code  actors.Code
	}{
		"reserved": {"disconnect", 1, actors.CodeInvalid},
		"no name":  {"", 1, actors.CodeInvalid},
		"too long": {strings.Repeat("e", 129), 1, actors.CodeInvalid},
		"NaN":      {"e", math.NaN(), actors.CodeInternal},
	} {
		_, ask := g.All().Ask(t.Context(), c.event, c.arg)
		for _, err := range []error{g.Emit(c.event, c.arg), ask} {
			if err == nil || actors.AsError(err).Code != c.code {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if len(h.emitted) != 0 {
		t.Errorf("emitted %v", h.emitted)
	}
	if _, err := g.All().Ask(t.Context(), "e"); err != nil || h.timeout != 10*time.Second {
		t.Errorf("asked with timeout %v, %v", h.timeout, err)
	}
	if _, err := g.All().Timeout(time.Second).Ask(t.Context(), "e"); err != nil || h.timeout != time.Second {
		t.Errorf("asked with timeout %v, %v", h.timeout, err)
	}
	client := g.NewClient(new(fakeClientHost)).(*actors.Client[profile])
	if _, err := client.Ask(t.Context(), 0, "e"); actors.AsError(err).Code != actors.CodeNotFound {
		t.Errorf("a client that is gone: %v", err)
	}
}

func TestJoiningTellsTheRoomsWhoTheClientIs(t *testing.T) {
	h := new(fakeClientHost)
	client := chat().NewClient(h).(*actors.Client[profile])
	client.Data.Name = "<Ada>"
	if err := errors.Join(client.Join(t.Context(), "a", "b"), client.Share(t.Context())); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "joined", h.joined, []string{`a+b {"name":"<Ada>"}`, `lobby {"name":"<Ada>"}`})
	bad := actors.NewGateway[func()]("/x", actors.GatewayConfig{}).NewClient(h).(*actors.Client[func()])
	bad.Data = func() {}
	if err := bad.Join(t.Context(), "a"); err == nil {
		t.Error("data that is no JSON was sent")
	}
}

func TestTheServersOfAGatewayTalkToEachOther(t *testing.T) {
	h := new(fakeGatewayHost)
	g := chat()
	g.Bind(h)
	onServer(g)
	if _, err := g.ServerSideEmit(t.Context(), "a", 1, "two"); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "sent", h.did, []string{`a[1,"two"]`})
	if got, err := g.Server(t.Context(), "a", actors.Args{List: []json.RawMessage{[]byte("1")}}); err != nil || spelled(got) != "[1]" {
		t.Errorf("answered %s, %v", spelled(got), err)
	}
	if _, err := g.Server(t.Context(), "b", actors.Args{}); actors.AsError(err).Code != actors.CodeUnknownEvent {
		t.Errorf("an unknown server event: %v", err)
	}
	if _, err := g.ServerSideEmit(t.Context(), "a", math.NaN()); err == nil {
		t.Error("NaN was sent")
	}
}
