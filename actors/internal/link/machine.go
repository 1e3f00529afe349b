// Package link is one end of the connection between two nodes, as a state
// machine: what is sent on a lane at one end comes out at the other end once
// and in order, whatever the carrier below loses, doubles or reorders, as long
// as both processes live. It has no goroutine, no lock and no clock; whoever
// drives it calls it from one goroutine at a time, with the time as an input,
// and carries out its Effects.
//
// The two ends are named by their processes, so that a process that starts
// again is another end and inherits nothing. Between two ends there is one
// session at a time. A session ends when an end gives up on it: too much
// waits, or nothing has got through for too long. Then both ends are told that
// everything under way is lost, and go on with the next session; whether the
// other process is alive is not for a link to say.
//
// Memory is bounded at both ends: by Limits.Queue for what waits to be sent, by
// Limits.Window for what is sent and not consumed, by Limits.Message for a
// message that is still being put together.
package link

import (
	"errors"
	"fmt"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Lane is one ordered stream of messages. Lanes do not wait for each other.
type Lane uint8

// The lanes.
const (
	Control Lane = iota // small messages that others wait for; sent before Data
	Data
	lanes
)

// Limits bounds one end. Zero means the default.
type Limits struct {
	// Window is how many bytes of one lane may be sent and not consumed at the
	// other end. The default is 8 MiB. Every frame is charged FrameCost bytes
	// on top of its payload, which bounds their number.
	Window int

	// Queue is how many bytes of one lane may wait to be sent or be
	// acknowledged. Beyond it the session is given up. The default is 64 MiB.
	Queue int

	// Volatile is how many bytes may wait for a volatile message to be queued
	// behind them; otherwise it is dropped. The default is 1 MiB.
	Volatile int

	// Message is the largest message, in bytes. A larger one is refused. The
	// default is 32 MiB.
	Message int

	// Chunk is how many bytes of a message one frame holds. The default is
	// 64 KiB.
	Chunk int

	// Batch is the largest batch that is handed to Effects.Transmit, in bytes.
	// It is larger than Chunk. The default is 256 KiB.
	Batch int

	// Linger is how long after a batch the next one may be, so that what is sent
	// meanwhile travels in it: a batch costs far more than a message. Nothing
	// waits where little would travel with it, that is fewer than three messages
	// are sent in such a time, nor do resends, acknowledgements that are due and
	// more than 64 frames. The default is 4 ms; below zero nothing lingers.
	Linger time.Duration

	// AckAfter is how long an acknowledgement may wait for something to travel
	// with. The default is 10 ms.
	AckAfter time.Duration

	// ResendAfter is how long the other end may be silent about what it was
	// sent before the first of it is sent again; it doubles up to eight times
	// that while the silence lasts. The default is 250 ms.
	ResendAfter time.Duration

	// GiveUpAfter is how long nothing may get through, while something waits
	// for it, before the session is given up. The default is 15 s.
	GiveUpAfter time.Duration
}

// FrameCost is what a frame is charged for besides its payload, in bytes.
const FrameCost = 256

// Complete returns l with the defaults where it has zero or less, but for a
// Linger below zero.
func (l Limits) Complete() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{{&l.Window, 8 << 20}, {&l.Queue, 64 << 20}, {&l.Volatile, 1 << 20}, {&l.Message, 32 << 20}, {&l.Chunk, 64 << 10}, {&l.Batch, 256 << 10}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&l.AckAfter, 10 * time.Millisecond}, {&l.Linger, 4 * time.Millisecond}, {&l.ResendAfter, 250 * time.Millisecond}, {&l.GiveUpAfter, 15 * time.Second}} {
		if *d.field == 0 || *d.field < 0 && d.field != &l.Linger {
			*d.field = d.value
		}
	}
	return l
}

