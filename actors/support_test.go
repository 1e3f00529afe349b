package actors_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// fakeHost is a room as a turn sees it: two members, and a record of what the
// turn asked for.
type fakeHost struct {
	ids     int
	logged  strings.Builder
	emitted []actors.Outgoing
	jobs    []func(context.Context) error
	works   []func(*actors.Turn, error)
	calls   []func(*actors.Turn, actors.Raw, error)
	did     []string
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (h *fakeHost) Room() actors.RoomRef { return actors.RoomRef{Kind: "board", ID: "q3"} }
func (h *fakeHost) Now() time.Time       { return start }
func (h *fakeHost) Rand() *rand.Rand     { return rand.New(rand.NewPCG(1, 2)) }
func (h *fakeHost) NewID() string        { h.ids++; return fmt.Sprintf("id-%d", h.ids) }
func (h *fakeHost) Log() *slog.Logger    { return slog.New(slog.NewTextHandler(&h.logged, nil)) }

func (h *fakeHost) Members() iter.Seq[actors.Member] {
	return slices.Values([]actors.Member{{ID: "ada"}, {ID: "bob"}})
}

func (h *fakeHost) Lookup(id actors.MemberID) (actors.Member, bool) {
	return actors.Member{ID: id}, id == "ada" || id == "bob"
}

func (h *fakeHost) Emit(o *actors.Outgoing) { h.emitted = append(h.emitted, *o) }

func (h *fakeHost) Ask(o *actors.Outgoing, _ time.Duration, _ func(*actors.Turn, []actors.Answer)) {
	h.emitted = append(h.emitted, *o)
}

func (h *fakeHost) Kick(id actors.MemberID, reason string) {
	h.did = append(h.did, fmt.Sprintf("kick %s %s", id, reason))
}

func (h *fakeHost) Destroy() { h.did = append(h.did, "destroy") }

func (h *fakeHost) After(d time.Duration, _ func(*actors.Turn)) func() bool {
	h.did = append(h.did, "after "+d.String())
	return func() bool { return true }
}

func (h *fakeHost) SetAlarm(name string, at time.Time) {
	h.did = append(h.did, fmt.Sprintf("alarm %s %v", name, at.Sub(start)))
}

func (h *fakeHost) Go(work func(context.Context) error, then func(*actors.Turn, error)) {
	h.jobs = append(h.jobs, work)
	h.works = append(h.works, then)
}

func (h *fakeHost) Call(_ actors.RoomRef, _ string, payload actors.Raw, _ time.Duration, then func(*actors.Turn, actors.Raw, error)) {
	h.did = append(h.did, "call "+string(payload.JSON))
	h.calls = append(h.calls, then)
}

// newTurn returns a turn that member ada caused.
func newTurn(h *fakeHost) *actors.Turn {
	return actors.NewTurn(h, actors.Cause{Member: actors.Member{ID: "ada", UserID: "u-ada"}})
}

// awake returns an open instance of a kind without mistakes, outside a turn.
func awake[S any](t testing.TB, k *actors.Kind[S]) actors.Instance {
	t.Helper()
	if err := k.Err(); err != nil {
		t.Fatal(err)
	}
	i := k.NewRoom()
	i.Open()
	return i
}

// room makes an open room and returns it with its instance.
func room[S any](t testing.TB) (*S, actors.Instance) {
	t.Helper()
	var last *S
	k := actors.NewKind("board", func() *S { last = new(S); return last }, actors.KindConfig{})
	i := awake(t, k)
	return last, i
}

// send runs the handler of one event within a transaction. args are JSON.
func send(i actors.Instance, event string, args ...string) (actors.Result, []actors.Change, error) {
	return sendBinary(i, event, nil, args...)
}

func sendBinary(i actors.Instance, event string, attachments [][]byte, args ...string) (actors.Result, []actors.Change, error) {
	ev := &actors.Event{Name: event, WantsAck: true, Args: actors.Args{Attachments: attachments}}
	for _, arg := range args {
		ev.Args.List = append(ev.Args.List, json.RawMessage(arg))
	}
	turn := newTurn(new(fakeHost))
	i.Begin()
	result, err := i.Handle(turn, ev)
	turn.End()
	if err != nil {
		i.Rollback()
		return result, nil, err
	}
	return result, i.Commit(), nil
}

// changes spells a list of changes: "0.a={…}" or "0.a removed".
func changes(list []actors.Change) []string {
	out := []string{}
	for _, c := range list {
		if c.Value == nil {
			out = append(out, fmt.Sprintf("%d.%s removed", c.Field, c.Key))
			continue
		}
		out = append(out, fmt.Sprintf("%d.%s=%s", c.Field, c.Key, c.Value))
	}
	return out
}

// entries is what Each says of a field.
func entries(i actors.Instance, field int) map[string]string {
	out := make(map[string]string)
	i.Each(field, func(key string, value []byte) { out[key] = string(value) })
	return out
}

// panicText runs f and returns what it panicked with; it fails the test if f
// did not.
func panicText(t testing.TB, f func()) (text string) {
	t.Helper()
	defer func() {
		t.Helper()
		v := recover()
		if v == nil {
			t.Fatal("no panic")
		}
		text = fmt.Sprint(v)
	}()
	f()
	return ""
}

func wantPanic(t testing.TB, text string, f func()) {
	t.Helper()
	if got := panicText(t, f); !strings.Contains(got, text) {
		t.Fatalf("panic %q, want one with %q", got, text)
	}
}

func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q, want %q in it", err, part)
		}
	}
}

func wantEqual[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}

func sorted[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
