package link

import "time"

// frame is a message or a part of one. Frames of a lane are numbered from 1.
type frame struct {
	payload []byte
	more    bool // the message goes on in the next frame
	mark    any  // of the message, in its last frame
}

func (f *frame) cost() int { return len(f.payload) + FrameCost }

// sender is the outgoing half of a lane.
type sender struct {
	frames []frame // those not acknowledged
	first  uint64  // number of frames[0]
	next   int     // index of the frame to be sent next
	high   int     // how many of frames were sent at least once
	queued int     // cost of frames

	sent     uint64 // cost of all frames of the session that were sent
	consumed uint64 // of it, what the other end has consumed

	progress time.Time // the last acknowledgement of something, or when there was nothing to wait for
	asked    time.Time // when frames were last sent
	silence  int       // how often the first frames were sent again in vain
	probing  bool      // nothing more is sent before an acknowledgement
	rewound  uint64    // first when it was last sent again because of a gap
}

func (s *sender) push(f frame) {
	s.frames = append(s.frames, f)
	s.queued += f.cost()
}

// appendMarks appends the marks of messages that are not acknowledged.
func (s *sender) appendMarks(marks []any) []any {
	for i := range s.frames {
		if mark := s.frames[i].mark; mark != nil {
			marks = append(marks, mark)
		}
	}
	return marks
}

func (s *sender) silentFor(now time.Time) time.Duration {
	if len(s.frames) == 0 {
		return 0
	}
	return now.Sub(s.progress)
}

// resendAt is when to find out why nothing is acknowledged, or the window stays
// full; the zero Time if nothing waits.
func (m *Machine) resendAt(s *sender) time.Time {
	if len(s.frames) == 0 {
		return time.Time{}
	}
	return s.asked.Add(m.limits.ResendAfter << min(s.silence, 3))
}

// probe sends the first frame again to find out what has arrived. What follows
// waits for the answer: mostly the other end was slow, and has everything.
func (s *sender) probe(now time.Time) {
	s.next, s.probing, s.asked = 0, s.high > 0, now
	s.silence++
}

// maySend reports whether a frame may go out once others of that cost have, which
// were not sent before.
func (m *Machine) maySend(s *sender, i, ahead int) bool {
	if s.probing && i > 0 {
		return false
	}
	under := int(s.sent-s.consumed) + ahead
	return i < s.high || under == 0 || under+s.frames[i].cost() <= m.limits.Window
}

// fill adds frames of a lane to a batch, as far as batch and window go. The
// window is never too small for a frame alone.
func (m *Machine) fill(now time.Time, b *batch, lane Lane) {
	s := &m.out[lane]
	for s.next < len(s.frames) {
		f := &s.frames[s.next]
		again := s.next < s.high
		if !m.maySend(s, s.next, 0) || !b.fits(f, m.limits.Batch) {
			return
		}
		b.add(lane, s.first+uint64(s.next), f)
		s.next++
		if again {
			m.stats.Resent++
		} else {
			s.high++
			s.sent += uint64(f.cost())
		}
		s.asked = now
	}
}

// acked takes what the other end says of a lane: everything up to frame number
// upTo has arrived, of which cost consumed is off its hands; gap says that
// later ones have arrived without those between. It reports whether that can
// be.
func (s *sender) acked(now time.Time, upTo, consumed uint64, gap bool) bool {
	if consumed > s.sent {
		return false
	}
	s.consumed = max(s.consumed, consumed)
	if upTo+1 > s.first {
		n := int(upTo + 1 - s.first)
		if n > s.high {
			return false
		}
		for i := range n {
			s.queued -= s.frames[i].cost()
			s.frames[i] = frame{}
		}
		s.frames = s.frames[n:]
		s.first += uint64(n)
		s.high -= n
		s.next = max(0, s.next-n)
		s.progress, s.asked, s.silence, s.probing = now, now, 0, false
		if len(s.frames) == 0 {
			s.frames = nil
		}
	}
	if gap && upTo+1 == s.first && s.rewound != s.first && s.high > 0 {
		s.rewound, s.next, s.probing, s.asked = s.first, 0, false, now
	}
	return true
}