// Effects is how a link acts on the world. No method may block or call the
// machine back.
type Effects interface {
	// Transmit hands a batch to the carrier, which owns it.
	Transmit(batch []byte)
	// Deliver hands over a message of the other end, and owns it no more. It
	// occupies cost bytes of the lane's window until Machine.Consumed.
	Deliver(lane Lane, msg []byte, cost int)
	// Lost says that a session has ended: of what was sent in it, in either
	// direction, nothing more will arrive. The marks are those of messages that
	// the other end has not acknowledged, and so may not have: of each lane in
	// the order in which they were sent.
	Lost(why Loss, marks []any)
}

// Loss says why a session has ended.
type Loss string

// The losses.
const (
	LossFull   Loss = "full"   // more waited than Limits.Queue
	LossSilent Loss = "silent" // nothing got through for Limits.GiveUpAfter
	LossFault  Loss = "fault"  // the other end does not keep to the protocol
	LossPeer   Loss = "peer"   // the other end has given up
)

// Errors of Send. Nothing was queued.
var (
	ErrDropped  = errors.New("link: the message was volatile and too much waits")
	ErrLost     = errors.New("link: too much waits; the session was given up")
	ErrTooLarge = errors.New("link: the message is too large")
)

// Config describes one end.
type Config struct {
	Self, Peer string // ids of the two processes, at most 255 bytes
	Limits     Limits
	Effects    Effects
}

// Machine is one end of a link. Use it from one goroutine at a time.
type Machine struct {
	cfg    Config
	effect Effects
	limits Limits

	session uint64
	out     [lanes]sender
	in      [lanes]receiver

	traffic  traffic
	lastAt   time.Time // when the last batch went out
	lingerAt time.Time // until when frames wait to go out together; zero if none do

	ackAt time.Time // when an acknowledgement is due; zero if none is
	ask   bool      // the other end is asked for one
	stats Stats
}

// Stats are counts of one end. All but the first two only grow.
type Stats struct {
	Queued    int    // bytes that wait to be sent or be acknowledged, charges included
	Held      int    // bytes that were delivered and not consumed, charges included
	Sent      uint64 // messages
	Delivered uint64 // messages
	Dropped   uint64 // volatile messages that were not queued
	Resent    uint64 // frames
	Doubled   uint64 // frames that had arrived before, or came too early
	Sessions  uint64 // that were given up by either end
}

// New returns an end in its first session.
func New(now time.Time, cfg Config) *Machine {
	m := &Machine{cfg: cfg, effect: cfg.Effects, limits: cfg.Limits.Complete()}
	m.begin(now, 1)
	return m
}

func (m *Machine) begin(now time.Time, session uint64) {
	m.session = session
	for l := range m.out {
		m.out[l] = sender{first: 1, progress: now}
		m.in[l] = receiver{}
	}
	m.stats.Queued, m.stats.Held = 0, 0
}

// Stats returns the counts.
func (m *Machine) Stats() Stats {
	m.stats.Queued, m.stats.Held = 0, 0
	for l := range m.out {
		m.stats.Queued += m.out[l].queued
		m.stats.Held += int(m.in[l].got - m.in[l].consumed)
	}
	return m.stats
}

// Session numbers the session the link is in. Costs of Deliver belong to one.
func (m *Machine) Session() uint64 { return m.session }

// Send is SendMarked without a mark.
func (m *Machine) Send(now time.Time, lane Lane, class actors.Class, msg []byte) error {
	return m.SendMarked(now, lane, class, msg, nil)
}

// SendMarked queues a message. It goes out with Flush. msg is kept and not
// modified. A mark that is not nil is handed to Effects.Lost if the session ends
// before the other end has the message; it is kept until then. A volatile message
// is dropped with ErrDropped while Limits.Volatile bytes wait. Where a reliable
// one finds no room, the session is given up: then Effects.Lost was called, and
// the message was not queued, with ErrLost.
func (m *Machine) SendMarked(now time.Time, lane Lane, class actors.Class, msg []byte, mark any) error {
	s := &m.out[lane]
	switch {
	case len(msg) > m.limits.Message:
		return ErrTooLarge
	case class == actors.Volatile && s.queued > m.limits.Volatile:
		m.stats.Dropped++
		return ErrDropped
	case s.queued+len(msg) > m.limits.Queue && s.queued > 0:
		m.giveUp(now, LossFull)
		return ErrLost
	}
	if len(s.frames) == 0 {
		s.progress, s.asked = now, now
	}
	m.traffic.count(now, m.limits.Linger)
	for {
		chunk := msg[:min(len(msg), m.limits.Chunk)]
		msg = msg[len(chunk):]
		if len(msg) == 0 {
			s.push(frame{payload: chunk, mark: mark})
			break
		}
		s.push(frame{payload: chunk, more: true})
	}
	m.stats.Sent++
	return nil
}

