package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// TestARoomNeverComesBackToANodeThatItWasTakenFrom, whatever the lists say: so
// two nodes cannot take it from each other again and again, and nothing has to
// slow them down. Nodes lose touch with the registry for a while or for good,
// and go on asking for rooms when they are lost, as a process would that does
// not end. SEED replays a run.
func TestARoomNeverComesBackToANodeThatItWasTakenFrom(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	taken := 0
	inBubble(t, func(t *testing.T, p *places) {
		r := rand.New(rand.NewPCG(seed, 0))
		over := make(map[string]bool)
		p.store.taken = func(room actors.RoomRef, from, to string) {
			if from != "" && from != to {
				taken++
				over[fmt.Sprint(room, from)] = true
			}
			if over[fmt.Sprint(room, to)] {
				t.Errorf("%v comes back to %s, from which it was taken", room, to)
			}
		}
		ids := []string{"a", "b", "c"}
		for round := range 24 {
			if owner := p.store.owned[board(r.IntN(4))].Owner.Node; owner != "" {
				p.reg.set(owner, true)
			}
			ids = append(ids, fmt.Sprint("n", round))
			p.start(ids[len(ids)-1])
			for range 8 {
				for _, i := range r.Perm(len(ids)) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second) // a beat, and more
					_, _ = p.at(ids[i]).Locate(ctx, Request{Room: board(r.IntN(4)), Here: r.IntN(2) == 0})
					cancel()
				}
				pass(time.Duration(r.IntN(500)) * time.Millisecond)
			}
			for _, id := range ids {
				p.reg.set(id, p.reg.silent(id) && r.IntN(2) == 0)
			}
		}
	}, "a", "b", "c")
	if taken < 3 {
		t.Errorf("rooms were taken %d times: the test proves nothing", taken)
	}
}
