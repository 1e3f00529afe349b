package main

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// duel is a world with two pilots, no robots near, no pickups, no shields.
func duel(t *testing.T) (w *World, a, b int) {
	t.Helper()
	w = NewWorld(1, 2)
	a, b = w.Join(), w.Join()
	for seat := range w.Ships {
		if seat != a && seat != b {
			w.Ships[seat] = Ship{Mark: nobody}
		}
	}
	w.Pickups = nil
	w.place(a, 200, 200, 0)
	w.place(b, 400, 200, 128)
	w.choosePreys()
	w.takeEffects()
	return w, a, b
}

func (w *World) place(seat, x, y, aim int) {
	s := &w.Ships[seat]
	s.Flight = Flight{X: x * unit, Y: y * unit, Aim: aim}
	s.HP, s.Ammo, s.Shield = fullHP, fullAmmo, 0
}

// run steps the world with the same controls and returns what happened.
func (w *World) run(ticks int, controls map[int]Steering) (all []Effect) {
	var c [seats]Control
	for seat := range c {
		c[seat].Steering = Steering{Move: -1, Aim: w.Ships[seat].Aim}
		if in, ok := controls[seat]; ok {
			c[seat].Steering = in
		}
	}
	for range ticks {
		all = append(all, w.Step(&c)...)
	}
	return all
}

