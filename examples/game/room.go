package main

import (
	"strings"
	"time"
	"unicode"

	"github.com/parlor-rooms/parlor/actors"
)

const (
	resumeWithin = 30 * time.Second
	nameLimit    = 16 // characters
	catchUp      = 4  // late ticks that are made up for; the rest never happen
)

// Arena is one game. The world and its rules are plain Go; the tagged fields
// are the picture of it that members get, one patch per tick. Secrets are
// mirrored only to the member that is their key.
type Arena struct {
	Clock   actors.Value[int]                   `room:"clock,synced"` // tick of the world
	Round   actors.Value[RoundState]            `room:"round,synced"`
	Pilots  actors.Map[Seat, Pilot]             `room:"pilots,synced"`
	Scores  actors.Map[Seat, int]               `room:"scores,synced"`
	Ships   actors.Map[Seat, ShipState]         `room:"ships,synced"`
	Shots   actors.Map[int, ShotState]          `room:"shots,synced"`
	Pickups actors.Map[int, PickupState]        `room:"pickups,synced"`
	Secrets actors.Map[actors.MemberID, Secret] `room:"secret,synced,member"`

	world    *World
	entering map[actors.MemberID]string // names of those admitted, not yet joined
	crew     map[actors.MemberID]*crew
}

// crew is a member at its controls.
type crew struct {
	seat     int
	name     string
	controls *controls
}

// Kind is the kind of room this example serves.
func Kind() *actors.Kind[Arena] {
	k := actors.NewKind("arena", newArena, actors.KindConfig{
		TickEvery:    time.Second / ticksPerSecond,
		MaxMembers:   seats,
		ResumeWithin: resumeWithin,
	})
	actors.On(k, "in", (*Arena).Input)
	actors.OnAck(k, "ping", (*Arena).Ping)
	return k
}

func newArena() *Arena {
	return &Arena{
		entering: make(map[actors.MemberID]string),
		crew:     make(map[actors.MemberID]*crew),
	}
}

// Opened makes the world.
func (a *Arena) Opened(t *actors.Turn) error { //nolint:unparam // the hook has this form
	a.world = NewWorld(t.Rand().Uint64(), t.Rand().Uint64())
	a.publish()
	return nil
}

// Admit reads the name. The runtime has counted the seats.
func (a *Arena) Admit(_ *actors.Turn, r *actors.JoinRequest) error {
	var wish struct {
		Name string `json:"name"`
	}
	if err := r.Bind(&wish); err != nil {
		return err
	}
	a.entering[r.Member.ID] = tidy(wish.Name)
	return nil
}

// Joined gives a member a ship.
func (a *Arena) Joined(t *actors.Turn, m actors.Member) {
	name := a.entering[m.ID]
	delete(a.entering, m.ID)
	seat := a.world.Join()
	if seat == nobody {
		t.Kick(m.ID, "no seat is left")
		return
	}
	a.crew[m.ID] = &crew{seat: seat, name: name, controls: newControls()}
	a.publish()
}

// Dropped keeps the ship of a member whose connection broke. It can still be
// shot for a moment, so that pulling the plug saves nobody.
func (a *Arena) Dropped(_ *actors.Turn, m actors.Member, _ actors.LeaveReason) {
	if c := a.crew[m.ID]; c != nil {
		c.controls.release()
		a.world.SetAway(c.seat, true)
		a.publish()
	}
}

// Resumed gives the ship back.
func (a *Arena) Resumed(_ *actors.Turn, m actors.Member, _ bool) {
	if c := a.crew[m.ID]; c != nil {
		a.world.SetAway(c.seat, false)
		a.publish()
	}
}

// Left empties the seat.
func (a *Arena) Left(_ *actors.Turn, m actors.Member, _ actors.LeaveReason) {
	c := a.crew[m.ID]
	if c == nil {
		return
	}
	delete(a.crew, m.ID)
	a.Secrets.Delete(m.ID)
	a.world.Leave(c.seat)
	a.publish()
}

// Input queues what a member wants. It never fails: what is late, repeated or
// too much is dropped, and who floods is thrown out.
func (a *Arena) Input(t *actors.Turn, in Input) {
	id := t.Member().ID
	if c := a.crew[id]; c != nil && !c.controls.push(in.control()) {
		t.Kick(id, "too many inputs")
	}
}

// Ping answers with the tick of the world; pages measure the way there and
// back with it.
func (a *Arena) Ping(*actors.Turn, struct{}) (int, error) { return a.world.Tick, nil }

// Tick moves the world. If ticks were late it takes a few steps at once, so
// that a short stall costs a jerk and no time; after a long one the game goes
// on where it was, because a second of blind flight helps nobody.
func (a *Arena) Tick(t *actors.Turn, k actors.Tick) {
	var effects []EffectState
	for range 1 + min(k.Skipped, catchUp) {
		var controls [seats]Control
		for _, c := range a.crew {
			controls[c.seat] = c.controls.next()
		}
		for _, e := range a.world.Step(&controls) {
			effects = append(effects, effectState(e))
			if e.Kind == EffectKill {
				t.Broadcast("kill", Kill{By: e.By, Of: e.Seat, Bounty: e.Bounty})
			}
		}
	}
	a.publish()
	if len(effects) > 0 {
		t.All().Volatile().Emit("fx", a.world.Tick, effects)
	}
}

// tidy returns a name that fits into one line.
func tidy(name string) string {
	name = strings.Join(strings.Fields(strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) {
			return ' '
		}
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, name)), " ")
	if r := []rune(name); len(r) > nameLimit {
		name = strings.TrimSpace(string(r[:nameLimit]))
	}
	if name == "" {
		return "Pilot"
	}
	return name
}
