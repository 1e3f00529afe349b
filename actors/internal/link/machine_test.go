package link_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// end is one end of a link under test, with what came out of it.
type end struct {
	*link.Machine
	sent  [][]byte // batches that wait in the carrier
	came  [2][]string
	costs [2][]int // of messages that were not consumed
	lost  []link.Loss
	marks []any // of what was lost
}

func (e *end) Transmit(batch []byte) { e.sent = append(e.sent, batch) }
func (e *end) Deliver(lane link.Lane, msg []byte, cost int) {
	e.came[lane] = append(e.came[lane], string(msg))
	e.costs[lane] = append(e.costs[lane], cost)
}
func (e *end) Lost(why link.Loss, marks []any) {
	e.lost = append(e.lost, why)
	e.marks = append(e.marks, marks...)
	e.costs = [2][]int{}
}

// consume says that everything that was delivered is off the node's hands.
func (e *end) consume(now time.Time) {
	for lane, costs := range e.costs {
		for _, c := range costs {
			e.Consumed(now, e.Session(), link.Lane(lane), c)
		}
		e.costs[lane] = nil
	}
}

// pair returns two ends that do not linger, unless they are told to.
func pair(l link.Limits) (a, b *end) {
	if l.Linger == 0 {
		l.Linger = -1
	}
	a, b = &end{}, &end{}
	a.Machine = link.New(start, link.Config{Self: "a", Peer: "b", Limits: l, Effects: a})
	b.Machine = link.New(start, link.Config{Self: "b", Peer: "a", Limits: l, Effects: b})
	return a, b
}

// carry hands over what waits in both directions until nothing does.
func carry(t interface{ Fatal(...any) }, now time.Time, a, b *end) {
	for range 10_000 {
		if len(a.sent)+len(b.sent) == 0 {
			return
		}
		for _, d := range [][2]*end{{a, b}, {b, a}} {
			batches := d[0].sent
			d[0].sent = nil
			for _, batch := range batches {
				if err := d[1].Receive(now, batch); err != nil {
					t.Fatal(err)
				}
			}
			d[1].Flush(now)
		}
	}
	t.Fatal("the ends never stop talking")
}

func TestALargeMessageTravelsInChunksAndControlGoesFirst(t *testing.T) {
	a, b := pair(link.Limits{Chunk: 1000, Batch: 3000})
	large := bytes.Repeat([]byte("x"), 10_500)
	_ = a.Send(start, link.Data, actors.Reliable, large)
	_ = a.Send(start, link.Control, actors.Reliable, []byte("now"))
	a.Flush(start)
	if len(a.sent) < 4 {
		t.Fatalf("%d batches for a message of four", len(a.sent))
	}
	for i, batch := range a.sent {
		if len(batch) > 3000 {
			t.Errorf("batch %d has %d bytes", i, len(batch))
		}
	}
	if err := b.Receive(start, a.sent[0]); err != nil || len(b.came[link.Control]) != 1 || len(b.came[link.Data]) != 0 {
		t.Errorf("after the first batch: %v, %d control, %d data", err, len(b.came[link.Control]), len(b.came[link.Data]))
	}
	a.sent = a.sent[1:]
	carry(t, start, a, b)
	if len(b.came[link.Data]) != 1 || b.came[link.Data][0] != string(large) {
		t.Error("the large message did not arrive whole")
	}
}

// TestABusyLinkSendsOneBatchPerLinger and not one per message, and an idle one
// at once.
func TestABusyLinkSendsOneBatchPerLinger(t *testing.T) {
	const linger = 2 * time.Millisecond
	a, b := pair(link.Limits{Linger: linger, AckAfter: time.Second})
	say := func(at time.Duration) {
		t.Helper()
		if err := a.Send(start.Add(at), link.Data, actors.Reliable, []byte("x")); err != nil {
			t.Fatal(err)
		}
		a.Flush(start.Add(at))
	}
	batches := func(want int, when string) {
		t.Helper()
		if got := len(a.sent); got != want {
			t.Fatalf("%s: %d batches went out, want %d", when, got, want)
		}
	}
	for i := range 11 {
		say(time.Duration(i) * 100 * time.Microsecond)
	}
	batches(2, "eleven messages within the time, of which two did not show that there would be more")
	last := start.Add(100 * time.Microsecond)
	if at := a.NextWake(); !at.Equal(last.Add(linger)) {
		t.Fatalf("the rest is due at %v after the last batch, want %v", at.Sub(last), linger)
	}
	a.Wake(last.Add(linger))
	batches(3, "after the time")
	carry(t, last.Add(linger), a, b)
	if got := len(b.came[link.Data]); got != 11 {
		t.Fatalf("%d of 11 messages arrived", got)
	}
	say(6 * linger)
	batches(1, "a message after silence")
	for range 200 {
		say(6 * linger)
	}
	if got := len(a.sent); got < 4 || got > 6 {
		t.Fatalf("200 messages at once made %d batches more, want two and one per 65", got-1)
	}
}

