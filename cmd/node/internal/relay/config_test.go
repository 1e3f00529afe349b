package relay

import (
	"fmt"
	"strings"
	"testing"
)

func TestCheckFindsWhatCannotWork(t *testing.T) {
	event := func(name string, e Event) Config {
		e.MaxBytes = max(e.MaxBytes, 1)
		return Config{Events: map[string]Event{name: e}}
	}
	long := strings.Repeat("e", 129)
	for _, test := range []struct {
		name   string
		config Config
		want   string
	}{
		{"nothing", Config{}, ""},
		{"relayed event of any name", event("a b/é", Event{History: 5}), ""},
		{"kept event", event("_cursor-2", Event{Keep: true, Volatile: true}), ""},
		{"relayed event called members", event("members", Event{}), ""},
		{"longest event name", event(long[1:], Event{}), ""},
		{"event name too long", event(long, Event{}), "[events " + long + "] want an event name of 1 to 128 bytes"},
		{"empty event name", event("", Event{}), "[events ] want an event name of 1 to 128 bytes"},
		{"reserved event name", event("room:chat", Event{}), "[events room:chat] this event name is reserved"},
		{"reserved by Socket.IO", event("disconnect", Event{}), "[events disconnect] this event name is reserved"},
		{"kept event called members", event("members", Event{Keep: true}), "[events members] want another name: the synced field members is the list of members"},
		{"kept event that is no field name", event("2d", Event{Keep: true}), "[events 2d] want the name of a synced field where keep is true: [A-Za-z_][A-Za-z0-9_-]{0,63}"},
		{"kept with history", event("a", Event{Keep: true, History: 1}), "[events a history] want 0 where keep is true: a newcomer gets kept values anyway"},
		{"volatile with history", event("a", Event{Volatile: true, History: 1}), "[events a history] want 0 where volatile is true"},
		{"most history", event("a", Event{History: 256, MaxBytes: 65536}), ""},
		{"too much history", event("a", Event{History: 257, MaxBytes: 65536}), "[events] history times max_bytes of all events is 16842752 bytes: want at most 16777216"},
		{"profile", Config{Profile: []string{"name", "color"}}, ""},
		{"reserved profile key", Config{Profile: []string{"token"}}, "[profile] the key token of the CONNECT payload is not the room's"},
		{"empty profile key", Config{Profile: []string{""}}, "[profile] want keys of 1 to 64 bytes"},
		{"too many profile keys", Config{Profile: strings.Split("abcdefghijklmnopq", "")}, "[profile] want at most 16 keys"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			test.config.Check(func(want string, path ...string) { got = append(got, fmt.Sprint(path, " ", want)) })
			if strings.Join(got, "\n") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if err := New("lobby", test.config).Err(); test.want == "" && err != nil {
				t.Errorf("Check accepts what the kind does not: %v", err)
			}
		})
	}
}

func TestKindTakesWhatWasConfigured(t *testing.T) {
	k := New("lobby", Config{
		Events:     map[string]Event{"chat": {MaxBytes: 1}, "cursor": {Keep: true, MaxBytes: 1}},
		MaxMembers: 7, SyncEvery: 8, ResumeWithin: 9, IdleAfter: 1e9,
	})
	if err := k.Err(); err != nil {
		t.Fatal(err)
	}
	for event, want := range map[string]bool{"chat": true, "cursor": true, "other": false} {
		if k.HandlesEvent(event) != want {
			t.Errorf("the kind takes %s: %v", event, !want)
		}
	}
	c := k.Config()
	if c.MaxMembers != 7 || c.SyncEvery != 8 || c.ResumeWithin != 9 || c.IdleAfter != 1e9 {
		t.Errorf("the kind is run with %+v", c)
	}
	var fields []string
	for _, f := range k.NewRoom().Fields() {
		if !f.Synced || f.Durable {
			t.Errorf("field %+v", f)
		}
		fields = append(fields, f.Name)
	}
	if fmt.Sprint(fields) != "[members cursor]" {
		t.Errorf("fields are %v", fields)
	}
}
