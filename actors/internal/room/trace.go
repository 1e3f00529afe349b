package room

import (
	"context"
	"slices"

	"github.com/parlor-rooms/parlor/actors"
)

// tracing is what a step is part of. All of it is zero in a step that nothing
// traced has caused.
type tracing struct {
	cause actors.Trace   // of what runs
	sent  actors.Trace   // of the latest thing that left for the nodes
	links []actors.Trace // others whose changes left with it, conflated
}

// causedBy makes what runs next part of a trace. It is what held things, and
// work beside the room, take with them.
func (m *Machine) causedBy(t actors.Trace) {
	m.trace.cause, m.journal.trace = t, t
	if t.Sampled() {
		m.trace.sent = t
	}
}

// context is the one of turns.
func (m *Machine) context() context.Context {
	if m.cfg.Traced != nil && m.trace.cause.Sampled() {
		return m.cfg.Traced(m.ctx, m.trace.cause)
	}
	return m.ctx
}

// keepTrace makes what then does, later, part of what runs at present.
func keepTrace[T any](m *Machine, then func(T)) func(T) {
	t := m.trace.cause
	if !t.Sampled() {
		return then
	}
	return func(v T) {
		m.causedBy(t)
		then(v)
	}
}

// maxFlushTraces is of how many traced turns a flush tells that it carries
// their changes.
const maxFlushTraces = 16

// causedBy notes that a change that waits for the flush is part of a trace.
func (s *syncState) causedBy(t actors.Trace) {
	if n := len(s.traces); n > 0 && s.traces[n-1] == t {
		return
	}
	if len(s.traces) == maxFlushTraces {
		s.traces = s.traces[:copy(s.traces, s.traces[1:])]
	}
	s.traces = append(s.traces, t)
}

// traceFlush makes what leaves part of what runs, if that is traced, or else of
// the latest turn that is and has changed something; the others are linked.
func (m *Machine) traceFlush() {
	traces := m.sync.traces
	if len(traces) == 0 {
		return
	}
	m.sync.traces = nil
	if !m.trace.sent.Sampled() {
		m.trace.sent = traces[len(traces)-1]
	}
	m.trace.links = slices.DeleteFunc(traces, func(t actors.Trace) bool { return t == m.trace.sent })
}
