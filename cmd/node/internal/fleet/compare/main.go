// Command compare is make bench-nodes: what a delivery costs over two nodes, in
// processor time of all server processes and their Redis, against one node and
// against Socket.IO with its Redis adapter. It prints a table for
// docs/benchmarks.md, and ends with status 1 if a load was not held. With -against
// it compares the nodes with those of another checkout instead.
//
// The sides are measured one after the other, and who goes first alternates:
// hosts drift. What counts is the median of the ratios of measurements that
// belong together. A load is a fixed rate; or half of the most that a side
// holds, which is found before by raising it until it does not keep up.
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
)

func main() {
	if address, ok := controlAddress(os.Args[1:]); ok {
		fmt.Fprintln(os.Stderr, "control:", serveControl(address))
		os.Exit(1)
	}
	pairs := flag.Int("pairs", 5, "how many pairs of measurements")
	window := flag.Duration("measure", 6*time.Second, "how long one measurement is")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the order of senders")
	only := flag.String("only", "", "the name of one scenario")
	root := flag.String("root", ".", "the repository")
	against := flag.String("against", "", "another checkout of it, to compare nodes with and nothing else")
	flag.Parse()
	if err := run(os.Stdout, checkouts{*root, *against}, *only, *pairs, times{2 * time.Second, *window}, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// side is one of those that a scenario compares.
type side struct {
	name  string
	start func() (*servers, error)
}

// scenario compares the cost of a delivery at its first side with that at its
// second, and with that at the third, which is a control: the ratio to the
// second is the one that has an aim.
type scenario struct {
	name  string
	load  load
	half  bool // each side bears half of what it can, instead of the load
	sides []side
	aim   float64
}

// checkouts are directories of the repository. If against is not empty, the
// programs of both are compared.
type checkouts struct{ root, against string }

func run(out io.Writer, from checkouts, only string, pairs int, t times, seed uint64) error {
	dir, err := os.MkdirTemp("", "parlor-compare-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	list, err := from.scenarios(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d pairs of %v, seed %d\n\n", pairs, t.measure, seed)
	random := rand.New(rand.NewPCG(seed, seed))
	for _, s := range list {
		if only != "" && s.name != only {
			continue
		}
		costs, err := s.run(pairs, t, random)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.print(out, costs)
	}
	return nil
}

// small is the load of small rooms.
var small = load{rooms: 250, members: 8, senders: 8, rate: 1}

// scenarios builds what they need in dir.
func (c checkouts) scenarios(dir string) ([]scenario, error) {
	binary, err := fleet.Build(c.root, dir)
	if err != nil {
		return nil, err
	}
	if c.against == "" {
		return scenarios(c.root, binary, dir), nil
	}
	old, err := os.MkdirTemp(dir, "against")
	if err != nil {
		return nil, err
	}
	other, err := fleet.Build(c.against, old)
	if err != nil {
		return nil, err
	}
	busy := small
	busy.rate = 2.4
	return []scenario{{
		name: "250 rooms of 8 against " + c.against, load: busy, aim: 1,
		sides: []side{
			{"two nodes", func() (*servers, error) { return parlor(binary, dir, 2) }},
			{"two nodes of " + c.against, func() (*servers, error) { return parlor(other, old, 2) }},
		},
	}}, nil
}

func scenarios(root, binary, dir string) []scenario {
	nodes := func(n int) func() (*servers, error) {
		return func() (*servers, error) { return parlor(binary, dir, n) }
	}
	peers := func() (*servers, error) {
		modules, err := filepath.Abs(filepath.Join(root, ".cache", "peers", "node_modules"))
		if err != nil {
			return nil, err
		}
		return socketio(filepath.Join(root, "cmd", "node", "internal", "fleet", "compare", "peer.mjs"), modules, 2)
	}
	sides := []side{
		{"two nodes", nodes(2)},
		{"Socket.IO and Redis adapter, two servers", peers},
		{"control: one process, straight to the sockets", direct},
	}
	return []scenario{
		{
			name: "one room of 1,000", load: load{rooms: 1, members: 1000, senders: 20, rate: 2}, aim: 1.2,
			sides: []side{{"two nodes", nodes(2)}, {"one node", nodes(1)}},
		},
		{name: "250 rooms of 8", load: small, half: true, sides: sides, aim: 1.0 / 3},
		{name: "250 rooms of 8 at one rate", load: small, sides: sides, aim: 1.0 / 3},
	}
}

// run measures every side as often as there are pairs.
func (s scenario) run(pairs int, t times, random *rand.Rand) ([][]cost, error) {
	loads := make([]load, len(s.sides))
	for i, each := range s.sides {
		loads[i] = s.load
		if !s.half {
			continue
		}
		most, err := each.best(s.load, t, random)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", each.name, err)
		}
		loads[i].rate *= most / 2
	}
	costs := make([][]cost, len(s.sides))
	for n := range pairs {
		for i := range s.sides {
			if n%2 == 1 {
				i = len(s.sides) - 1 - i
			}
			c, err := s.sides[i].measure(loads[i], t, random)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.sides[i].name, err)
			}
			costs[i] = append(costs[i], c)
		}
	}
	return costs, nil
}

