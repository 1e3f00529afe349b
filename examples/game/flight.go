package main

import "math"

// How ships fly. page/flight.js holds the same rules, and a page that knows
// where its ship was and which inputs the room has not seen yet computes where
// it is, exactly: everything here is integer arithmetic whose division drops
// the fraction, as JavaScript's Math.trunc does. A test flies both.
//
// Lengths are in units, 32 to a pixel of the arena; times are in ticks.
const (
	unit        = 32
	arenaWidth  = 1800 * unit
	arenaHeight = 1200 * unit

	directions = 256  // a full turn; 0 is to the right, 64 is down
	tableOne   = 1024 // what the tables of sine and cosine call 1

	shipRadius   = 16 * unit
	thrust       = 26  // per tick
	drag         = 29  // of 32 parts of the speed are left after a tick
	dashKick     = 520 // added to the speed at once
	dashCooldown = 75
)

// rock is a round obstacle. Lengths are in pixels.
type rock struct{ x, y, r int }

var rocks = [...]rock{
	{900, 600, 96},
	{440, 330, 70}, {1360, 870, 70},
	{1360, 330, 54}, {440, 870, 54},
	{150, 600, 42}, {1650, 600, 42},
	{900, 150, 38}, {900, 1050, 38},
}

var sine = func() (table [directions]int) {
	for i := range table {
		table[i] = int(math.Floor(math.Sin(float64(i)*2*math.Pi/directions)*tableOne + 0.5))
	}
	return table
}()

// along is the part of length in x and y for a direction.
func along(direction, length int) (x, y int) {
	return sine[(direction+directions/4)%directions] * length / tableOne, sine[direction%directions] * length / tableOne
}

// Steering is what a pilot wants at one tick.
type Steering struct {
	Move int // direction of thrust, 0 to 255; -1 for none
	Aim  int // direction of the gun, 0 to 255
	Fire bool
	Dash bool
}

// Flight is where a ship is and how it moves.
type Flight struct {
	X, Y   int
	VX, VY int
	Aim    int
	Dash   int // ticks until the next dash
}

// Step moves a ship by one tick.
func (f *Flight) Step(in Steering) {
	f.Aim = in.Aim
	if f.Dash > 0 {
		f.Dash--
	}
	if in.Dash && f.Dash == 0 {
		direction := in.Move
		if direction < 0 {
			direction = in.Aim
		}
		f.push(direction, dashKick)
		f.Dash = dashCooldown
	}
	if in.Move >= 0 {
		f.push(in.Move, thrust)
	}
	f.VX = f.VX * drag / 32
	f.VY = f.VY * drag / 32
	f.X, f.VX = bounce(f.X+f.VX, f.VX, arenaWidth)
	f.Y, f.VY = bounce(f.Y+f.VY, f.VY, arenaHeight)
	for _, r := range rocks {
		f.hitRock(r)
	}
}

func (f *Flight) push(direction, length int) {
	x, y := along(direction, length)
	f.VX += x
	f.VY += y
}

// bounce keeps a coordinate inside the arena and turns the speed at its edge.
func bounce(at, speed, size int) (int, int) {
	switch {
	case at < shipRadius:
		return shipRadius, -speed / 2
	case at > size-shipRadius:
		return size - shipRadius, -speed / 2
	}
	return at, speed
}

// hitRock moves a ship out of a rock, and throws it back if it flew into it.
func (f *Flight) hitRock(r rock) {
	dx, dy := f.X-r.x*unit, f.Y-r.y*unit
	reach := r.r*unit + shipRadius
	if dx*dx+dy*dy >= reach*reach {
		return
	}
	d := int(math.Sqrt(float64(dx*dx + dy*dy)))
	if d == 0 {
		dx, dy, d = 1, 0, 1
	}
	f.X = r.x*unit + dx*reach/d
	f.Y = r.y*unit + dy*reach/d
	if into := (f.VX*dx + f.VY*dy) / d; into < 0 {
		f.VX -= 3 * into * dx / (2 * d)
		f.VY -= 3 * into * dy / (2 * d)
	}
}

// within reports whether two places are closer than length.
func within(x1, y1, x2, y2, length int) bool {
	dx, dy := x1-x2, y1-y2
	return dx*dx+dy*dy < length*length
}
