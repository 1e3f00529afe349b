package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/actorstest"
)

const tick = time.Second / ticksPerSecond

func open(t *testing.T) *actorstest.Room {
	return actorstest.Open(t, Kind(), actorstest.Config{ID: "main"})
}

func named(name string) map[string]any { return map[string]any{"name": name} }

// field is what a member sees of a synced field, decoded.
func field[V any](t *testing.T, m *actorstest.Member, name string) map[string]V {
	t.Helper()
	all := make(map[string]V)
	for key, raw := range m.State(name) {
		var v V
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("%s[%s] is %s: %v", name, key, raw, err)
		}
		all[key] = v
	}
	return all
}

// seatOf is the key of a member's ship, as by sees it.
func seatOf(t *testing.T, by, of *actorstest.Member) string {
	t.Helper()
	for seat, p := range field[Pilot](t, by, "pilots") {
		if p.ID == of.ID() {
			return seat
		}
	}
	t.Fatalf("no pilot is %s", of.ID())
	return ""
}

func shipOf(t *testing.T, by, of *actorstest.Member) ShipState {
	t.Helper()
	return field[ShipState](t, by, "ships")[seatOf(t, by, of)]
}

func clock(t *testing.T, m *actorstest.Member) int { return field[int](t, m, "clock")[""] }

func TestInputsMoveTheShipForEverybody(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	r.Advance(tick)
	before := shipOf(t, ben, ada)
	predicted := Flight{X: before[0], Y: before[1], VX: before[2], VY: before[3], Aim: before[4], Dash: before[5]}
	for seq := 1; seq <= 20; seq++ {
		in := Steering{Move: 64, Aim: 100 + seq}
		ada.Emit("in", Input{seq, in.Move, in.Aim, 0})
		r.Advance(tick)
		predicted.Step(in)
	}
	after := shipOf(t, ben, ada)
	if got := (Flight{after[0], after[1], after[2], after[3], after[4], after[5]}); got != predicted {
		t.Fatalf("Ben sees %+v, Ada predicted %+v", got, predicted)
	}
	if after[8] != 20 {
		t.Fatalf("the room says it used input %d, want 20", after[8])
	}
}

func TestOneFloodedTickMovesAShipOnce(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	r.Advance(tick)
	a, b := shipOf(t, ada, ada), shipOf(t, ada, ben)
	for seq := 1; seq <= 40; seq++ {
		ada.Emit("in", Input{seq, 64, 0, 0})
	}
	ben.Emit("in", Input{1, 64, 0, 0})
	r.Advance(tick)
	if ada, ben := shipOf(t, ada, ada)[3]-a[3], shipOf(t, ada, ben)[3]-b[3]; ada > ben {
		t.Fatalf("forty inputs in one tick made it %d faster, one made it %d", ada, ben)
	}
}

func TestFloodingMemberIsThrownOut(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	for seq := range 2 * (inputBurst - inputDebt) {
		ada.Emit("in", Input{seq + 1, 0, 0, 0})
	}
	r.Advance(tick)
	if !ada.Kicked() || len(ada.Events("room:kicked")) != 1 {
		t.Fatal("Ada is still there")
	}
	for _, p := range field[Pilot](t, ben, "pilots") {
		if p.Name == "Ada" {
			t.Fatal("her ship is still there")
		}
	}
}

func TestImpossibleInputsAreRefused(t *testing.T) {
	tests := map[string]any{
		"no numbers":         "go",
		"too few":            Input{1, 0, 0},
		"too many":           Input{1, 0, 0, 0, 0},
		"sequence of zero":   Input{0, 0, 0, 0},
		"sequence too long":  Input{1<<30 + 1, 0, 0, 0},
		"direction too big":  Input{1, directions, 0, 0},
		"direction too low":  Input{1, -2, 0, 0},
		"aim too big":        Input{1, 0, directions, 0},
		"aim too low":        Input{1, 0, -1, 0},
		"button that is not": Input{1, 0, 0, 4},
		"fractions":          []float64{1, 0.5, 0, 0},
		"nothing":            nil,
	}
	for name, payload := range tests {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			ada := r.Join(named("Ada"))
			if _, err := ada.Ask("in", payload); err == nil {
				t.Fatal("it was taken")
			}
			r.Advance(tick)
			if seq := shipOf(t, ada, ada)[8]; seq != 0 {
				t.Fatalf("input %d was used", seq)
			}
		})
	}
}

