package main

import "testing"

func input(seq int) Control { return Control{Seq: seq, Steering: Steering{Move: seq % 10}} }

func TestSendingFasterMakesNobodyFaster(t *testing.T) {
	c := newControls()
	seq := 0
	used := 0
	for range 300 {
		for range 5 {
			seq++
			c.push(input(seq))
		}
		before := c.last.Seq
		if c.next().Seq != before {
			used++
		}
	}
	if used > 300 {
		t.Fatalf("%d inputs were used in 300 ticks", used)
	}
	if len(c.queue) > queueLimit {
		t.Fatalf("%d inputs wait", len(c.queue))
	}
}

func TestLateAndRepeatedInputsAreDropped(t *testing.T) {
	c := newControls()
	for _, seq := range []int{1, 2, 2, 1, 3} {
		c.push(input(seq))
	}
	for want := 1; want <= 3; want++ {
		if got := c.next().Seq; got != want {
			t.Fatalf("input %d came, want %d", got, want)
		}
	}
}

func TestLastInputHoldsForAMomentOnly(t *testing.T) {
	c := newControls()
	c.push(Control{Seq: 1, Steering: Steering{Move: 5, Fire: true, Dash: true}})
	if in := c.next(); in.Move != 5 || !in.Dash {
		t.Fatalf("%+v", in)
	}
	for range repeatFor {
		if in := c.next(); in.Move != 5 || !in.Fire || in.Dash {
			t.Fatalf("a late packet changed the controls to %+v", in)
		}
	}
	if in := c.next(); in.Move != -1 || in.Fire {
		t.Fatalf("it flies on without a pilot: %+v", in)
	}
}

func TestSteadyQueueIsShortened(t *testing.T) {
	c := newControls()
	seq := 0
	push := func() { seq++; c.push(input(seq)) }
	for range 4 {
		push()
	}
	for range 6 * calmAfter {
		push()
		c.next()
	}
	if len(c.queue) > 1 {
		t.Fatalf("%d inputs still wait, that many ticks of lag", len(c.queue))
	}
}

func TestDashOfADroppedInputIsNotLost(t *testing.T) {
	c := newControls()
	c.push(Control{Seq: 1, Steering: Steering{Move: -1, Dash: true}})
	for seq := 2; seq <= queueLimit+1; seq++ {
		c.push(input(seq))
	}
	if in := c.next(); in.Seq != 2 || !in.Dash {
		t.Fatalf("%+v", in)
	}
}

func TestFloodIsNoticed(t *testing.T) {
	c := newControls()
	for i := range inputBurst - inputDebt - 1 {
		if !c.push(input(i + 1)) {
			t.Fatalf("input %d was taken for a flood", i+1)
		}
	}
	if c.push(input(5000)) {
		t.Fatal("the flood was not noticed")
	}
}
