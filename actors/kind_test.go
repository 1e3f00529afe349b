package actors_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

func TestTheZeroConfigurationIsUseful(t *testing.T) {
	k := actors.NewKind("board", func() *board { return new(board) }, actors.KindConfig{})
	if err := k.Err(); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "config", k.Config(), actors.KindConfig{
		MaxMembers: 10_000, IdleAfter: 30 * time.Second, ResumeEvents: 1_000, ResumeBytes: 1 << 20,
		AuthorizeTimeout: 10 * time.Second, MaxWork: 16,
	})
	wantEqual(t, "name", k.Name(), "board")
}

type ticking struct{}

func (*ticking) Tick(*actors.Turn, actors.Tick) {}

func TestLimitsOfTheConfigurationAreThoseOfItsComments(t *testing.T) {
	hour := time.Hour
	for name, c := range map[string]struct {
		with   func(*actors.KindConfig)
		refuse string // what the error begins with; empty if it is allowed
	}{
		"SyncEvery, most":            {func(c *actors.KindConfig) { c.SyncEvery = time.Minute }, ""},
		"SyncEvery, too long":        {func(c *actors.KindConfig) { c.SyncEvery = time.Minute + 1 }, "SyncEvery is 1m0.000000001s: want 0s to 1m0s"},
		"SyncEvery, negative":        {func(c *actors.KindConfig) { c.SyncEvery = -1 }, "SyncEvery is -1ns"},
		"TickEvery, least":           {func(c *actors.KindConfig) { c.TickEvery = time.Millisecond }, ""},
		"TickEvery, most":            {func(c *actors.KindConfig) { c.TickEvery = hour }, ""},
		"TickEvery, too short":       {func(c *actors.KindConfig) { c.TickEvery = time.Millisecond - 1 }, "TickEvery is 999.999µs: want 1ms to 1h0m0s"},
		"TickEvery, a bare number":   {func(c *actors.KindConfig) { c.TickEvery = 33 }, "TickEvery is 33ns"},
		"TickEvery, too long":        {func(c *actors.KindConfig) { c.TickEvery = hour + 1 }, "TickEvery is"},
		"TickEvery, negative":        {func(c *actors.KindConfig) { c.TickEvery = -hour }, "TickEvery is -1h"},
		"MaxMembers, least":          {func(c *actors.KindConfig) { c.MaxMembers = 1 }, ""},
		"MaxMembers, most":           {func(c *actors.KindConfig) { c.MaxMembers = 1_000_000 }, ""},
		"MaxMembers, too many":       {func(c *actors.KindConfig) { c.MaxMembers = 1_000_001 }, "MaxMembers is 1000001: want 1 to 1000000"},
		"MaxMembers, negative":       {func(c *actors.KindConfig) { c.MaxMembers = -1 }, "MaxMembers is -1"},
		"IdleAfter, least":           {func(c *actors.KindConfig) { c.IdleAfter = time.Millisecond }, ""},
		"IdleAfter, too short":       {func(c *actors.KindConfig) { c.IdleAfter = 1 }, "IdleAfter is 1ns"},
		"IdleAfter, too long":        {func(c *actors.KindConfig) { c.IdleAfter = 1001 * hour }, "IdleAfter is"},
		"ResumeWithin, most":         {func(c *actors.KindConfig) { c.ResumeWithin = 24 * hour }, ""},
		"ResumeWithin, too long":     {func(c *actors.KindConfig) { c.ResumeWithin = 25 * hour }, "ResumeWithin is"},
		"ResumeWithin, negative":     {func(c *actors.KindConfig) { c.ResumeWithin = -1 }, "ResumeWithin is"},
		"ResumeEvents, too many":     {func(c *actors.KindConfig) { c.ResumeEvents = 1_000_001 }, "ResumeEvents is"},
		"ResumeEvents, negative":     {func(c *actors.KindConfig) { c.ResumeEvents = -1 }, "ResumeEvents is"},
		"ResumeBytes, most":          {func(c *actors.KindConfig) { c.ResumeBytes = 1 << 30 }, ""},
		"ResumeBytes, too many":      {func(c *actors.KindConfig) { c.ResumeBytes = 1<<30 + 1 }, "ResumeBytes is"},
		"AuthorizeTimeout, least":    {func(c *actors.KindConfig) { c.AuthorizeTimeout = time.Millisecond }, ""},
		"AuthorizeTimeout, too long": {func(c *actors.KindConfig) { c.AuthorizeTimeout = math.MaxInt64 }, "AuthorizeTimeout is"},
		"MaxWork, most":              {func(c *actors.KindConfig) { c.MaxWork = 10_000 }, ""},
		"MaxWork, too much":          {func(c *actors.KindConfig) { c.MaxWork = 10_001 }, "MaxWork is 10001: want 1 to 10000"},
		"Rooms, most":                {func(c *actors.KindConfig) { c.Rooms = slices.Repeat([]string{"a"}, 10_000) }, ""},
		"Rooms, too many":            {func(c *actors.KindConfig) { c.Rooms = slices.Repeat([]string{"a"}, 10_001) }, "Rooms has 10001 entries: want at most 10000"},
	} {
		t.Run(name, func(t *testing.T) {
			var config actors.KindConfig
			c.with(&config)
			err := actors.NewKind("game", func() *ticking { return new(ticking) }, config).Err()
			if c.refuse == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, `kind "game": `+c.refuse)
		})
	}
}