// TestALinkWaitsOnlyWhileItGathers: messages that come one by one, however long
// they do, wait for nothing; those that come many at a time do as long as they
// come.
func TestALinkWaitsOnlyWhileItGathers(t *testing.T) {
	const linger = 4 * time.Millisecond
	a, b := pair(link.Limits{Linger: linger, AckAfter: time.Second})
	now := start
	say := func() (waits bool) {
		t.Helper()
		if err := a.Send(now, link.Data, actors.Reliable, []byte("x")); err != nil {
			t.Fatal(err)
		}
		a.Flush(now)
		waits = len(a.sent) == 0
		carry(t, now, a, b)
		return waits
	}
	for range 100 { // two in the time of Linger, at the most
		if say() {
			t.Fatalf("a message waits %v after the first", now.Sub(start))
		}
		now = now.Add(linger/2 + 1)
	}
	for range 3 { // one by one again after each burst
		waited := 0
		for range 100 {
			if now = now.Add(linger / 8); say() {
				waited++
			}
			a.Wake(now)
			carry(t, now, a, b)
		}
		if waited < 80 {
			t.Fatalf("%d of 100 messages waited while eight came in the time", waited)
		}
		now = now.Add(2 * linger)
		for range 10 {
			if say() {
				t.Fatal("a message waits that comes alone")
			}
			now = now.Add(linger/2 + 1)
		}
	}
}

// TestNobodyLingersWithWhatIsAwaited acknowledgements that are due, resends and
// the end of a session.
func TestNobodyLingersWithWhatIsAwaited(t *testing.T) {
	a, b := pair(link.Limits{Linger: time.Hour, ResendAfter: time.Second, GiveUpAfter: time.Minute})
	say := func(from *end, at time.Time) {
		_ = from.Send(at, link.Data, actors.Reliable, []byte("x"))
		from.Flush(at)
	}
	say(b, start)
	say(a, start)
	batch := b.sent[0]
	b.sent = nil
	if err := a.Receive(start, batch); err != nil {
		t.Fatal(err)
	}
	a.sent = nil // lost
	for at := a.NextWake(); len(a.sent) == 0; at = a.NextWake() {
		if at.Sub(start) > time.Second {
			t.Fatalf("an acknowledgement waits for %v", at.Sub(start))
		}
		a.Wake(at)
	}
	a.sent = nil
	for at := a.NextWake(); len(a.sent) == 0; at = a.NextWake() {
		if at.Sub(start) > 2*time.Second {
			t.Fatalf("a resend waits for %v", at.Sub(start))
		}
		a.Wake(at)
	}
	for at := start; len(a.lost) == 0; at = a.NextWake() {
		a.sent = nil
		a.Wake(at)
	}
	if len(a.sent) != 1 {
		t.Error("the other end is not told that the session is over")
	}
}

func TestWhatIsNotConsumedStopsTheSender(t *testing.T) {
	a, b := pair(link.Limits{Window: 10 * (link.FrameCost + 100)})
	for i := range 25 {
		_ = a.Send(start, link.Data, actors.Reliable, fmt.Appendf(nil, "%0100d", i))
	}
	a.Flush(start)
	carry(t, start, a, b)
	if got := len(b.came[link.Data]); got != 10 {
		t.Fatalf("%d messages went into a window of 10", got)
	}
	if held := b.Stats().Held; held != 10*(link.FrameCost+100) {
		t.Errorf("held %d bytes", held)
	}
	for range 2 {
		b.consume(start)
		b.Wake(start.Add(time.Second))
		carry(t, start, a, b)
	}
	if got := len(b.came[link.Data]); got != 25 {
		t.Errorf("%d of 25 arrived once there was room", got)
	}
}