func TestLateJoinerSeesTheGameAsItIs(t *testing.T) {
	r := open(t)
	ada := r.Join(named("Ada"))
	for seq := 1; seq <= 100; seq++ {
		ada.Emit("in", Input{seq, seq % directions, seq % directions, buttonFire})
		r.Advance(tick)
	}
	ben := r.Join(named("Ben"))
	r.Advance(tick)
	for _, name := range []string{"clock", "round", "pilots", "scores", "ships", "shots", "pickups"} {
		if a, b := fmt.Sprintf("%s", ada.State(name)), fmt.Sprintf("%s", ben.State(name)); a != b {
			t.Errorf("%s: Ada sees %s, Ben sees %s", name, a, b)
		}
	}
	if clock(t, ben) < 100 || len(ben.State("pickups")) == 0 {
		t.Errorf("clock %d, %d pickups", clock(t, ben), len(ben.State("pickups")))
	}
}

func TestWhatIsGoneFromTheWorldIsGoneFromTheState(t *testing.T) {
	r := open(t)
	ada := r.Join(named("Ada"))
	for seq := 1; seq <= 600; seq++ {
		ada.Emit("in", Input{seq, seq % directions, seq * 3 % directions, buttonFire})
		r.Advance(tick)
	}
	const perGun = 3 * (shotLife/gunCooldown + 1)
	if n := len(ada.State("shots")); n > crowd*perGun {
		t.Errorf("%d shots fly, %d guns cannot have fired so many", n, crowd)
	}
	if n := len(ada.State("pickups")); n > mostSparks+8 {
		t.Errorf("%d pickups", n)
	}
}

func TestPingAnswersWithTheClock(t *testing.T) {
	r := open(t)
	ada := r.Join(named("Ada"))
	r.Advance(10 * tick)
	ack, err := ada.Ask("ping")
	if err != nil {
		t.Fatal(err)
	}
	var now int
	if err := ack.Decode(&now); err != nil || now != clock(t, ada) {
		t.Fatalf("%d, %v; the clock is %d", now, err, clock(t, ada))
	}
}

func TestSecretsReachOnlyTheirMember(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	for seq := 1; seq <= 30; seq++ {
		ada.Emit("in", Input{seq, -1, 0, buttonFire})
		r.Advance(tick)
	}
	for name, m := range map[string]*actorstest.Member{"Ada": ada, "Ben": ben} {
		secrets := field[Secret](t, m, "secret")
		if _, own := secrets[string(m.ID())]; !own || len(secrets) != 1 {
			t.Errorf("%s sees %v", name, secrets)
		}
	}
	if s := field[Secret](t, ada, "secret")[string(ada.ID())]; s.Ammo >= fullAmmo {
		t.Errorf("Ada fired for a second and has %d rounds", s.Ammo)
	}
}

func TestSeatIsKeptForWhoLosesTheConnection(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	r.Advance(time.Second)
	seat, id := seatOf(t, ben, ada), ada.ID()
	ada.Drop()
	r.Advance(resumeWithin / 2)
	if p := field[Pilot](t, ben, "pilots")[seat]; !p.Away || p.ID != id {
		t.Fatalf("meanwhile Ben sees %+v", p)
	}
	if mode := shipOf(t, ben, ada)[7]; mode&modePhased == 0 {
		t.Fatal("her ship is still in the fight")
	}
	if !ada.Return() {
		t.Fatal("she was not given her seat")
	}
	r.Advance(tick)
	if p := field[Pilot](t, ben, "pilots")[seat]; p.Away || p.ID != id || p.Name != "Ada" {
		t.Fatalf("Ben sees %+v in her seat", p)
	}
	if a, b := clock(t, ada), clock(t, ben); a != b {
		t.Fatalf("her clock is %d, his is %d", a, b)
	}
	for _, name := range []string{"pilots", "scores", "ships", "shots", "pickups"} {
		if a, b := fmt.Sprintf("%s", ada.State(name)), fmt.Sprintf("%s", ben.State(name)); a != b {
			t.Errorf("%s: Ada sees %s, Ben sees %s", name, a, b)
		}
	}
}

func TestSeatIsFreeWhenNobodyReturns(t *testing.T) {
	r := open(t)
	ada, ben := r.Join(named("Ada")), r.Join(named("Ben"))
	ada.Drop()
	r.Advance(resumeWithin + time.Second)
	for _, p := range field[Pilot](t, ben, "pilots") {
		if p.Name == "Ada" {
			t.Fatal("her ship is still there")
		}
	}
	if r.Members() != 1 {
		t.Fatalf("%d members", r.Members())
	}
}

