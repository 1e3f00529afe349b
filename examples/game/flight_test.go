package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"testing"
)

func TestShipsStayInsideTheArenaAndOutsideRocks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	f := Flight{X: 700 * unit, Y: 600 * unit}
	for tick, in := range randomSteering(rng, 20_000) {
		f.Step(in)
		if f.X < shipRadius || f.Y < shipRadius || f.X > arenaWidth-shipRadius || f.Y > arenaHeight-shipRadius {
			t.Fatalf("tick %d: the ship left the arena: %+v", tick, f)
		}
		for _, r := range rocks {
			if within(f.X, f.Y, r.x*unit, r.y*unit, r.r*unit+shipRadius-unit) {
				t.Fatalf("tick %d: the ship is inside the rock %+v: %+v", tick, r, f)
			}
		}
	}
}

func TestShipComesToRest(t *testing.T) {
	f := Flight{X: 700 * unit, Y: 300 * unit, VX: 277, VY: -191}
	for range 200 {
		f.Step(Steering{Move: -1})
	}
	if f.VX != 0 || f.VY != 0 {
		t.Fatalf("it still moves after 200 ticks without thrust: %+v", f)
	}
}

func TestDashHasToCoolDown(t *testing.T) {
	f := Flight{X: 700 * unit, Y: 300 * unit}
	f.Step(Steering{Move: 0, Dash: true})
	first := f.VX
	f.Step(Steering{Move: -1, Dash: true})
	if f.VX >= first {
		t.Fatalf("a second dash at once made it faster: %d after %d", f.VX, first)
	}
	for range dashCooldown {
		f.Step(Steering{Move: -1})
	}
	f.Step(Steering{Move: 0, Dash: true})
	if f.VX < first-thrust {
		t.Fatalf("after the cool-down a dash gives %d, the first gave %d", f.VX, first)
	}
}

// The page predicts the own ship. If it computed anything else than the room,
// every ship would tremble.
func TestPageFliesExactlyLikeTheRoom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	f := Flight{X: 300 * unit, Y: 800 * unit}
	var input struct {
		Ship   map[string]int `json:"ship"`
		Inputs [][3]int       `json:"inputs"`
	}
	input.Ship = map[string]int{"x": f.X, "y": f.Y, "vx": 0, "vy": 0, "aim": 0, "dash": 0}
	var want [][6]int
	for _, in := range randomSteering(rng, 20_000) {
		dash := 0
		if in.Dash {
			dash = 1
		}
		input.Inputs = append(input.Inputs, [3]int{in.Move, in.Aim, dash})
		f.Step(in)
		want = append(want, [6]int{f.X, f.Y, f.VX, f.VY, f.Aim, f.Dash})
	}
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "testdata/fly.mjs")
	node.Stdin = bytes.NewReader(text)
	var stderr bytes.Buffer
	node.Stderr = &stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.Bytes())
	}
	var got [][6]int
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d steps, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("step %d, input %v: the page is at %v, the room at %v", i, input.Inputs[i], got[i], want[i])
		}
	}
}

// randomSteering holds each choice for a while, as people do.
func randomSteering(rng *rand.Rand, n int) []Steering {
	all := make([]Steering, n)
	in := Steering{Move: -1}
	for i := range all {
		if rng.IntN(12) == 0 {
			in.Move = rng.IntN(directions+40) - 40
			in.Move = max(in.Move, -1)
		}
		in.Aim = rng.IntN(directions)
		in.Dash = rng.IntN(30) == 0
		all[i] = in
	}
	return all
}
