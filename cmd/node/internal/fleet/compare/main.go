// Command compare is make bench-nodes: what a delivery costs over two nodes, in
// processor time of all server processes and their Redis, against one node and
// against Socket.IO with its Redis adapter. It prints a table for
// docs/benchmarks.md, and ends with status 1 if a load was not held.
//
// Both sides of a pair are measured one after the other under the same load,
// which is a fixed rate and not the most that they bear, and who goes first
// alternates: hosts drift. What counts is the median of the pairs' ratios.
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
	pairs := flag.Int("pairs", 5, "how many pairs of measurements")
	window := flag.Duration("measure", 6*time.Second, "how long one measurement is")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the order of senders")
	only := flag.String("only", "", "the name of one scenario")
	root := flag.String("root", ".", "the repository")
	flag.Parse()
	if err := run(os.Stdout, *root, *only, *pairs, times{2 * time.Second, *window}, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// side is one of the two that a scenario compares.
type side struct {
	name  string
	start func() (*servers, error)
}

// scenario compares the cost of ours with that of theirs.
type scenario struct {
	name         string
	load         load
	ours, theirs side
	aim          float64 // the ratio that is to be kept
}

func run(out io.Writer, root, only string, pairs int, t times, seed uint64) error {
	dir, err := os.MkdirTemp("", "parlor-compare-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary, err := fleet.Build(root, dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d pairs of %v, seed %d\n\n", pairs, t.measure, seed)
	random := rand.New(rand.NewPCG(seed, seed))
	for _, s := range scenarios(root, binary, dir) {
		if only != "" && s.name != only {
			continue
		}
		ours, theirs, err := s.run(pairs, t, random)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.print(out, ours, theirs)
	}
	return nil
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
	return []scenario{
		{
			name: "one room of 1,000", load: load{rooms: 1, members: 1000, senders: 20, rate: 2}, aim: 1.2,
			ours: side{"two nodes", nodes(2)}, theirs: side{"one node", nodes(1)},
		},
		{
			name: "250 rooms of 8", load: load{rooms: 250, members: 8, senders: 8, rate: 1}, aim: 1.0 / 3,
			ours: side{"two nodes", nodes(2)}, theirs: side{"Socket.IO and Redis adapter, two servers", peers},
		},
	}
}

// run measures pairs.
func (s scenario) run(pairs int, t times, random *rand.Rand) (ours, theirs []cost, err error) {
	for i := range pairs {
		order := []side{s.ours, s.theirs}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, each := range order {
			c, err := each.measure(s.load, t, random)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", each.name, err)
			}
			if each.name == s.ours.name {
				ours = append(ours, c)
			} else {
				theirs = append(theirs, c)
			}
		}
	}
	return ours, theirs, nil
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
func (s scenario) print(out io.Writer, ours, theirs []cost) {
	fmt.Fprintf(out, "%s, %d senders each at %g/s\n\n", s.name, s.load.senders, s.load.rate)
	fmt.Fprintln(out, "| servers | deliveries/s | µs per delivery | of it Redis | p50 | p99 |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	row(out, s.ours.name, ours)
	row(out, s.theirs.name, theirs)
	ratios := ratios(ours, theirs)
	verdict := "kept"
	if median(ratios) > s.aim {
		verdict = "missed"
	}
	fmt.Fprintf(out, "\nratio %.2f (%.2f to %.2f); the aim is %.2f: %s\n\n", median(ratios), slices.Min(ratios), slices.Max(ratios), s.aim, verdict)
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