// Flush transmits what may go out at now, and acknowledgements that are due.
// Whoever drives the machine calls it after a run of Send and Receive.
func (m *Machine) Flush(now time.Time) {
	if m.lingers(now) {
		return
	}
	for {
		size, due := m.unsent(), m.ask || m.ackDue(now)
		if size == 0 && !due {
			return
		}
		b := m.newBatch(size)
		for l := range m.out {
			m.fill(now, b, Lane(l))
		}
		if b.frames > 0 || due {
			m.transmit(now, b)
		}
		if b.frames == 0 {
			return
		}
	}
}

func (m *Machine) ackDue(now time.Time) bool { return !m.ackAt.IsZero() && !m.ackAt.After(now) }

// lingerFrames is how many frames wait at most for more to travel with.
const lingerFrames = 64

// lingers reports whether what waits is to wait for more, and until when.
func (m *Machine) lingers(now time.Time) bool {
	m.lingerAt = time.Time{}
	until := m.lastAt.Add(m.limits.Linger)
	if !until.After(now) || m.ask || m.ackDue(now) || !m.traffic.busy() {
		return false
	}
	waiting := 0
	for l := range m.out {
		s := &m.out[l]
		if s.next < s.high {
			return false // something is sent again
		}
		waiting += len(s.frames) - s.next
	}
	if waiting > lingerFrames {
		return false
	}
	if waiting > 0 {
		m.lingerAt = until
	}
	return true
}

func (m *Machine) transmit(now time.Time, b *batch) {
	m.lastAt = now
	m.ackAt, m.ask = time.Time{}, false
	for l := range m.in {
		m.in[l].acknowledged = m.in[l].consumed
		m.in[l].gap = false
	}
	m.effect.Transmit(b.bytes)
}

// Wake does what is due at now.
func (m *Machine) Wake(now time.Time) {
	for l := range m.out {
		s := &m.out[l]
		if s.silentFor(now) >= m.limits.GiveUpAfter {
			m.giveUp(now, LossSilent)
			break
		}
		if at := m.resendAt(s); !at.IsZero() && !at.After(now) {
			s.probe(now)
			m.ask = true
		}
	}
	m.Flush(now)
}

// NextWake is when Wake has something to do; the zero Time if never.
func (m *Machine) NextWake() time.Time {
	next := m.ackAt
	earlier := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	earlier(m.lingerAt)
	for l := range m.out {
		s := &m.out[l]
		earlier(m.resendAt(s))
		if len(s.frames) > 0 {
			earlier(s.progress.Add(m.limits.GiveUpAfter))
		}
	}
	return next
}

func (m *Machine) giveUp(now time.Time, why Loss) { m.enter(now, m.session+1, why) }

// enter leaves the session for a later one, and tells the other end soon.
func (m *Machine) enter(now time.Time, session uint64, why Loss) {
	m.stats.Sessions++
	var marks []any
	for l := range m.out {
		marks = m.out[l].appendMarks(marks)
	}
	m.begin(now, session)
	m.ackAt = now
	m.effect.Lost(why, marks)
}

// fault gives the session up because of what the other end has sent.
func (m *Machine) fault(now time.Time, format string, args ...any) error {
	m.giveUp(now, LossFault)
	return fmt.Errorf("link: %s: "+format, append([]any{m.cfg.Peer}, args...)...)
}
