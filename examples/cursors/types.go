package main

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Person is how a member appears to others. It is also what a client may ask
// for when it connects or calls "rename".
type Person struct {
	Name   string `json:"name"`
	Colour int    `json:"colour"` // 1 to 12; 0 asks the room to choose
}

// Validate refuses a colour that nobody has.
func (p Person) Validate() error {
	if p.Colour < 0 || p.Colour > colours {
		return actors.Errorf(actors.CodeInvalid, "a colour is 1 to %d, or 0", colours)
	}
	return nil
}

// Point is a place on the board: [x,y].
type Point [2]int

// Validate refuses a point beside the board.
func (p Point) Validate() error {
	if p[0] < 0 || p[0] > boardWidth || p[1] < 0 || p[1] > boardHeight {
		return actors.Errorf(actors.CodeInvalid, "a point is on the board: 0 to %d, 0 to %d", boardWidth, boardHeight)
	}
	return nil
}

// Line is a piece of a drawn line.
type Line []Point

// Validate refuses a line that is too short to see, or too long.
func (l Line) Validate() error {
	if len(l) < 2 || len(l) > inkPoints {
		return actors.Errorf(actors.CodeInvalid, "a line has 2 to %d points", inkPoints)
	}
	for _, p := range l {
		if err := p.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Ink is a piece of a line on the board.
type Ink struct {
	Colour int  `json:"c"`
	Line   Line `json:"p"`
}

// Burst is a short effect at a place.
type Burst struct {
	Kind string          `json:"kind"`
	At   Point           `json:"at"`
	By   actors.MemberID `json:"by"` // set by the room, whatever the client sent
}

// Validate refuses an effect that pages do not know.
func (b Burst) Validate() error {
	switch b.Kind {
	case "ripple", "heart", "star", "bolt", "smile", "ask":
		return b.At.Validate()
	}
	return actors.Errorf(actors.CodeInvalid, "nobody knows the effect %q", b.Kind)
}

// How fast a member may draw, say and burst: paceRate times per second, with
// up to paceBurst saved up. Beyond it the room does nothing.
const (
	paceRate  = 40
	paceBurst = 80
)

// pace is a token bucket.
type pace struct {
	left float64
	at   time.Time
}

func (p *pace) take(now time.Time) bool {
	p.left = min(paceBurst, p.left+paceRate*now.Sub(p.at).Seconds())
	p.at = now
	if p.left < 1 {
		return false
	}
	p.left--
	return true
}
