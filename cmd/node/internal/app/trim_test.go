package app

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/cmd/node/internal/loopback"
	"github.com/parlor-rooms/parlor/cmd/node/internal/relay"
	"github.com/parlor-rooms/parlor/transport"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// TestWhoReturnsAfterHistoryWasTrimmedStartsAfresh loses a connection, misses
// four events, and returns: with them, or, where memory was short, without.
func TestWhoReturnsAfterHistoryWasTrimmedStartsAfresh(t *testing.T) {
	s := loopback.Serve(t, loopback.Config{
		Node: node.Config{Kinds: []actors.Behavior{relay.New("lobby", relay.Config{
			Events: map[string]relay.Event{"chat": {MaxBytes: 100}}, Create: "anyone", MaxMembers: 10, ResumeWithin: time.Minute, IdleAfter: time.Minute,
		})}},
		Transport: transport.Config{CloseTimeout: time.Millisecond},
	})
	r := &running{url: s.URL}
	for room, trim := range map[string]bool{"/lobby/kept": false, "/lobby/trimmed": true} {
		say := func(ns *transporttest.Namespace, text string) {
			within, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := ns.EmitAck(within, "chat", text); err != nil {
				t.Fatal(err)
			}
		}
		ben := enter(t, dial(t, r, transporttest.Options{}), room, nil)
		connection := dial(t, r, transporttest.Options{})
		ada := enter(t, connection, room, nil)
		say(ben, "seen")
		e := next(t, ada, "chat")
		var offset string
		if err := json.Unmarshal(e.Args[len(e.Args)-1], &offset); err != nil {
			t.Fatalf("%v in %s", err, e.Args)
		}
		connection.Abort()
		for _, text := range []string{"a", "b", "c", "d"} {
			say(ben, text)
		}
		if trim {
			for range 50 { // it travels by way of the directory, beside what members send
				s.Node.TrimHistory()
				say(ben, "x")
			}
		}
		again := enter(t, dial(t, r, transporttest.Options{}), room, map[string]string{"pid": ada.PID(), "offset": offset})
		if recovered := again.PID() == ada.PID(); recovered == trim {
			t.Errorf("%s: recovered: %v", room, recovered)
		}
		if again.SID() != ada.SID() {
			t.Errorf("%s: the seat is lost", room)
		}
	}
}
