package bucket

import (
	"testing"
	"time"
)

var start = time.Unix(1_700_000_000, 0)

func TestABurstPassesAndThenTheRate(t *testing.T) {
	r, b := Rate{PerSecond: 10, Burst: 20}, Bucket{}
	passed := 0
	for ms := range 3_000 { // a thousand a second
		if b.Take(r, start.Add(time.Duration(ms)*time.Millisecond), 1) {
			passed++
		}
	}
	if passed < 20+29 || passed > 20+30 {
		t.Errorf("%d passed in 3 s, want a burst of 20 and 10 a second", passed)
	}
	if at := start.Add(3 * time.Second); b.Full(r, at) || !b.Full(r, at.Add(2*time.Second)) {
		t.Error("an empty bucket is full after a burst's time and not before")
	}
}

func TestNoMoreThanABurstPassesAtOnce(t *testing.T) {
	r, b := Rate{PerSecond: 0.001, Burst: 2}, Bucket{}
	for i, want := range []bool{true, true, false, false} {
		at := start.Add(time.Duration(i) * time.Millisecond)
		if has := b.Has(r, at); has != want {
			t.Errorf("%d: has %v", i, has)
		}
		if got := b.Take(r, at, 1); got != want {
			t.Errorf("%d: %v", i, got)
		}
	}
}

func TestWhatIsLargerThanABurstPassesAndIsWaitedFor(t *testing.T) {
	r, b := Rate{PerSecond: 100, Burst: 10}, Bucket{}
	for _, c := range []struct {
		at   time.Duration
		n    float64
		want bool
	}{
		{0, 1000, true}, {0, 1, false}, {9 * time.Second, 1, false}, {9950 * time.Millisecond, 1, true},
		{9 * time.Second, 5, true}, // a clock that goes back gives and takes nothing
		{time.Hour, 10, true}, {time.Hour, 1, false},
	} {
		if got := b.Take(r, start.Add(c.at), c.n); got != c.want {
			t.Errorf("%v of %v: %v", c.n, c.at, got)
		}
	}
}

func TestARateOfZeroLetsEverythingPass(t *testing.T) {
	var b Bucket
	for range 1000 {
		if !b.Take(Rate{}, start, 1e9) {
			t.Fatal("refused")
		}
	}
}