func TestAWindowThatOpensUnheardIsAskedFor(t *testing.T) {
	a, b := pair(link.Limits{Window: link.FrameCost + 1})
	_ = a.Send(start, link.Data, actors.Reliable, []byte("1"))
	_ = a.Send(start, link.Data, actors.Reliable, []byte("2"))
	a.Flush(start)
	carry(t, start, a, b)
	b.Wake(start.Add(time.Second)) // acknowledged, not consumed
	carry(t, start, a, b)
	b.consume(start)
	b.Wake(start.Add(time.Second))
	b.sent = nil // lost, and b has nothing more to say
	if at := b.NextWake(); !at.IsZero() {
		t.Fatalf("b has something to do at %v", at)
	}
	a.Wake(a.NextWake())
	carry(t, start.Add(time.Second), a, b)
	if got := b.came[link.Data]; len(got) != 2 {
		t.Errorf("arrived: %q", got)
	}
}

func TestVolatileMessagesAreDroppedBehindABacklog(t *testing.T) {
	a, _ := pair(link.Limits{Volatile: 5 * (link.FrameCost + 1), Window: 1})
	dropped := 0
	for range 20 {
		if a.Send(start, link.Data, actors.Volatile, []byte("v")) == link.ErrDropped {
			dropped++
		}
	}
	if dropped != 14 || a.Stats().Dropped != 14 {
		t.Errorf("%d of 20 dropped behind a limit of 5, counted %d", dropped, a.Stats().Dropped)
	}
	if err := a.Send(start, link.Data, actors.Reliable, []byte("r")); err != nil {
		t.Errorf("a reliable message: %v", err)
	}
}

func TestASessionIsGivenUpWhenItsQueueIsFullAndBothEndsAreTold(t *testing.T) {
	a, b := pair(link.Limits{Queue: 1000})
	_ = a.Send(start, link.Data, actors.Reliable, make([]byte, 500))
	a.Flush(start)
	stale := a.sent
	a.sent = nil
	if err := a.Send(start, link.Data, actors.Reliable, make([]byte, 500)); err != link.ErrLost {
		t.Fatalf("Send into a full queue: %v", err)
	}
	_ = a.Send(start, link.Data, actors.Reliable, []byte("next session"))
	a.Flush(start)
	carry(t, start, a, b)
	b.sent = nil
	for _, batch := range stale {
		if err := b.Receive(start, batch); err != nil {
			t.Error(err)
		}
	}
	if fmt.Sprint(a.lost, b.lost) != "[full] [peer]" {
		t.Errorf("lost: %v and %v", a.lost, b.lost)
	}
	if fmt.Sprint(b.came[link.Data]) != "[next session]" {
		t.Errorf("arrived: %q", b.came[link.Data])
	}
}

// TestWhatMayNotHaveArrivedIsNamedByItsMark: by each end that enters another
// session, whichever gave up, and not what was acknowledged.
func TestWhatMayNotHaveArrivedIsNamedByItsMark(t *testing.T) {
	a, b := pair(link.Limits{Queue: 3000, Chunk: 300})
	send := func(e *end, lane link.Lane, size int, mark any) error {
		return e.SendMarked(start, lane, actors.Reliable, make([]byte, size), mark)
	}
	_ = send(a, link.Data, 500, "arrives, in two chunks")
	a.Flush(start)
	carry(t, start, a, b)
	b.Flush(start.Add(time.Second))
	carry(t, start.Add(time.Second), a, b)
	_ = send(a, link.Data, 500, "a, in two chunks")
	_ = send(a, link.Data, 10, nil)
	a.Flush(start)
	a.sent = nil
	_ = send(a, link.Data, 10, "a, not sent")
	_ = send(a, link.Control, 10, "a, control")
	_ = send(b, link.Control, 10, "b")
	if err := send(a, link.Data, 3000, "has no room"); err != link.ErrLost {
		t.Fatal(err)
	}
	a.Flush(start)
	carry(t, start, a, b)
	if got := fmt.Sprint(a.marks, b.marks); got != "[a, control a, in two chunks a, not sent] [b]" {
		t.Errorf("lost: %s", got)
	}
}

func TestASilentSessionIsGivenUpInTime(t *testing.T) {
	a, b := pair(link.Limits{})
	_ = b.Send(start, link.Control, actors.Reliable, []byte("before"))
	_ = a.Send(start, link.Control, actors.Reliable, []byte("lost"))
	resent := 0
	for len(a.lost) == 0 {
		now := a.NextWake()
		if now.IsZero() || now.After(start.Add(15*time.Second)) {
			t.Fatalf("next wake at %v", now)
		}
		a.Wake(now)
		resent++
	}
	if resent > 20 {
		t.Errorf("%d attempts in 15 s", resent)
	}
	b.Flush(start)
	carry(t, start.Add(16*time.Second), a, b)
	if fmt.Sprint(a.lost, b.lost) != "[silent] [peer]" {
		t.Errorf("lost: %v and %v", a.lost, b.lost)
	}
}

