package room

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
)

// A simulation replays a run from its seed: the same inputs must lead to the
// same outputs, in the same order.
func TestTheSameInputsHaveTheSameEffects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		first := rehearse(t, seed)
		for range 3 {
			again := rehearse(t, seed)
			for i := range max(len(first), len(again)) {
				if i >= len(first) || i >= len(again) || first[i] != again[i] {
					t.Fatalf("effect %d of %d and %d: %q and %q", i, len(first), len(again), first[min(i, len(first)-1)], again[min(i, len(again)-1)])
				}
			}
		}
	})
}

// rehearse runs a room that does a little of everything.
func rehearse(t tester, seed uint64) []string {
	dice := rand.New(rand.NewPCG(seed, 1))
	var owed []actors.Ack[string]
	busy := func(h *hall, t *actors.Turn) {
		for range dice.IntN(6) {
			switch dice.IntN(10) {
			case 0, 1, 2:
				h.Notes.Set(fmt.Sprint(dice.IntN(20)), dice.IntN(9))
			case 3:
				h.Spots.Set(t.Member().ID, fmt.Sprint(dice.IntN(9)))
			case 4:
				t.All().Ask(time.Duration(dice.IntN(3000))*time.Millisecond, func(t *actors.Turn, a []actors.Answer) { t.Broadcast("answers", len(a), a) }, "?")
			case 5:
				t.After(time.Duration(dice.IntN(3000))*time.Millisecond, func(t *actors.Turn) { t.Broadcast("timer") })
			case 6:
				t.Go(func(context.Context) error { return nil }, func(t *actors.Turn, _ error) { t.Broadcast("worked") })
			case 7:
				t.Broadcast("said", dice.IntN(9))
			case 8:
				for m := range t.Members() {
					if dice.IntN(8) == 0 {
						t.Kick(m.ID, "")
					}
				}
			case 9:
				if dice.IntN(6) == 0 {
					panic("oh")
				}
			}
		}
	}
	s := &script{
		joined: func(h *hall, t *actors.Turn, _ actors.Member) { busy(h, t) },
		left: func(h *hall, t *actors.Turn, m actors.Member, _ actors.LeaveReason) {
			t.Broadcast("left", string(m.ID))
			busy(h, t)
		},
		on: on{
			"do":  func(h *hall, t *actors.Turn, _ actors.Args) (any, error) { busy(h, t); return nil, nil },
			"end": setter["end"],
		},
		later: func(_ *hall, _ *actors.Turn, _ string, ack actors.Ack[string]) { owed = append(owed, ack) },
	}
	w := s.open(t, resumable(actors.KindConfig{
		MaxMembers: 40, SyncEvery: 100 * time.Millisecond,
		Authorize: func(context.Context, *actors.JoinRequest) error {
			if dice.IntN(5) == 0 {
				return errors.New("no")
			}
			return nil
		},
	}))
	var clients []*client
	for range 150 {
		if len(clients) == 0 || dice.IntN(4) == 0 {
			clients = append(clients, w.join(at(fmt.Sprintf("n%d", dice.IntN(3)+1))))
			continue
		}
		c := clients[dice.IntN(len(clients))]
		switch dice.IntN(8) {
		case 0, 1, 2:
			c.send(`["do"]`)
		case 3:
			c.send(`["later","x"]`)
		case 4:
			c.leave([]actors.LeaveReason{actors.ReasonClientLeft, actors.ReasonTransportClosed}[dice.IntN(2)])
		case 5:
			if mem := w.m.members.byID[c.id()]; mem != nil {
				clients = append(clients, c.back(""))
			}
		case 6:
			if running := keys(w.work); len(running) > 0 {
				w.finish(running[dice.IntN(len(running))])
			}
		case 7:
			w.confirm()
			w.advance(time.Duration(dice.IntN(1000)) * time.Millisecond)
		}
	}
	if dice.IntN(2) == 0 {
		w.call(1, "end", `[]`)
	}
	w.m.Close(w.now, actors.ReasonShutdown) // with joins, answers and questions open
	return w.log
}
