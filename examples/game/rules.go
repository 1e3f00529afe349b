package main

import "math/rand/v2"

// The rules of the game, apart from rooms and sockets: a World is stepped
// with what every pilot wants, and the same steps from the same seed make the
// same World. Times are in ticks, lengths in units.
const (
	ticksPerSecond = 30
	seats          = 16
	crowd          = 4 // robots fill the arena up to so many ships

	fullHP   = 4
	fullAmmo = 10
	refill   = 18 // ticks for one round of ammunition

	gunCooldown = 6
	shotSpeed   = 18 * unit
	shotLife    = 36
	shotRadius  = 5 * unit
	shotIDs     = 1000 // ids start over before they grow long; far fewer shots fly at a time
	shotSpread  = 8    // between the three shots of a triple gun, in directions

	respawnAfter = 75
	shieldFor    = 60
	tripleFor    = 8 * ticksPerSecond
	phaseAfter   = 45 // an abandoned ship can be hit for so long

	roundTicks = 150 * ticksPerSecond
	breakTicks = 10 * ticksPerSecond

	scoreSpark  = 1
	scoreKill   = 3
	scoreBounty = 5 // on top, for the mark
)

// nobody is no seat.
const nobody = -1

// World is everything that moves.
type World struct {
	Tick    int
	Round   Round
	Ships   [seats]Ship
	Shots   []Shot
	Pickups []Pickup

	rng      *rand.Rand
	nextShot int
	effects  []Effect
}

// Round is a part of the game after which points are counted.
type Round struct {
	N     int
	Break bool // the podium is shown, guns are silent
	Ends  int  // tick
}

// Ship is a seat in the arena and who sits there.
type Ship struct {
	Flight
	Taken  bool
	Robot  bool
	Away   bool // its pilot lost the connection
	Moving bool // the engine is on
	HP     int  // 0: destroyed, waits to come back
	Ammo   int
	Score  int
	Mark   int // seat of the secret target
	Shield int // ticks left
	Triple int // ticks left

	cool    int // ticks until the gun may fire
	refill  int // ticks until ammunition grows
	wait    int // ticks until it comes back
	awayFor int
}

// Phased reports whether the ship is out of the fight because its pilot is
// away: it cannot be hit and touches nothing.
func (s *Ship) Phased() bool { return s.Away && s.awayFor > phaseAfter }

func (s *Ship) inPlay() bool { return s.Taken && s.HP > 0 && !s.Phased() }

// Shot flies straight on, so that it has to be told once only.
type Shot struct {
	ID   int
	X, Y int // where it started
	Aim  int
	By   int // seat
	Born int // tick
	Seq  int // input that fired it
}

// At is where a shot is.
func (s Shot) At(tick int) (x, y int) {
	dx, dy := along(s.Aim, shotSpeed)
	return s.X + dx*(tick-s.Born), s.Y + dy*(tick-s.Born)
}

// Effect is something that happened during a step and is over.
type Effect struct {
	Kind   EffectKind
	X, Y   int
	Seat   int  // who it happened to
	By     int  // who did it; nobody if nobody did
	Bounty bool // of a kill: it was the mark
	Value  int  // of a pickup: its kind
}

// EffectKind says what happened.
type EffectKind int

// The effects, as pages number them.
const (
	EffectHit EffectKind = iota
	EffectBlocked
	EffectKill
	EffectPickup
	EffectSpawn
	EffectGone
	EffectSpark // a shot ended at a rock or the edge
)

// Control is what a pilot wants, and which of its inputs says so.
type Control struct {
	Steering
	Seq int
}

// NewWorld returns an empty arena with pickups. Both seeds are the game's.
func NewWorld(seed1, seed2 uint64) *World {
	w := &World{rng: rand.New(rand.NewPCG(seed1, seed2)), Round: Round{N: 1, Ends: roundTicks}}
	for kind := range pickupKinds {
		for range wanted(kind) {
			w.scatter(kind)
		}
	}
	w.balance()
	return w
}

// Join gives a pilot the first free seat; nobody if there is none.
func (w *World) Join() int {
	seat := w.sit(false)
	w.balance()
	return seat
}

func (w *World) sit(robot bool) int {
	for seat := range w.Ships {
		if s := &w.Ships[seat]; !s.Taken {
			*s = Ship{Taken: true, Robot: robot, Mark: nobody}
			w.spawn(seat)
			return seat
		}
	}
	return nobody
}

// Leave empties a seat.
func (w *World) Leave(seat int) {
	w.remove(seat)
	w.balance()
}

func (w *World) remove(seat int) {
	if s := &w.Ships[seat]; s.inPlay() {
		w.effect(Effect{Kind: EffectGone, X: s.X, Y: s.Y, Seat: seat, By: nobody})
	}
	w.Ships[seat] = Ship{Mark: nobody}
	w.choosePreys()
}

// SetAway says whether the pilot of a seat is there.
func (w *World) SetAway(seat int, away bool) {
	s := &w.Ships[seat]
	if s.Away && !away {
		s.Shield = shieldFor
	}
	s.Away, s.awayFor = away, 0
}

// balance seats robots, or sends them away, until the arena is as full as it
// should be. A pilot never finds a seat taken by a robot that is not needed.
func (w *World) balance() {
	pilots, robots := 0, 0
	for seat := range w.Ships {
		switch s := &w.Ships[seat]; {
		case s.Taken && s.Robot:
			robots++
		case s.Taken:
			pilots++
		}
	}
	for ; robots+pilots < crowd; robots++ {
		w.sit(true)
	}
	for seat := seats - 1; seat >= 0 && robots > 0 && robots+pilots > crowd; seat-- {
		if w.Ships[seat].Robot {
			w.remove(seat)
			robots--
		}
	}
	w.choosePreys()
}

