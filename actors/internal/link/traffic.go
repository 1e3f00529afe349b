package link

import "time"

// busyFrom is how many messages in the time of Limits.Linger make it worth while
// to wait for them. Whoever sends one when it has the answer to the last one
// sends fewer as soon as it has to wait, and then need not.
const busyFrom = 3

// traffic counts messages by the time of Limits.Linger: in the current one, and
// in the one before.
type traffic struct {
	since       time.Time // of the current one
	now, before int
}

// count counts a message.
func (t *traffic) count(now time.Time, window time.Duration) {
	switch passed := now.Sub(t.since); {
	case passed < window:
	case passed < 2*window:
		t.since, t.before, t.now = t.since.Add(window), t.now, 0
	default:
		t.since, t.before, t.now = now, 0, 0
	}
	t.now++
}

// busy reports, after count, whether as much as busyFrom is being sent.
func (t *traffic) busy() bool { return t.now >= busyFrom || t.before >= busyFrom }
