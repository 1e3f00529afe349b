package lasting

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestStockClientsMissNothingWhateverBreaks: stock JavaScript clients over
// WebSocket, polling, and from one to the other, write and listen in a room
// while their connections are cut at random points and the server is killed or
// stopped, and started again. What each is told is contiguous, or it is told
// that something is missing, which there is no reason for; every line stands
// once where it was acknowledged, though the clients send it again.
func TestStockClientsMissNothingWhateverBreaks(t *testing.T) {
	seed := drawSeed(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	server := startServer(t, "", "--store", t.TempDir())
	w, err := fleet.LayWire("127.0.0.1:0", server.Public())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	const room = "/ledger/stock"
	args := []string{"http://" + w.Address(), room, fmt.Sprint(stockLines), fmt.Sprint(seed)}
	for i := range 3 {
		args = append(args, token(t, fmt.Sprintf("js%d", i)))
	}
	script := testenv.StartNode(t, "testdata/scribes.mjs", args...)
	ended := make(chan error, 1)
	go func() { ended <- script() }() // waited for below
	cuts, kills, stops := 0, 0, 0
	for done := false; !done; {
		var next <-chan time.Time // never, once that is enough: the clients are to come to an end
		if cuts+kills+stops < stockLines/2 {
			next = time.After(time.Duration(50+rnd.IntN(400)) * time.Millisecond)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		case <-next:
			switch n := rnd.IntN(10); {
			case kills == 0 || n < 2:
				kills++
				server.Kill()
				start(t, server)
			case cuts == 0 || n < 9:
				cuts += w.Break(func() bool { return rnd.IntN(2) == 0 })
			default:
				stops++
				if _, err := server.Stop(patience); err != nil {
					t.Fatal(err)
				}
				start(t, server)
			}
		}
	}
	t.Logf("%d connections cut, the server killed %d times and stopped %d times", cuts, kills, stops)
	if cuts == 0 || kills == 0 {
		t.Error("nothing is shown")
	}
	number := make(map[string]int) // of the next line, by its scribe
	for at, l := range read(t, "http://"+server.Public(), room) {
		if l.N != number[l.By] {
			t.Errorf("line %d is %v, want number %d of it", at, l, number[l.By])
		}
		number[l.By] = l.N + 1
	}
	for i := range 3 {
		if name := fmt.Sprintf("js%d", i); number[name] != stockLines {
			t.Errorf("%d lines of %s are there, %d were acknowledged", number[name], name, stockLines)
		}
	}
}