func TestTicksNeedTheHook(t *testing.T) {
	c := actors.KindConfig{TickEvery: time.Second}
	wantError(t, actors.NewKind("board", func() *board { return new(board) }, c).Err(), "TickEvery", "method Tick(*actors.Turn, actors.Tick)")
}

func TestKindNamesAreThoseOfTheProtocol(t *testing.T) {
	for _, name := range []string{"", "Board", "2d", "-b", "b_d", "b d", "b/d", "bé", strings.Repeat("b", 33)} {
		wantError(t, actors.NewKind(name, func() *board { return new(board) }, actors.KindConfig{}).Err(), "[a-z][a-z0-9-]{0,31}")
		if actors.ValidKindName(name) {
			t.Errorf("%q is valid", name)
		}
	}
	for _, name := range []string{"b", "b-2", strings.Repeat("b", 32)} {
		if err := actors.NewKind(name, func() *board { return new(board) }, actors.KindConfig{}).Err(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestErrReportsEveryMistakeAtOnce(t *testing.T) {
	type wrong struct {
		Notes ints
	}
	k := actors.NewKind("Bad Name", func() *wrong { return new(wrong) }, actors.KindConfig{MaxMembers: -1, MaxWork: -1})
	actors.On(k, "connect", func(*wrong, *actors.Turn, int) {})
	actors.On(k, "", func(*wrong, *actors.Turn, int) {})
	actors.OnAny[wrong](k, nil)
	err := k.Err()
	wantError(t, err, `kind "Bad Name"`, "the name is not", "MaxMembers is -1", "MaxWork is -1", "field Notes",
		`event name "connect" is reserved`, `event name ""`, "OnAny: the handler is nil")
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 7 {
		t.Errorf("%d lines for 7 mistakes:\n%v", len(lines), err)
	}
	if again := k.Err(); again.Error() != err.Error() {
		t.Errorf("asked again: %v", again)
	}
}

func TestEventsAreListedSorted(t *testing.T) {
	k := actors.NewKind("board", func() *board { return new(board) }, actors.KindConfig{})
	for _, name := range []string{"move", "add", "é"} {
		actors.On(k, name, func(*board, *actors.Turn, int) {})
	}
	if got := k.Events(); !slices.Equal(got, []string{"add", "move", "é"}) {
		t.Errorf("events %v", got)
	}
}

func TestAKindHandlesWhatItSaysItHandles(t *testing.T) {
	names := []string{"add", "connect", "room:state", "auth:renew", "exception", "other", ""}
	for name, build := range map[string]func(*actors.Kind[board]){
		"nothing":   func(*actors.Kind[board]) {},
		"one event": func(k *actors.Kind[board]) { actors.On(k, "add", func(*board, *actors.Turn, struct{}) {}) },
		"any event": func(k *actors.Kind[board]) {
			actors.OnAny(k, func(*board, *actors.Turn, string, actors.Args) (any, error) { return nil, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := actors.NewKind("board", func() *board { return new(board) }, actors.KindConfig{})
			build(k)
			i := awake(t, k)
			for _, event := range names {
				_, _, err := send(i, event)
				if handled := err == nil; handled != k.HandlesEvent(event) {
					t.Errorf("%q: HandlesEvent %v, Handle %v", event, k.HandlesEvent(event), err)
				}
				if err != nil && actors.AsError(err).Code != actors.CodeUnknownEvent {
					t.Errorf("%q: %v", event, err)
				}
			}
		})
	}
}

func TestTheRuntimesOwnKindIsNobodyElses(t *testing.T) {
	k := actors.NewKind(actors.GatewayRooms, func() *board { return new(board) }, actors.KindConfig{})
	wantError(t, k.Err(), `kind "gateway-rooms"`, "the name is the runtime's own")
}
