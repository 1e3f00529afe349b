package main

import "github.com/parlor-rooms/parlor/actors"

// What goes over the wire, as arrays of integers where it goes often: a ship
// is about 45 bytes of JSON per tick, a round of 16 ships about 22 KB per
// second and member before compression.

// Seat is a place in the arena, 0 to 15: the key of most synced fields,
// because a member id is ten times as long.
type Seat int

// Input is what a client sends 30 times per second:
// [seq, move, aim, buttons].
type Input []int

// Buttons of an Input.
const (
	buttonFire = 1
	buttonDash = 2
)

// Validate refuses everything that no keyboard, mouse or finger can mean.
func (in Input) Validate() error {
	if len(in) != 4 ||
		in[0] < 1 || in[0] > 1<<30 ||
		in[1] < -1 || in[1] >= directions ||
		in[2] < 0 || in[2] >= directions ||
		in[3] < 0 || in[3] > buttonFire|buttonDash {
		return actors.Errorf(actors.CodeInvalid, "an input is [seq, move -1 to 255, aim 0 to 255, buttons 0 to 3]")
	}
	return nil
}

func (in Input) control() Control {
	return Control{Seq: in[0], Steering: Steering{Move: in[1], Aim: in[2], Fire: in[3]&buttonFire != 0, Dash: in[3]&buttonDash != 0}}
}

// Pilot is who sits in a seat.
type Pilot struct {
	ID    actors.MemberID `json:"id,omitempty"` // empty for a robot
	Name  string          `json:"name"`
	Robot bool            `json:"robot,omitempty"`
	Away  bool            `json:"away,omitempty"`
}

// Bits of a ship's mode on the wire.
const (
	modeShield = 1 << iota
	modeTriple
	modePhased
	modeMoving
)

// ShipState is [x, y, vx, vy, aim, dash, hp, mode, seq], in the units of
// flight.go; seq is the last input that is part of it.
type ShipState [9]int

func shipState(s *Ship, seq int) ShipState {
	mode := 0
	for bit, on := range map[int]bool{modeShield: s.Shield > 0, modeTriple: s.Triple > 0, modePhased: s.Phased(), modeMoving: s.Moving} {
		if on {
			mode |= bit
		}
	}
	return ShipState{s.X, s.Y, s.VX, s.VY, s.Aim, s.Dash, s.HP, mode, seq}
}

// ShotState is [x, y, aim, seat, born, seq]: all there is to know of a shot
// for as long as it flies.
type ShotState [6]int

func shotState(s Shot) ShotState { return ShotState{s.X, s.Y, s.Aim, s.By, s.Born, s.Seq} }

// PickupState is [kind, x, y].
type PickupState [3]int

func pickupState(p Pickup) PickupState { return PickupState{int(p.Kind), p.X, p.Y} }

// RoundState is the round as pages show it; ends is a tick.
type RoundState struct {
	N     int  `json:"n"`
	Break bool `json:"break"`
	Ends  int  `json:"ends"`
}

// Secret is what only its member sees.
type Secret struct {
	Ammo int `json:"ammo"`
	Mark int `json:"mark"` // seat of the target, -1 for none
}

// EffectState is [kind, x, y, seat, by, value].
type EffectState [6]int

func effectState(e Effect) EffectState {
	return EffectState{int(e.Kind), e.X, e.Y, e.Seat, e.By, e.Value}
}

// Kill is the event that tells of a destroyed ship.
type Kill struct {
	By     int  `json:"by"`
	Of     int  `json:"of"`
	Bounty bool `json:"bounty,omitempty"` // it was the secret mark
}

// robotNames are the names of robots, by seat.
var robotNames = [seats]string{"Moth", "Wasp", "Cricket", "Hornet", "Beetle", "Midge", "Locust", "Gnat", "Firefly", "Mantis", "Cicada", "Weevil", "Scarab", "Katydid", "Mayfly", "Botfly"}
