package room

import (
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// unwantedFor is how long a room stays in memory at the most that nobody was
// allowed to begin.
const unwantedFor = time.Second

// beginning is what is known of the room's existence.
type beginning struct {
	made     bool // somebody was in it, or Go code has called it, in this activation
	unwanted bool // somebody was not allowed to begin it, and nobody has since
}

// begun notes that the room exists.
func (m *Machine) begun() { m.beginning = beginning{made: true} }

// mayBegin says in an *Error why j may not enter a room that does not exist
// yet; nil if it may, or the room exists.
func (m *Machine) mayBegin(j *wire.Join) *actors.Error {
	if m.beginning.made || m.members.len() > 0 || j.Again != nil || slices.Contains(m.kind.Rooms, m.cfg.Ref.ID) || !m.empty() {
		return nil
	}
	var err *actors.Error
	if !m.kind.Create.Allows(j.Identity, j.Identity.In(m.namespace)) {
		err = actors.Errorf(actors.CodeNoSuchRoom, "there is no such room, and you may not begin it")
	} else if m.cfg.Begin != nil {
		err = m.cfg.Begin(j)
	}
	if err != nil {
		m.beginning.unwanted = true
		m.cancelTimer(m.idle) // another one is set at the end of the step
		m.idle = nil
	}
	return err
}

// idleFor is how long the room stays in memory without members.
func (m *Machine) idleFor() time.Duration {
	if m.beginning.unwanted {
		return min(unwantedFor, m.kind.IdleAfter)
	}
	return m.kind.IdleAfter
}
