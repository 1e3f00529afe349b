package main

import "math"

// How robots see and shoot.
const (
	sight     = 520 * unit
	tooClose  = 170 * unit
	trigger   = 10 // directions between gun and target at which a robot fires
	turnSpeed = 7  // directions per tick that its gun turns
)

// autopilot steers a robot: towards what is near and useful, around rocks,
// with a slow gun and an eye that is not the best.
func (w *World) autopilot(seat int) Steering {
	s := &w.Ships[seat]
	wobble := sine[(w.Tick*5+seat*67)%directions] * 14 / tableOne
	in := Steering{Move: -1, Aim: s.Aim}
	goalX, goalY := w.nearestUse(s)
	if prey, ok := w.nearestShip(seat); ok {
		ahead := 6 // ticks a shot needs, about
		aim := heading(prey.X+prey.VX*ahead-s.X, prey.Y+prey.VY*ahead-s.Y)
		off := turn(s.Aim, aim+wobble)
		in.Aim = (s.Aim + max(-turnSpeed, min(turnSpeed, off)) + directions) % directions
		in.Fire = abs(off) < trigger && (w.Tick+seat*11)%45 < 18 && s.Ammo > 2
		if s.HP > 1 {
			goalX, goalY = prey.X, prey.Y
		}
		if within(prey.X, prey.Y, s.X, s.Y, tooClose) || s.HP == 1 {
			goalX, goalY = 2*s.X-prey.X, 2*s.Y-prey.Y
		}
		// It circles, so that it is neither a wall nor a target.
		side := directions / 6
		if (w.Tick/90+seat)%2 == 0 {
			side = -side
		}
		in.Move = (heading(goalX-s.X, goalY-s.Y) + side + directions) % directions
	} else if goalX != s.X || goalY != s.Y {
		in.Move = heading(goalX-s.X, goalY-s.Y)
		in.Aim = in.Move
	}
	in.Move = w.around(s, in.Move)
	return in
}

// nearestShip is the closest ship that a robot sees and may shoot at.
func (w *World) nearestShip(seat int) (Ship, bool) {
	s := &w.Ships[seat]
	best, found := sight*sight, nobody
	for other := range w.Ships {
		o := &w.Ships[other]
		if other == seat || !o.inPlay() || o.Shield > 0 {
			continue
		}
		if d := (o.X-s.X)*(o.X-s.X) + (o.Y-s.Y)*(o.Y-s.Y); d < best {
			best, found = d, other
		}
	}
	if found == nobody {
		return Ship{}, false
	}
	return w.Ships[found], true
}

// nearestUse is where the closest pickup lies that a robot wants, or where it
// is if there is none.
func (w *World) nearestUse(s *Ship) (x, y int) {
	best := arenaWidth * arenaWidth
	x, y = s.X, s.Y
	for _, p := range w.Pickups {
		if p.Kind == Cell && s.Ammo > 6 || p.Kind == Heart && s.HP == fullHP {
			continue
		}
		if d := (p.X-s.X)*(p.X-s.X) + (p.Y-s.Y)*(p.Y-s.Y); d < best {
			best, x, y = d, p.X, p.Y
		}
	}
	return x, y
}

// around turns a direction away from a rock that is in the way.
func (w *World) around(s *Ship, direction int) int {
	if direction < 0 {
		return direction
	}
	dx, dy := along(direction, 70*unit)
	for _, r := range rocks {
		if within(s.X+dx, s.Y+dy, r.x*unit, r.y*unit, r.r*unit+shipRadius) {
			away := heading(s.X-r.x*unit, s.Y-r.y*unit)
			side := directions / 4
			if turn(away, direction) < 0 {
				side = -side
			}
			return (away + side*3/4 + directions) % directions
		}
	}
	return direction
}

// heading is the direction of a vector.
func heading(x, y int) int {
	d := int(math.Round(math.Atan2(float64(y), float64(x)) * directions / (2 * math.Pi)))
	return (d + directions) % directions
}

// turn is the shorter way from one direction to another, -128 to 127.
func turn(from, to int) int {
	return ((to-from)%directions+directions+directions/2)%directions - directions/2
}

func abs(n int) int { return max(n, -n) }
