package room

import (
	"context"

	"github.com/parlor-rooms/parlor/actors"
)

// tracing is what a step is part of. Both are zero in a step that nothing
// traced has caused.
type tracing struct {
	cause actors.Trace // of what runs
	sent  actors.Trace // of the latest thing that left for the nodes
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
