package main

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestMain serves as the control if it is asked to.
func TestMain(m *testing.M) {
	if address, ok := controlAddress(os.Args[1:]); ok {
		_ = serveControl(address)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestTheClientCountsWhatIsDelivered by two nodes and by the control: what a
// member says reaches the others of its room, once, and nobody else.
func TestTheClientCountsWhatIsDelivered(t *testing.T) {
	dir := t.TempDir()
	binary, err := fleet.Build(testenv.Root(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]func() (*servers, error){
		"two nodes": func() (*servers, error) { return parlor(binary, dir, 2) }, "control": direct,
	} {
		t.Run(name, func(t *testing.T) { testCounts(t, start) })
	}
}

func testCounts(t *testing.T, start func() (*servers, error)) {
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	var sampling atomic.Bool
	sampling.Store(true)
	crowd, err := connect(s, load{rooms: 2, members: 4}, &sampling)
	if err != nil {
		t.Fatal(err)
	}
	const said = 32
	for range said {
		if err := crowd[0].publish(); err != nil {
			t.Fatal(err)
		}
	}
	all := func() uint64 { n, _ := total(crowd); return n }
	for end := time.Now().Add(20 * time.Second); all() < 3*said && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
	if err := closeAll(crowd); err != nil {
		t.Error(err)
	}
	for i, c := range crowd {
		want := uint64(0)
		if i > 0 && i < 4 {
			want = said
		}
		if n := c.deliveries.Load(); n != want || len(c.delays) != int(want)/16 {
			t.Errorf("client %d had %d deliveries and %d delays, want %d", i, n, len(c.delays), want)
		}
	}
	if used, err := s.usage(); err != nil || used.servers < 0 {
		t.Errorf("the servers used %v, %v", used, err)
	}
}

func TestProcessorTimeIsThatOfTheProcess(t *testing.T) {
	before, err := processorTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); time.Since(begun) < 200*time.Millisecond; {
	}
	after, err := processorTime(os.Getpid())
	if err != nil || after <= before || after > before+time.Minute {
		t.Errorf("%v and then %v, %v", before, after, err)
	}
	if _, err := processorTime(-1); err == nil {
		t.Error("a process that is not there has used something")
	}
}

func TestAPairIsAnOursAndTheTheirsThatWasMeasuredBesideIt(t *testing.T) {
	c := func(ms int) cost {
		return cost{used: usage{servers: time.Duration(ms) * time.Millisecond}, deliveries: 1000}
	}
	got := ratios([]cost{c(10), c(30), c(5)}, []cost{c(10), c(20), c(10)})
	if len(got) != 3 || got[0] != 1 || got[1] != 1.5 || got[2] != 0.5 || median(got) != 1 || median(got[:2]) != 1.25 {
		t.Errorf("ratios %v", got)
	}
}

// TestAMeasurementThatDoesNotKeepUpIsRefused whether too little is delivered or,
// behind a backlog, too much.
func TestAMeasurementThatDoesNotKeepUpIsRefused(t *testing.T) {
	l := load{rooms: 10, members: 8, senders: 8, rate: 1} // 560 deliveries a second
	for deliveries, ok := range map[uint64]bool{1120: true, 1100: true, 1140: true, 1080: false, 1160: false, 0: false} {
		if err := l.held(cost{deliveries: deliveries, took: 2 * time.Second}); (err == nil) != ok {
			t.Errorf("%d deliveries of 1120: %v", deliveries, err)
		}
	}
}