func (s side) best(l load, t times, random *rand.Rand) (float64, error) {
	servers, err := s.start()
	if err != nil {
		return 0, err
	}
	defer servers.stop()
	return best(servers, l, t, random)
}

func (s side) measure(l load, t times, random *rand.Rand) (cost, error) {
	servers, err := s.start()
	if err != nil {
		return cost{}, err
	}
	defer servers.stop()
	return measure(servers, l, t, random)
}

// print prints the table of a scenario.
func (s scenario) print(out io.Writer, costs [][]cost) {
	how := fmt.Sprintf("%d senders each at %g/s", s.load.senders, s.load.rate)
	if s.half {
		how = "each side under half of the most that it holds"
	}
	fmt.Fprintf(out, "%s, %s\n\n", s.name, how)
	fmt.Fprintln(out, "| servers | deliveries/s | µs per delivery | of it Redis | p50 | p99 |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	for i, each := range s.sides {
		row(out, each.name, costs[i])
	}
	fmt.Fprintln(out)
	for i, each := range s.sides[1:] {
		ratios := ratios(costs[0], costs[i+1])
		verdict := "no aim"
		switch {
		case i > 0:
		case median(ratios) > s.aim:
			verdict = fmt.Sprintf("the aim is %.2f: missed", s.aim)
		default:
			verdict = fmt.Sprintf("the aim is %.2f: kept", s.aim)
		}
		fmt.Fprintf(out, "ratio to %s: %.2f (%.2f to %.2f); %s\n", each.name, median(ratios), slices.Min(ratios), slices.Max(ratios), verdict)
	}
	fmt.Fprintln(out)
}

func row(out io.Writer, name string, costs []cost) {
	var rate, each, redis []float64
	var delays []time.Duration
	for _, c := range costs {
		rate = append(rate, float64(c.deliveries)/c.took.Seconds())
		each = append(each, c.perDelivery())
		redis = append(redis, micros(c.used.redis, c.deliveries))
		delays = append(delays, c.delays...)
	}
	slices.Sort(delays)
	fmt.Fprintf(out, "| %s | %.0f | %.2f | %.2f | %v | %v |\n", name, median(rate), median(each), median(redis), at(delays, 50), at(delays, 99))
}

// at is a percentile of sorted delays.
func at(delays []time.Duration, percent int) time.Duration {
	if len(delays) == 0 {
		return 0
	}
	return delays[(len(delays)-1)*percent/100].Round(10 * time.Microsecond)
}

// ratios are those of the pairs: first with first, second with second.
func ratios(ours, theirs []cost) (all []float64) {
	for i := range ours {
		all = append(all, ours[i].perDelivery()/theirs[i].perDelivery())
	}
	return all
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}
