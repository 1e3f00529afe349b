package main

import "slices"

// PickupKind says what lies there.
type PickupKind int

// The pickups, as pages number them.
const (
	Spark PickupKind = iota // a point
	Cell                    // ammunition
	Heart
	TripleGun
	pickupKinds
)

const (
	pickupRadius = 14 * unit
	restockEvery = 20 // ticks between two pickups put back
	cellAmmo     = 6
	dropped      = 3 // sparks that a destroyed ship leaves
	mostSparks   = 60
)

// Pickup lies in the arena until a ship touches it.
type Pickup struct {
	ID   int
	Kind PickupKind
	X, Y int
}

// wanted is how many of a kind the arena keeps.
func wanted(k PickupKind) int { return [pickupKinds]int{Spark: 16, Cell: 4, Heart: 2, TripleGun: 1}[k] }

// moveShots moves every shot by one tick in steps shorter than a ship, and
// ends those that hit.
func (w *World) moveShots() {
	const steps = 3
	alive := w.Shots[:0]
	for _, shot := range w.Shots {
		fromX, fromY := shot.At(w.Tick - 1)
		toX, toY := shot.At(w.Tick)
		ended := w.Tick-shot.Born > shotLife
		for i := 1; i <= steps && !ended; i++ {
			ended = w.shotEnds(shot, fromX+(toX-fromX)*i/steps, fromY+(toY-fromY)*i/steps)
		}
		if !ended {
			alive = append(alive, shot)
		}
	}
	w.Shots = alive
}

func (w *World) shotEnds(shot Shot, x, y int) bool {
	if x < 0 || y < 0 || x > arenaWidth || y > arenaHeight || touchesRock(x, y, shotRadius) {
		w.effect(Effect{Kind: EffectSpark, X: x, Y: y, Seat: nobody, By: shot.By})
		return true
	}
	for seat := range w.Ships {
		s := &w.Ships[seat]
		if seat != shot.By && s.inPlay() && within(x, y, s.X, s.Y, shipRadius+shotRadius) {
			w.hit(seat, shot, x, y)
			return true
		}
	}
	return false
}

func (w *World) hit(seat int, shot Shot, x, y int) {
	s := &w.Ships[seat]
	if s.Shield > 0 {
		w.effect(Effect{Kind: EffectBlocked, X: x, Y: y, Seat: seat, By: shot.By})
		return
	}
	if s.HP--; s.HP > 0 {
		dx, dy := along(shot.Aim, 3*thrust)
		s.VX += dx
		s.VY += dy
		w.effect(Effect{Kind: EffectHit, X: x, Y: y, Seat: seat, By: shot.By})
		return
	}
	w.kill(seat, shot.By)
}

func (w *World) kill(seat, by int) {
	s, killer := &w.Ships[seat], &w.Ships[by]
	s.wait, s.VX, s.VY = respawnAfter, 0, 0
	bounty := false
	if killer.Taken {
		killer.Score += scoreKill
		if bounty = killer.Mark == seat; bounty {
			killer.Score += scoreBounty
			killer.Mark = nobody
			w.choosePreys()
		}
	}
	w.effect(Effect{Kind: EffectKill, X: s.X, Y: s.Y, Seat: seat, By: by, Bounty: bounty})
	for range dropped {
		x := clamp(s.X+(w.rng.IntN(121)-60)*unit, arenaWidth)
		y := clamp(s.Y+(w.rng.IntN(121)-60)*unit, arenaHeight)
		if len(w.Pickups) < mostSparks && !touchesRock(x, y, pickupRadius) {
			w.put(Spark, x, y)
		}
	}
}

func clamp(at, size int) int { return max(shipRadius, min(at, size-shipRadius)) }

// collect gives ships what they touch.
func (w *World) collect() {
	left := w.Pickups[:0]
	for _, p := range w.Pickups {
		if !w.taken(p) {
			left = append(left, p)
		}
	}
	w.Pickups = left
}

func (w *World) taken(p Pickup) bool {
	for seat := range w.Ships {
		s := &w.Ships[seat]
		if !s.inPlay() || !within(p.X, p.Y, s.X, s.Y, shipRadius+pickupRadius) {
			continue
		}
		switch {
		case p.Kind == Spark && !w.Round.Break:
			s.Score += scoreSpark
		case p.Kind == Cell && s.Ammo < fullAmmo:
			s.Ammo = min(fullAmmo, s.Ammo+cellAmmo)
		case p.Kind == Heart && s.HP < fullHP:
			s.HP++
		case p.Kind == TripleGun:
			s.Triple = tripleFor
		default:
			continue // of no use to this one
		}
		w.effect(Effect{Kind: EffectPickup, X: p.X, Y: p.Y, Seat: seat, By: nobody, Value: int(p.Kind)})
		return true
	}
	return false
}

// restock puts back what was taken, one at a time.
func (w *World) restock() {
	if w.Tick%restockEvery != 0 {
		return
	}
	var have [pickupKinds]int
	for _, p := range w.Pickups {
		have[p.Kind]++
	}
	for kind := range pickupKinds {
		if have[kind] < wanted(kind) && (kind == Spark || w.rng.IntN(6) == 0) {
			w.scatter(kind)
			return
		}
	}
}

func (w *World) scatter(kind PickupKind) {
	x, y := w.freePlace(40 * unit)
	w.put(kind, x, y)
}

// put adds a pickup under the lowest id that none has.
func (w *World) put(kind PickupKind, x, y int) {
	id := 0
	for slices.ContainsFunc(w.Pickups, func(p Pickup) bool { return p.ID == id }) {
		id++
	}
	w.Pickups = append(w.Pickups, Pickup{id, kind, x, y})
}