func TestWhoLeavesIsReplacedByARobot(t *testing.T) {
	r := open(t)
	var crew []*actorstest.Member
	for i := range crowd {
		crew = append(crew, r.Join(named(fmt.Sprint("Pilot ", i))))
	}
	r.Advance(tick)
	robots := func() (n int) {
		for _, p := range field[Pilot](t, crew[0], "pilots") {
			if p.Robot {
				n++
			}
		}
		return n
	}
	if robots() != 0 {
		t.Fatalf("%d robots among %d pilots", robots(), crowd)
	}
	crew[1].Leave()
	r.Advance(tick)
	if robots() != 1 || len(crew[0].State("ships")) != crowd {
		t.Fatalf("%d robots, %d ships", robots(), len(crew[0].State("ships")))
	}
}

func TestSeventeenthIsRefused(t *testing.T) {
	r := open(t)
	for range seats {
		r.Join(named("Ada"))
	}
	if _, err := r.TryJoin(named("Ben")); err == nil || err.Code != actors.CodeRoomFull {
		t.Fatalf("got %v, want %s", err, actors.CodeRoomFull)
	}
}

func TestShortStallCostsNoTimeAndALongOneNoFlight(t *testing.T) {
	tests := map[string]struct {
		stall time.Duration
		least int
		most  int
	}{
		"two ticks late":  {3 * tick, 3, 4},
		"a second asleep": {time.Second, 1, catchUp + 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			ada := r.Join(named("Ada"))
			r.Advance(10 * tick)
			before := clock(t, ada)
			r.Skip(tt.stall)
			if passed := clock(t, ada) - before; passed < tt.least || passed > tt.most {
				t.Fatalf("%d ticks passed in the world, want %d to %d", passed, tt.least, tt.most)
			}
		})
	}
}

func TestKillsAreTold(t *testing.T) {
	r := open(t)
	ada := r.Join(named("Ada")) // three robots will find her
	for range 600 {
		r.Advance(time.Second)
		if len(ada.Events("kill")) > 0 {
			break
		}
	}
	kills := ada.Events("kill")
	if len(kills) == 0 {
		t.Fatal("nobody was destroyed in ten minutes")
	}
	var k Kill
	if err := kills[0].Decode(0, &k); err != nil || k.By == k.Of {
		t.Fatalf("%+v, %v", k, err)
	}
	if len(ada.Events("fx")) == 0 {
		t.Fatal("there was no effect")
	}
}

func TestNameIsMadeTidy(t *testing.T) {
	tests := map[string]struct{ asked, given string }{
		"as it is":  {"Ada", "Ada"},
		"spaces":    {"  Ada \n L ", "Ada L"},
		"nothing":   {"", "Pilot"},
		"invisible": {"\u202eA\u0007da", "Ada"},
		"too long":  {"abcdefghijklmnopqrstuvw", "abcdefghijklmnop"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			ada := r.Join(named(tt.asked))
			r.Advance(tick)
			if got := field[Pilot](t, ada, "pilots")[seatOf(t, ada, ada)].Name; got != tt.given {
				t.Fatalf("%q became %q, want %q", tt.asked, got, tt.given)
			}
		})
	}
}

// A patch goes to 16 members 30 times per second: its size is the cost of the
// game. This keeps the number that README.md and wire.go state honest.
func TestPatchOfAFullArenaIsSmall(t *testing.T) {
	r := open(t)
	var crew []*actorstest.Member
	for range seats {
		crew = append(crew, r.Join(named("Ada")))
	}
	sent := 0
	const ticks = 60
	for seq := 1; seq <= ticks; seq++ {
		for i, m := range crew {
			m.Emit("in", Input{seq, (seq + i*16) % directions, (seq*3 + i*16) % directions, buttonFire})
		}
		before := bytesOf(crew[0])
		r.Advance(tick)
		sent += changed(before, bytesOf(crew[0]))
	}
	if perTick := sent / ticks; perTick > 1100 {
		t.Fatalf("about %d bytes of state change per tick", perTick)
	}
}

func bytesOf(m *actorstest.Member) map[string]string {
	all := make(map[string]string)
	for _, name := range []string{"clock", "round", "pilots", "scores", "ships", "shots", "pickups", "secret"} {
		for key, raw := range m.State(name) {
			all[name+"/"+key] = string(raw)
		}
	}
	return all
}

func changed(before, after map[string]string) (bytes int) {
	for key, value := range after {
		if before[key] != value {
			bytes += len(value) + len(key) - 2
		}
	}
	return bytes
}
