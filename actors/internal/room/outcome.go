package room

import (
	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// JoinOutcome is what became of a join.
type JoinOutcome uint8

// The outcomes.
const (
	JoinNew      JoinOutcome = iota
	JoinResumed              // the client missed nothing
	JoinCut                  // the client came back and starts afresh
	JoinFollowed             // the connection came after the room, and the client has not noticed
	JoinRefused              // no seat
)

func (m *Machine) decided(j *wire.Join, o JoinOutcome, err *actors.Error) {
	if m.cfg.Decided != nil {
		m.cfg.Decided(j, o, err)
	}
}

// seatedAs is the outcome for a join that gets a seat of its own.
func (m *Machine) seatedAs(j *wire.Join) JoinOutcome {
	switch {
	case j.Again != nil && !m.resumes():
		return JoinFollowed
	case j.Again != nil || j.PID != "":
		return JoinCut
	}
	return JoinNew
}

// returnedAs is the outcome for a join that gets its seat back.
func returnedAs(j *wire.Join, recovered bool) JoinOutcome {
	switch {
	case !recovered:
		return JoinCut
	case j.Again != nil:
		return JoinFollowed
	}
	return JoinResumed
}
