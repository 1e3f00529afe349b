package governor

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/transport"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryCountOfAGovernorIsPublished(t *testing.T) {
	testenv.Published(t, new(meters).publish)
}

func TestAStageBeginsAndEndsAtItsShareOfTheLimit(t *testing.T) {
	stage := Normal
	for i, step := range []struct {
		percent uint64
		want    Stage
	}{
		{0, Normal}, {84, Normal}, {85, Refuse}, {84, Refuse}, {80, Refuse}, {79, Normal},
		{84, Normal}, {90, Shed}, {86, Shed}, {84, Refuse}, {89, Refuse}, {95, Close}, {91, Close},
		{90, Close}, {89, Shed}, {85, Shed}, {84, Refuse}, {80, Refuse}, {79, Normal},
		{200, Close}, {0, Normal}, {95, Close}, {82, Refuse},
	} {
		if stage = stage.next(step.percent, 100); stage != step.want {
			t.Errorf("step %d, at %d %%: %v, want %v", i, step.percent, stage, step.want)
		}
	}
}

// TestABorderIsNotCrossedBackAndForth hovers around a border by less than the
// margin.
func TestABorderIsNotCrossedBackAndForth(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, border := range []uint64{85, 90, 95} {
		stage, changes := Normal, 0
		for range 1000 {
			next := stage.next(border*10+uint64(random.IntN(48))-24, 1000)
			if next != stage {
				changes++
			}
			stage = next
		}
		if changes > 3 { // from Normal upwards, once
			t.Errorf("around %d %% the stage changed %d times", border, changes)
		}
	}
}

// clients notes what is done for want of memory.
type clients struct {
	open int
	said []string
	slow int // how many have something waiting
}

func (c *clients) Relieve(r transport.Relief) { c.said = append(c.said, fmt.Sprintf("relieve %d", r)) }
func (c *clients) CloseSlowest(n int) int {
	n = min(n, c.slow)
	c.slow -= n
	c.said = append(c.said, fmt.Sprintf("close %d", n))
	return n
}
func (c *clients) Stats() transport.Stats {
	return transport.Stats{Polling: c.open / 2, WebSocket: c.open - c.open/2}
}

// used is a memory of 100 bytes.
type used chan uint64

func (u used) Read() (uint64, uint64) { return <-u, 100 }

func TestEachStageDoesWhatItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clients{open: 250, slow: 3}
		memory := make(used, 1)
		trimmed := 0
		g := &Governor{Memory: memory, Clients: c, Trim: func() { trimmed++ }, Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); g.Run(ctx) }()
		for i, step := range []struct {
			percent uint64
			trimmed int
			said    []string
		}{
			{50, 0, nil},
			{85, 0, []string{"relieve 1"}},
			{86, 0, nil},
			{92, 1, []string{"relieve 2"}},
			{92, 2, nil},
			{96, 3, []string{"relieve 2", "close 2"}},
			{97, 4, []string{"close 1"}},
			{97, 5, []string{"close 0"}},
			{40, 5, []string{"relieve 0"}},
		} {
			c.said = nil
			memory <- step.percent
			<-time.After(Every)
			synctest.Wait()
			if !slices.Equal(c.said, step.said) || trimmed != step.trimmed {
				t.Errorf("step %d, at %d %%: %q and trimmed %d times, want %q and %d", i, step.percent, c.said, trimmed, step.said, step.trimmed)
			}
		}
		s := g.Stats()
		if s.Stage != Normal || s.Used != 40 || s.Limit != 100 || s.Closed != 3 || s.Entered["refuse"] != 1 || s.Entered["shed"] != 1 || s.Entered["close"] != 1 {
			t.Errorf("counted %+v", s)
		}
		memory <- 85
		<-time.After(Every)
		synctest.Wait()
		cancel()
		<-ended
		if last := c.said[len(c.said)-1]; last != "relieve 0" {
			t.Errorf("the last it did was %s", last)
		}
	})
}

// hold is memory that a test keeps.
var hold []byte

func TestUsedIsWhatACollectionWouldNotFree(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	if p := NewProcess(); p.Limited() {
		t.Error("a process without a limit has one")
	} else if used, limit := p.Read(); used == 0 || Close.next(used, limit) != Normal {
		t.Errorf("%d of %d are used", used, limit)
	}
	debug.SetMemoryLimit(8 << 30)
	p := NewProcess()
	if !p.Limited() {
		t.Fatal("a process with a limit has none")
	}
	read := func() uint64 {
		used, limit := p.Read()
		if limit != 8<<30 {
			t.Errorf("the limit is %d", limit)
		}
		return used
	}
	runtime.GC()
	empty := read()
	hold = make([]byte, 64<<20)
	runtime.GC()
	full := read()
	if full < empty+60<<20 {
		t.Errorf("64 MiB that are held count %d", full-empty)
	}
	hold = nil
	runtime.GC()
	for range 64 {
		hold = make([]byte, 1<<20)
	}
	if got := read(); got > empty+30<<20 {
		t.Errorf("what a collection would free counts %d", got-empty)
	}
	hold = nil
}

// TestASmallHeapIsCollectedRarely and a large one as ever, as if the environment
// had said so itself, which has the last word.
func TestASmallHeapIsCollectedRarely(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	defer debug.SetGCPercent(debug.SetGCPercent(defaultGOGC))
	gogc := func() int {
		percent := debug.SetGCPercent(-1)
		debug.SetGCPercent(percent)
		return percent
	}
	p := NewProcess()
	for _, c := range []struct {
		left uint64
		want int
	}{{16 << 20, 400}, {17 << 20, 400}, {32 << 20, 200}, {200 << 20, 100}, {64 << 20, 100}, {8 << 20, 800}} {
		if p.pace(c.left); gogc() != c.want {
			t.Errorf("with %d MiB left it is %d percent, want %d", c.left>>20, gogc(), c.want)
		}
	}
	debug.SetMemoryLimit(80 << 20)
	if p = NewProcess(); p.headroom > 8<<20 || p.headroom < 7<<20 {
		t.Errorf("of 80 MiB %d bytes are allocated between collections", p.headroom)
	}
	debug.SetGCPercent(50)
	t.Setenv("GOGC", "50")
	if NewProcess().pace(1 << 20); gogc() != 50 {
		t.Errorf("GOGC=50 has become %d", gogc())
	}
}