// Step moves the world by one tick and returns what happened, valid until the
// next step.
func (w *World) Step(controls *[seats]Control) []Effect {
	w.Tick++
	w.moveShots()
	for seat := range w.Ships {
		s := &w.Ships[seat]
		if !s.Taken {
			continue
		}
		control := controls[seat]
		if s.Robot {
			control = Control{Steering: w.autopilot(seat)}
		}
		if s.Away {
			control = Control{Steering: Steering{Move: -1, Aim: s.Aim}}
			s.awayFor++
		}
		w.stepShip(seat, control)
	}
	w.collect()
	w.restock()
	w.turnRound()
	return w.takeEffects()
}

// takeEffects returns what happened since it was last asked.
func (w *World) takeEffects() []Effect {
	all := w.effects
	w.effects = nil
	return all
}

func (w *World) stepShip(seat int, c Control) {
	s := &w.Ships[seat]
	if s.HP == 0 {
		s.Moving = false
		if s.wait--; s.wait <= 0 && !s.Away {
			w.spawn(seat)
		}
		return
	}
	if s.Phased() {
		return
	}
	s.Step(c.Steering)
	s.Moving = c.Move >= 0
	countDown(&s.Shield)
	countDown(&s.Triple)
	countDown(&s.cool)
	if s.Ammo < fullAmmo {
		if s.refill--; s.refill <= 0 {
			s.Ammo++
			s.refill = refill
		}
	}
	if c.Fire && s.cool == 0 && s.Ammo > 0 && !w.Round.Break {
		w.fire(seat, c.Seq)
	}
}

func countDown(n *int) {
	if *n > 0 {
		*n--
	}
}

func (w *World) fire(seat, seq int) {
	s := &w.Ships[seat]
	if s.Ammo == fullAmmo {
		s.refill = refill
	}
	s.Ammo--
	s.cool = gunCooldown
	s.Shield = 0
	spread := []int{0}
	if s.Triple > 0 {
		spread = []int{-shotSpread, 0, shotSpread}
	}
	for _, d := range spread {
		aim := (s.Aim + d + directions) % directions
		dx, dy := along(aim, shipRadius)
		w.nextShot = (w.nextShot + 1) % shotIDs
		w.Shots = append(w.Shots, Shot{ID: w.nextShot, X: s.X + dx, Y: s.Y + dy, Aim: aim, By: seat, Born: w.Tick, Seq: seq})
	}
}

// spawn puts a ship where the others are far.
func (w *World) spawn(seat int) {
	s := &w.Ships[seat]
	best, bestX, bestY := -1, 0, 0
	for range 12 {
		x, y := w.freePlace(60 * unit)
		nearest := arenaWidth * arenaWidth
		for other := range w.Ships {
			if o := &w.Ships[other]; other != seat && o.inPlay() {
				nearest = min(nearest, (x-o.X)*(x-o.X)+(y-o.Y)*(y-o.Y))
			}
		}
		if nearest > best {
			best, bestX, bestY = nearest, x, y
		}
	}
	s.Flight = Flight{X: bestX, Y: bestY, Aim: s.Aim}
	s.HP, s.Ammo, s.Shield, s.Triple, s.cool = fullHP, fullAmmo, shieldFor, 0, 0
	w.effect(Effect{Kind: EffectSpawn, X: s.X, Y: s.Y, Seat: seat, By: nobody})
}

// freePlace returns a random place that is as far as margin from rocks and
// edges.
func (w *World) freePlace(margin int) (x, y int) {
	for {
		x = margin + w.rng.IntN(arenaWidth-2*margin)
		y = margin + w.rng.IntN(arenaHeight-2*margin)
		if !touchesRock(x, y, margin) {
			return x, y
		}
	}
}

func touchesRock(x, y, radius int) bool {
	for _, r := range rocks {
		if within(x, y, r.x*unit, r.y*unit, r.r*unit+radius) {
			return true
		}
	}
	return false
}

// choosePreys gives a mark to every pilot that has none.
func (w *World) choosePreys() {
	for seat := range w.Ships {
		s := &w.Ships[seat]
		if !s.Taken || s.Robot || (s.Mark != nobody && w.Ships[s.Mark].Taken) {
			continue
		}
		s.Mark = nobody
		var others []int
		for other := range w.Ships {
			if other != seat && w.Ships[other].Taken {
				others = append(others, other)
			}
		}
		if len(others) > 0 {
			s.Mark = others[w.rng.IntN(len(others))]
		}
	}
}

// turnRound ends a round, or the break after it.
func (w *World) turnRound() {
	if w.Tick < w.Round.Ends {
		return
	}
	if !w.Round.Break {
		w.Round.Break = true
		w.Round.Ends = w.Tick + breakTicks
		w.Shots = nil
		return
	}
	w.Round = Round{N: w.Round.N + 1, Ends: w.Tick + roundTicks}
	for seat := range w.Ships {
		if s := &w.Ships[seat]; s.Taken {
			s.Score, s.Mark = 0, nobody
			if !s.Away {
				w.spawn(seat)
			}
		}
	}
	w.choosePreys()
}

func (w *World) effect(e Effect) { w.effects = append(w.effects, e) }