func TestSlownessIsNotAnsweredWithAFlood(t *testing.T) {
	a, b := pair(link.Limits{})
	for i := range 1000 {
		_ = a.Send(start, link.Data, actors.Reliable, fmt.Appendf(nil, "%01000d", i))
	}
	a.Flush(start)
	a.Wake(a.NextWake()) // b is slow: nothing was lost
	carry(t, start.Add(time.Second), a, b)
	if s := a.Stats(); s.Resent != 1 {
		t.Errorf("%d frames were sent again to an end that was slow", s.Resent)
	}
	if len(b.came[link.Data]) != 1000 {
		t.Errorf("%d of 1000 arrived", len(b.came[link.Data]))
	}
}

func TestAnotherProcessInheritsNothing(t *testing.T) {
	a, b := pair(link.Limits{})
	_ = a.Send(start, link.Data, actors.Reliable, []byte("for b"))
	a.Flush(start)
	successor := &end{}
	successor.Machine = link.New(start, link.Config{Self: "b2", Peer: "a", Effects: successor})
	for _, batch := range a.sent {
		if err := successor.Receive(start, batch); err != nil {
			t.Error(err)
		}
	}
	if len(successor.came[link.Data]) != 0 {
		t.Error("a message for an earlier process was delivered")
	}
	carry(t, start, a, b)
	if len(b.came[link.Data]) != 1 {
		t.Error("the process it was for did not get it")
	}
}

func TestWhatBreaksTheProtocolEndsTheSession(t *testing.T) {
	a, b := pair(link.Limits{Message: 100})
	liar := &end{}
	liar.Machine = link.New(start, link.Config{Self: "a", Peer: "b", Limits: link.Limits{Message: 1000, Chunk: 60}, Effects: liar})
	_ = liar.Send(start, link.Data, actors.Reliable, make([]byte, 500))
	liar.Flush(start)
	if err := b.Receive(start, liar.sent[0]); err == nil {
		t.Error("a message above the limit was taken")
	}
	if fmt.Sprint(b.lost) != "[fault]" || len(b.came[link.Data]) != 0 {
		t.Errorf("lost %v, delivered %d", b.lost, len(b.came[link.Data]))
	}
	if err := a.Receive(start, []byte{1, 2, 3}); err == nil {
		t.Error("three bytes passed for a batch")
	}
	if err := a.Send(start, link.Data, actors.Reliable, make([]byte, 101)); err != link.ErrTooLarge {
		t.Errorf("Send of a message that is too large: %v", err)
	}
}

func TestAGapIsFilledAtOnce(t *testing.T) {
	a, b := pair(link.Limits{})
	for i := range 10 {
		_ = a.Send(start, link.Data, actors.Reliable, []byte{byte('0' + i)})
		a.Flush(start)
	}
	a.sent = append(a.sent[:3], a.sent[5:]...) // a carrier that reconnects
	carry(t, start, a, b)                      // no time passes
	if got := strings.Join(b.came[link.Data], ""); got != "0123456789" {
		t.Errorf("arrived: %q", got)
	}
	if s := a.Stats(); s.Resent != 7 {
		t.Errorf("%d frames were sent again for a gap of 2 with 5 behind it", s.Resent)
	}
}

func TestWhatIsUnderWayIsNotSentAgain(t *testing.T) {
	a, b := pair(link.Limits{})
	for i := range 100 {
		_ = a.Send(start, link.Data, actors.Reliable, []byte{byte(i)})
		a.Flush(start)
		if len(a.sent) < 2 {
			continue // one batch is always under way while others are acknowledged
		}
		_ = b.Receive(start, a.sent[0])
		a.sent = a.sent[1:]
		b.consume(start)
		b.Wake(start.Add(time.Second))
		_ = a.Receive(start, b.sent[0])
		b.sent = nil
	}
	if s := a.Stats(); s.Resent != 0 || s.Queued == 0 {
		t.Errorf("%d frames were sent again, %d bytes under way", s.Resent, s.Queued)
	}
}
