package lasting

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/store/memory"
	"github.com/parlor-rooms/parlor/actors/store/storetest"
	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/cmd/node/internal/loopback"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// byName takes everybody for who they say they are.
type byName struct{}

func (byName) Authenticate(_ context.Context, r *actors.AuthRequest) (actors.Identity, error) {
	var auth struct{ Name string }
	if err := json.Unmarshal(r.Auth, &auth); err != nil {
		return actors.Identity{}, err
	}
	return actors.Identity{Subject: auth.Name}, nil
}

// serveOver serves ledgers that are kept in a store, until the test ends, and
// returns where. It takes every other node for dead.
func serveOver(t *testing.T, store actors.Store) string {
	t.Helper()
	return loopback.Serve(t, loopback.Config{Node: node.Config{
		Kinds: []actors.Behavior{ledgerKind("")}, Authenticator: byName{}, Store: store, Limits: node.NoLimits(),
	}}).URL
}

// testify has witnesses ask servers, and returns what they noted: a last look
// at each room included.
func testify(t *testing.T, seed uint64, read string, pace time.Duration, servers ...string) *history {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	h := new(history)
	summon := func(id, room int, servers ...string) *witness {
		return &witness{
			history: h, id: id, room: fmt.Sprintf("/ledger/r%d", room), servers: servers, read: read,
			rnd: rand.New(rand.NewPCG(seed, uint64(id))), pace: pace, token: token(t, fmt.Sprint("w", id)),
		}
	}
	var wait sync.WaitGroup
	for i := range rooms * scribes {
		w := summon(i, i%rooms, servers...)
		wait.Go(func() {
			if err := w.live(ctx, questions); err != nil {
				t.Errorf("witness %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	for r := range rooms {
		w := summon(-1-r, r, servers[0])
		if err := w.ask(ctx, asked{room: w.room}, true); err != nil {
			t.Errorf("the last look at %s: %v", w.room, err)
		}
		w.drop()
	}
	return h
}

// faults of a store that answers late, twice and never.
func faults(seed uint64) storetest.Faults {
	return storetest.Faults{
		Seed: seed, Refuse: 0.03, Vanish: 0.05, LoseReply: 0.1, Late: 0.05, Duplicate: 0.1, Delay: 0.2, LongestDelay: 3 * time.Millisecond,
	}
}

// TestClientsOfARoomSeeOneOrderOfTurns whatever becomes of their connections
// and of the store's answers: what they asked and were answered is explained
// by one turn after the other, each between its call and its answer. Those
// without an answer may have happened at any time, or not.
func TestClientsOfARoomSeeOneOrderOfTurns(t *testing.T) {
	seed := drawSeed(t)
	store := storetest.WithFaults(memory.New(memory.Config{}), faults(seed))
	h := testify(t, seed, "read", 0, serveOver(t, store))
	h.expect(t, porcupine.Ok)
	t.Logf("the store's calls met %v", store.Met())
}

// TestClientsOfARoomSeeOneOrderOfTurnsThoughTheStoreIsRolledBack: again and
// again, to moments that are drawn, while its calls meet faults. The rooms'
// owner lives and gives back what was lost.
func TestClientsOfARoomSeeOneOrderOfTurnsThoughTheStoreIsRolledBack(t *testing.T) {
	seed := drawSeed(t)
	rnd := rand.New(rand.NewPCG(seed, math.MaxUint64))
	store := storetest.WithFaults(memory.New(memory.Config{}), faults(seed))
	histories := make(chan *history, 1)
	var asking sync.WaitGroup
	t.Cleanup(asking.Wait)
	url := serveOver(t, store)
	asking.Go(func() { histories <- testify(t, seed, "read", 20*time.Millisecond, url) })
	for marks := 0; ; {
		select {
		case h := <-histories:
			h.expect(t, porcupine.Ok)
			if t.Logf("the store's calls met %v", store.Met()); store.Met()["rewind"] == 0 {
				t.Error("the store was not rolled back: nothing is shown")
			}
			return
		case <-time.After(time.Duration(rnd.IntN(20)) * time.Millisecond):
		}
		if marks == 0 || rnd.IntN(3) > 0 {
			store.Mark()
			marks++
			continue
		}
		store.Settle(t.Context()) // what was sent to the store of before does not reach the other
		n := max(0, marks-1-rnd.IntN(5))
		store.Rewind(n)
		marks = n + 1
	}
}

// TestTwoOwnersAreOneRoom: two nodes take each other for dead and the rooms
// from each other, again and again. What is acknowledged by either is still
// explained by one turn after the other, in rooms that write something before
// they tell what they hold.
func TestTwoOwnersAreOneRoom(t *testing.T) {
	seed := drawSeed(t)
	store := storetest.WithFaults(memory.New(memory.Config{}), faults(seed))
	h := testify(t, seed, "look", 0, serveOver(t, store), serveOver(t, store))
	h.expect(t, porcupine.Ok)
	t.Logf("the store's calls met %v", store.Met())
}

// TestRoomsOfKilledNodesAreOneRoomEach: two processes over one Redis are killed
// with SIGKILL, now one, now the other, and Redis too, which has fsynced what
// it has answered. Rooms go to and fro between them, and what clients ask and
// are answered is one turn after the other.
func TestRoomsOfKilledNodesAreOneRoomEach(t *testing.T) {
	seed := drawSeed(t)
	rnd := rand.New(rand.NewPCG(seed, math.MaxUint64))
	redis := testenv.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	var nodes []*fleet.Node
	var servers []string
	for range 2 {
		n := startServer(t, actors.DurabilityRedisFsync, "--redis", redis.URL(), "--cluster-lease", "2s")
		nodes, servers = append(nodes, n), append(servers, "http://"+n.Public())
	}
	histories := make(chan *history, 1)
	var asking sync.WaitGroup
	t.Cleanup(asking.Wait)
	asking.Go(func() { histories <- testify(t, seed, "read", 200*time.Millisecond, servers...) })
	killed := make(map[string]int)
	for {
		select {
		case h := <-histories:
			t.Logf("killed: %v", killed)
			if killed["node 0"] == 0 || killed["node 1"] == 0 {
				t.Error("not both were killed: nothing is shown")
			}
			h.expect(t, porcupine.Ok)
			return
		case <-time.After(time.Duration(rnd.IntN(600)) * time.Millisecond):
		}
		if rnd.IntN(5) == 0 {
			killed["Redis"]++
			redis.Kill()
			redis.Start()
			continue
		}
		i := (killed["node 0"] + killed["node 1"]) % 2
		killed[fmt.Sprint("node ", i)]++
		nodes[i].Kill()
		start(t, nodes[i])
	}
}

// TestAStoreThatForgetsIsFoundOut: the checks above see it when what was
// acknowledged is not kept.
func TestAStoreThatForgetsIsFoundOut(t *testing.T) {
	seed := drawSeed(t)
	h := testify(t, seed, "read", 0, serveOver(t, &forgetful{Store: memory.New(memory.Config{})}))
	h.expect(t, porcupine.Illegal)
}

// forgetful acknowledges every tenth batch and does not keep it, and is not
// given it back: as a store that acknowledges before it appends, and then ends
// together with the owner.
type forgetful struct {
	actors.Store
	appended atomic.Int64
}

func (f *forgetful) Append(ctx context.Context, room actors.RoomRef, b *actors.Batch) error {
	if f.appended.Add(1)%10 == 0 {
		return nil
	}
	return f.Store.Append(ctx, room, b)
}

func (f *forgetful) Claim(ctx context.Context, room actors.RoomRef, c actors.Claim) (actors.Owned, error) {
	if c.Back {
		return actors.Owned{}, &actors.HeldError{}
	}
	return f.Store.Claim(ctx, room, c)
}

// TestHistoriesThatNoOrderExplainsAreRefused: a stale read, a line in another's
// place, a line that comes and goes.
func TestHistoriesThatNoOrderExplainsAreRefused(t *testing.T) {
	a, b := line{"w0", 0}, line{"w1", 0}
	write := func(call, end int64, l line, at int) porcupine.Operation {
		return porcupine.Operation{Input: asked{room: "r", write: true, line: l}, Call: call, Output: answer{known: true, at: at}, Return: end}
	}
	unknown := func(call int64, l line) porcupine.Operation {
		return porcupine.Operation{Input: asked{room: "r", write: true, line: l}, Call: call, Output: answer{}, Return: math.MaxInt64}
	}
	read := func(call, end int64, lines ...line) porcupine.Operation {
		return porcupine.Operation{Input: asked{room: "r"}, Call: call, Output: answer{known: true, lines: lines}, Return: end}
	}
	for _, c := range []struct {
		name string
		ops  []porcupine.Operation
		want porcupine.CheckResult
	}{
		{"one after the other", []porcupine.Operation{write(1, 2, a, 0), read(3, 4, a), write(5, 6, b, 1)}, porcupine.Ok},
		{"unknown, and seen", []porcupine.Operation{unknown(1, a), write(2, 3, b, 0), read(4, 5, b), read(6, 7, b, a)}, porcupine.Ok},
		{"a stale read", []porcupine.Operation{write(1, 2, a, 0), read(3, 4)}, porcupine.Illegal},
		{"two lines in one place", []porcupine.Operation{write(1, 2, a, 0), write(3, 4, b, 0)}, porcupine.Illegal},
		{"a line that comes and goes", []porcupine.Operation{unknown(1, a), read(2, 3, a), read(4, 5)}, porcupine.Illegal},
		{"an acknowledged line that is missing", []porcupine.Operation{write(1, 2, a, 0), write(3, 4, b, 1), read(5, 6, b)}, porcupine.Illegal},
		{"a line that was written twice", []porcupine.Operation{write(1, 2, a, 0), read(3, 4, a, a)}, porcupine.Illegal},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &history{ops: c.ops}
			if got := h.judge(); got != c.want {
				t.Errorf("it is %v, want %v", got, c.want)
			}
		})
	}
}

// expect fails the test unless the history is judged so, and logs what it has.
func (h *history) expect(t *testing.T, want porcupine.CheckResult) {
	t.Helper()
	unknown, writes := 0, 0
	for _, op := range h.ops {
		switch {
		case !op.Output.(answer).known:
			unknown++
		case op.Input.(asked).write:
			writes++
		}
	}
	t.Logf("%d operations, %d of them writes that were answered, %d of which nobody knows", len(h.ops), writes, unknown)
	if writes == 0 || unknown == 0 {
		t.Error("that shows nothing")
	}
	if got := h.judge(); got != want {
		t.Errorf("the history is %v, want %v", got, want)
	}
}
