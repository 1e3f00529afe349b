package transport

import "time"

// instant is a point in time as the duration since the handler was made. It is
// monotonic, and a third of the size of a time.Time.
type instant = time.Duration

// due is what deadlines.check found.
type due uint8

const (
	dueNothing        due = iota
	duePing               // send a ping
	duePingTimeout        // no pong came in time
	dueConnectTimeout     // no CONNECT came, or none was granted, in time
	dueAttachments        // the attachments of a packet did not come in time
)

// deadlines says when a session has to act without being spoken to. It is
// plain: time comes in, and the caller arms a timer for next.
type deadlines struct {
	ping     instant // when to ping, or when the pong is late if awaiting
	connect  instant // when a CONNECT must have come, then when it must have been granted; zero once it was
	attach   instant // when a packet must have all its attachments; zero if none waits
	asked    bool    // a CONNECT has come
	awaiting bool    // a ping was sent and its pong has not come
}

// late is how far behind its time a ping may be before its pong is given the
// whole timeout from the moment it was really sent. A process that was
// suspended would otherwise find all of its sessions dead.
func late(timeout time.Duration) time.Duration { return timeout / 4 }

// next is the earliest deadline.
func (d *deadlines) next() instant {
	n := d.ping
	if d.connect != 0 {
		n = min(n, d.connect)
	}
	if d.attach != 0 {
		n = min(n, d.attach)
	}
	return n
}

// check returns what is to be done at an instant, one thing at a time; it is
// called again until nothing is due. The pong of a ping is due one timeout
// after the ping was due, so a session without one dies exactly an interval
// and a timeout after it was opened or last sent a pong.
func (d *deadlines) check(now instant, timeout time.Duration) due {
	switch {
	case d.attach != 0 && now >= d.attach:
		return dueAttachments
	case d.connect != 0 && now >= d.connect:
		return dueConnectTimeout
	case now < d.ping:
		return dueNothing
	case d.awaiting:
		return duePingTimeout
	}
	if now-d.ping > late(timeout) {
		d.ping = now
	}
	d.ping += timeout
	d.awaiting = true
	return duePing
}

// pong notes that a pong came, and reports whether it answers a ping.
func (d *deadlines) pong(now instant, interval time.Duration) bool {
	answers := d.awaiting
	d.ping = now + interval
	d.awaiting = false
	return answers
}

// connecting notes that a CONNECT came.
func (d *deadlines) connecting(now instant, timeout time.Duration) {
	if !d.asked && d.connect != 0 {
		d.connect = now + timeout
	}
	d.asked = true
}

// postpone gives the pong that is due another timeout, because it may have come
// and waits behind what the runtime does not take.
func (d *deadlines) postpone(now instant, timeout time.Duration) { d.ping = now + timeout }