func count(effects []Effect, kind EffectKind) (n int) {
	for _, e := range effects {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

var fireRight = Steering{Move: -1, Aim: 0, Fire: true}

func TestSameSeedAndInputsMakeTheSameWorld(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	play := func() *World {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := NewWorld(seed, 7)
		for range 5 {
			w.Join()
		}
		for tick := range 3000 {
			var c [seats]Control
			for seat := range c {
				c[seat] = Control{Seq: tick, Steering: Steering{Move: rng.IntN(257) - 1, Aim: rng.IntN(directions), Fire: rng.IntN(3) == 0, Dash: rng.IntN(50) == 0}}
			}
			w.Step(&c)
			if tick == 1000 {
				w.Leave(3)
			}
		}
		return w
	}
	first, second := play(), play()
	if !reflect.DeepEqual(first, second) {
		t.Fatalf("two worlds from one seed differ after 3000 ticks:\n%+v\n%+v", first, second)
	}
}

func TestShotsHitAndDestroy(t *testing.T) {
	w, a, b := duel(t)
	effects := w.run(60, map[int]Steering{a: fireRight})
	if n := count(effects, EffectHit); n != fullHP-1 {
		t.Errorf("%d hits before the end, want %d", n, fullHP-1)
	}
	if n := count(effects, EffectKill); n != 1 {
		t.Errorf("%d kills", n)
	}
	if w.Ships[b].HP != 0 {
		t.Errorf("the target has %d left", w.Ships[b].HP)
	}
	if want := scoreKill + scoreBounty; w.Ships[a].Score != want {
		t.Errorf("score %d, want %d: the only other ship was the mark", w.Ships[a].Score, want)
	}
}

func TestRocksStopShots(t *testing.T) {
	w, a, b := duel(t)
	w.place(a, 900-96-60, 600, 0)
	w.place(b, 900+96+60, 600, 128)
	effects := w.run(80, map[int]Steering{a: fireRight})
	if w.Ships[b].HP != fullHP || count(effects, EffectSpark) == 0 {
		t.Fatalf("target has %d of %d, %d shots ended at the rock", w.Ships[b].HP, fullHP, count(effects, EffectSpark))
	}
}

func TestShieldProtectsUntilItsShipFires(t *testing.T) {
	w, a, b := duel(t)
	w.Ships[b].Shield = 1000
	if effects := w.run(40, map[int]Steering{a: fireRight}); count(effects, EffectHit) != 0 || count(effects, EffectBlocked) == 0 {
		t.Fatalf("the shield let shots through: %v", effects)
	}
	w.run(1, map[int]Steering{b: {Move: -1, Aim: 64, Fire: true}})
	if w.Ships[b].Shield != 0 {
		t.Fatal("it may shoot and keep its shield")
	}
}

func TestAmmunitionRunsOutAndComesBack(t *testing.T) {
	w, a, _ := duel(t)
	up := Steering{Move: -1, Aim: 192, Fire: true}
	fired := 0
	for range fullAmmo * gunCooldown {
		before := len(w.Shots)
		w.run(1, map[int]Steering{a: up})
		if len(w.Shots) > before {
			fired++
		}
	}
	if most := fullAmmo + fullAmmo*gunCooldown/refill; fired > most {
		t.Fatalf("%d shots in the time of %d", fired, most)
	}
	w.run(fullAmmo*refill, nil)
	if w.Ships[a].Ammo != fullAmmo {
		t.Fatalf("%d rounds after a rest, want %d", w.Ships[a].Ammo, fullAmmo)
	}
}

func TestGunIsNoFasterThanItsCooldown(t *testing.T) {
	w, a, _ := duel(t)
	w.run(gunCooldown, map[int]Steering{a: fireRight})
	if n := len(w.Shots); n != 1 {
		t.Fatalf("%d shots in one cool-down", n)
	}
}

func TestDestroyedShipComesBackFarFromOthers(t *testing.T) {
	w, a, b := duel(t)
	w.kill(b, a)
	w.Ships[b].HP = 0
	w.run(respawnAfter-1, nil)
	if w.Ships[b].HP != 0 {
		t.Fatal("it is back too early")
	}
	effects := w.run(1, nil)
	s, o := w.Ships[b], w.Ships[a]
	if s.HP != fullHP || s.Shield == 0 || count(effects, EffectSpawn) != 1 {
		t.Fatalf("it came back as %+v, effects %v", s, effects)
	}
	if within(s.X, s.Y, o.X, o.Y, 300*unit) {
		t.Fatalf("it came back beside the ship that destroyed it: %d,%d and %d,%d", s.X/unit, s.Y/unit, o.X/unit, o.Y/unit)
	}
}

func TestPickupsHelpOnlyWhoNeedsThem(t *testing.T) {
	tests := map[string]struct {
		kind  PickupKind
		ship  func(*Ship)
		taken bool
		check func(Ship) bool
	}{
		"spark":                  {Spark, func(*Ship) {}, true, func(s Ship) bool { return s.Score == scoreSpark }},
		"cell for an empty gun":  {Cell, func(s *Ship) { s.Ammo = 0 }, true, func(s Ship) bool { return s.Ammo == cellAmmo }},
		"cell for a full gun":    {Cell, func(*Ship) {}, false, func(s Ship) bool { return s.Ammo == fullAmmo }},
		"heart for a hurt ship":  {Heart, func(s *Ship) { s.HP = 1 }, true, func(s Ship) bool { return s.HP == 2 }},
		"heart for a whole ship": {Heart, func(*Ship) {}, false, func(s Ship) bool { return s.HP == fullHP }},
		"triple gun":             {TripleGun, func(*Ship) {}, true, func(s Ship) bool { return s.Triple > 0 }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, a, _ := duel(t)
			s := &w.Ships[a]
			tt.ship(s)
			w.put(tt.kind, s.X, s.Y)
			w.collect()
			if left := len(w.Pickups); (left == 0) != tt.taken {
				t.Errorf("%d are left, taken should be %v", left, tt.taken)
			}
			if !tt.check(*s) {
				t.Errorf("the ship is %+v", *s)
			}
		})
	}
}

func TestTripleGunFiresThree(t *testing.T) {
	w, a, _ := duel(t)
	w.Ships[a].Triple = 10
	w.run(1, map[int]Steering{a: fireRight})
	if len(w.Shots) != 3 || w.Ships[a].Ammo != fullAmmo-1 {
		t.Fatalf("%d shots for %d rounds", len(w.Shots), fullAmmo-w.Ships[a].Ammo)
	}
}

func TestAbandonedShipIsOutOfTheFightAfterAMoment(t *testing.T) {
	w, a, b := duel(t)
	w.SetAway(b, true)
	w.run(13, map[int]Steering{a: fireRight})
	w.run(phaseAfter, nil)
	hp := w.Ships[b].HP
	if hp == fullHP {
		t.Fatal("pulling the plug saved it at once")
	}
	if hp == 0 {
		t.Fatal("three shots destroyed it: nothing is left to look at")
	}
	w.Ships[b].VX = 100
	x := w.Ships[b].X
	w.run(60, map[int]Steering{a: fireRight})
	if w.Ships[b].HP != hp {
		t.Fatalf("it was hit while its pilot is away: %d of %d left", w.Ships[b].HP, hp)
	}
	if w.Ships[b].X != x {
		t.Fatal("it flies about without its pilot")
	}
	w.SetAway(b, false)
	if w.Ships[b].Shield == 0 || w.Ships[b].HP != hp {
		t.Fatalf("it returns as %+v", w.Ships[b])
	}
}

func TestRoundEndsWithABreakAndStartsAnew(t *testing.T) {
	w, a, _ := duel(t)
	w.Ships[a].Score = 9
	w.run(roundTicks-w.Tick-10, nil)
	w.run(10, map[int]Steering{a: fireRight})
	if len(w.Shots) != 0 {
		t.Fatalf("%d shots fly on into the break", len(w.Shots))
	}
	if !w.Round.Break || w.Ships[a].Score != 9 {
		t.Fatalf("after %d ticks: %+v, score %d", w.Tick, w.Round, w.Ships[a].Score)
	}
	w.run(30, map[int]Steering{a: fireRight})
	if len(w.Shots) != 0 {
		t.Fatal("guns are not silent in the break")
	}
	w.run(breakTicks-30, nil)
	if w.Round.Break || w.Round.N != 2 || w.Ships[a].Score != 0 {
		t.Fatalf("after the break: %+v, score %d", w.Round, w.Ships[a].Score)
	}
}

func TestRobotsFillUpAndMakeRoom(t *testing.T) {
	w := NewWorld(3, 4)
	taken := func() (pilots, robots int) {
		for _, s := range w.Ships {
			if s.Taken && s.Robot {
				robots++
			} else if s.Taken {
				pilots++
			}
		}
		return
	}
	var mine []int
	for n := 0; n <= seats; n++ {
		pilots, robots := taken()
		if pilots != n || robots != max(0, crowd-n) {
			t.Fatalf("%d pilots: %d robots, want %d", pilots, robots, max(0, crowd-n))
		}
		if n < seats {
			mine = append(mine, w.Join())
		}
	}
	if w.Join() != nobody {
		t.Fatal("a seventeenth pilot found a seat")
	}
	for _, seat := range mine {
		w.Leave(seat)
	}
	if pilots, robots := taken(); pilots != 0 || robots != crowd {
		t.Fatalf("when all have left there are %d pilots, %d robots", pilots, robots)
	}
}

func TestEveryPilotHasAMarkThatIsNotItself(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	w := NewWorld(seed, 2)
	var mine []int
	for range 400 {
		if rng.IntN(2) == 0 || len(mine) == 0 {
			if seat := w.Join(); seat != nobody {
				mine = append(mine, seat)
			}
		} else {
			i := rng.IntN(len(mine))
			w.Leave(mine[i])
			mine = append(mine[:i], mine[i+1:]...)
		}
		for _, seat := range mine {
			mark := w.Ships[seat].Mark
			if mark == seat || mark == nobody || !w.Ships[mark].Taken {
				t.Fatalf("seat %d has mark %d", seat, mark)
			}
		}
	}
}

func TestRobotsFightAndCollect(t *testing.T) {
	w := NewWorld(11, 12)
	w.Join() // a pilot that does nothing
	effects := w.run(60*ticksPerSecond, nil)
	if count(effects, EffectPickup) == 0 || count(effects, EffectHit) == 0 {
		t.Fatalf("in a minute: %d pickups, %d hits", count(effects, EffectPickup), count(effects, EffectHit))
	}
}

func TestIdsOfWhatIsThereDiffer(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := NewWorld(seed, 6)
	for range seats {
		w.Ships[w.Join()].Triple = 1 << 30
	}
	for tick := range 2000 {
		var c [seats]Control
		for seat := range c {
			c[seat].Steering = Steering{Move: (tick + seat*16) % directions, Aim: (tick*3 + seat*16) % directions, Fire: true}
			w.Ships[seat].Ammo, w.Ships[seat].Triple = fullAmmo, 100
		}
		w.Step(&c)
		shots, pickups := make(map[int]bool), make(map[int]bool)
		for _, s := range w.Shots {
			shots[s.ID] = true
		}
		for _, p := range w.Pickups {
			pickups[p.ID] = true
		}
		if len(shots) != len(w.Shots) || len(pickups) != len(w.Pickups) {
			t.Fatalf("tick %d: %d ids for %d shots, %d for %d pickups", tick, len(shots), len(w.Shots), len(pickups), len(w.Pickups))
		}
	}
}

func BenchmarkStepOfAFullArena(b *testing.B) {
	w := NewWorld(5, 6)
	for range seats {
		w.Join()
	}
	var c [seats]Control
	for i := 0; b.Loop(); i++ {
		for seat := range c {
			c[seat].Steering = Steering{Move: (i + seat*16) % directions, Aim: (i * 3) % directions, Fire: i%9 == 0}
		}
		w.Step(&c)
	}
}
