package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// lease is the cluster's: outages and pauses are measured in it.
const lease = 3 * time.Second

// lab is a Redis that keeps what it is told, nodes, and a balancer.
type lab struct {
	t        *testing.T
	redis    *testenv.Redis
	nodes    []*fleet.Node
	balancer *fleet.Balancer
	wires    []*wires // of the nodes, if the lab was made with them
	wired    bool
	news     bool // nodes tell the news
}

// newWiredLab is newLab with a wire wherever a node can be cut off.
func newWiredLab(t *testing.T, nodes int) *lab {
	t.Helper()
	l := newLab(t, 0)
	l.wired = true
	for range nodes {
		l.add()
	}
	return l
}

func newLab(t *testing.T, nodes int) *lab {
	t.Helper()
	l := &lab{t: t, redis: testenv.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")}
	var err error
	if l.balancer, err = fleet.StartBalancer("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.balancer.Close()
		for _, n := range l.nodes {
			_ = n.Resume()
			n.Kill()
		}
		if t.Failed() {
			l.keepLogs()
		}
	})
	for range nodes {
		l.add()
	}
	return l
}

// add starts one node more.
func (l *lab) add(args ...string) *fleet.Node {
	l.t.Helper()
	to := []string{"--redis", l.redis.URL()}
	if l.wired {
		var w *wires
		w, to = newWires(l.t, l.redis.Addr, len(l.nodes))
		l.wires = append(l.wires, w)
	}
	n, err := fleet.NewNode(fleet.Config{
		Name: fmt.Sprintf("n%d", len(l.nodes)), Binary: program(l.t), Env: []string{nodeEnv + "=" + l.program()},
		Args: slices.Concat([]string{
			"--cluster-lease", lease.String(), "--playground", "off",
			"--transport-trusted-proxies", "127.0.0.1", "--transport-max-per-address", "0",
			// A client that polled and vanished is missed soon.
			"--transport-ping-interval", "2s", "--transport-ping-timeout", "3s",
		}, to, args),
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.nodes = append(l.nodes, n)
	if err := n.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.balance()
	return n
}

// program is which of its programs the test binary is to be.
func (l *lab) program() string {
	if l.news {
		return newsNode
	}
	return "node"
}

// balance hands requests to all nodes that there are.
func (l *lab) balance() {
	var at []string
	for _, n := range l.nodes {
		at = append(at, n.Public())
	}
	l.balancer.Set(at...)
}

// keepLogs leaves the logs of the nodes where they can be read.
func (l *lab) keepLogs() {
	dir, err := os.MkdirTemp("", "faults-"+strings.ReplaceAll(l.t.Name(), "/", "-")+"-")
	if err != nil {
		l.t.Log(err)
		return
	}
	for i, n := range l.nodes {
		_ = os.WriteFile(filepath.Join(dir, fmt.Sprintf("n%d.log", i)), []byte(n.Log()), 0o600)
	}
	l.t.Logf("the logs of the nodes are in %s", dir)
}

// place spreads guests: four of five hold a WebSocket to a node that they
// choose in turn, the fifth polls through the balancer, each request of it
// reaching another node.
func (l *lab) place(i int) ([]string, transporttest.Transport) {
	if i%5 == 4 {
		return []string{l.balancer.URL()}, transporttest.Polling
	}
	return l.sockets(i)
}

// sockets spreads guests that all hold a WebSocket to a node that they choose
// in turn.
func (l *lab) sockets(i int) ([]string, transporttest.Transport) {
	var servers []string
	for k := range l.nodes {
		servers = append(servers, "http://"+l.nodes[(i+k)%len(l.nodes)].Public())
	}
	return servers, transporttest.WebSocket
}

// restart replaces the process of a node in an orderly way.
func (l *lab) restart(n *fleet.Node) {
	l.t.Helper()
	begun := time.Now()
	status, err := n.Stop(time.Minute)
	if err != nil || status != 0 {
		l.t.Fatalf("a node that was asked to end did so with %d, %v", status, err)
	}
	if strings.Contains(n.Log(), "should have moved") {
		l.t.Error("a node that was asked to end did not hand its rooms over")
	}
	l.t.Logf("a node stopped within %v", time.Since(begun).Round(time.Millisecond))
	if err := n.Start(); err != nil {
		l.t.Fatal(err)
	}
}

// report logs the gaps that guests saw and keeps the line with the results.
func (l *lab) report(what string, gaps []time.Duration) {
	if len(gaps) == 0 {
		return
	}
	line := fmt.Sprintf("%s: gap of %d members: p50 %v, p99 %v, max %v", what, len(gaps), at(gaps, 50), at(gaps, 99), at(gaps, 100))
	l.t.Log(line)
	if resultsFile == "" {
		return
	}
	f, err := os.OpenFile(filepath.Join(testenv.Root(l.t), resultsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		l.t.Fatal(err)
	}
	_, err = fmt.Fprintf(f, "%s %s\n", time.Now().UTC().Format(time.DateOnly), line)
	if err := f.Close(); err != nil {
		l.t.Error(err)
	}
	if err != nil {
		l.t.Error(err)
	}
}

func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(time.Millisecond)
}

// exactMembers fails the test unless each lobby shows exactly the guests that
// are in it: nobody is missing, nobody is a ghost.
func (l *lab) exactMembers(c *crowd, within time.Duration) {
	l.t.Helper()
	deadline := time.Now().Add(within)
	names := make(map[string][]string) // ids by room
	for {
		clear(names)
		for _, g := range c.all {
			g.mu.Lock()
			names[g.room] = append(names[g.room], g.member)
			g.mu.Unlock()
		}
		wrong := ""
		for room, want := range names {
			slices.Sort(want)
			if got := l.members(room); !slices.Equal(got, want) {
				wrong = fmt.Sprintf("%s shows %d members, %d are in it", room, len(got), len(want))
				for _, id := range slices.Concat(got, want) {
					if slices.Contains(got, id) != slices.Contains(want, id) {
						wrong += "; " + c.who(id)
					}
				}
				break
			}
		}
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("after %v %s", within, wrong)
		}
		testenv.Pause(context.Background(), 200*time.Millisecond)
	}
}

// members are the ids that a newcomer to a lobby is shown, without its own.
func (l *lab) members(room string) []string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	client, err := transporttest.Dial(ctx, l.balancer.URL(), transporttest.Options{})
	for err != nil && testenv.Pause(ctx, 50*time.Millisecond) { // it may have met a node that just died
		client, err = transporttest.Dial(ctx, l.balancer.URL(), transporttest.Options{})
	}
	if err != nil {
		l.t.Fatal(err)
	}
	defer client.Close()
	ns, err := client.Connect(ctx, room, map[string]string{"name": "auditor"})
	if err != nil {
		l.t.Fatal(err)
	}
	// A state may be an earlier one, with a patch behind it. Who finds itself
	// inside has been told of everybody who came before.
	here := make(map[string]bool)
	for !here[ns.SID()] {
		e, err := ns.Next(ctx)
		if err != nil {
			l.t.Fatal(err)
		}
		var change struct {
			Fields, Set map[string]map[string]json.RawMessage
			Del         map[string][]string
		}
		if e.Name != "room:state" && e.Name != "room:patch" {
			continue
		}
		if err := e.Decode(0, &change); err != nil {
			l.t.Fatal(err)
		}
		for _, set := range []map[string]map[string]json.RawMessage{change.Fields, change.Set} {
			for id := range set["here"] {
				here[id] = true
			}
		}
		for _, id := range change.Del["here"] {
			delete(here, id)
		}
	}
	delete(here, ns.SID())
	return slices.Sorted(maps.Keys(here))
}

// acquainted waits until every node has met all the others.
func (l *lab) acquainted(within time.Duration) {
	l.t.Helper()
	l.eventually("nodes have not met", within, func() bool {
		for _, n := range l.nodes {
			if strings.Count(n.Log(), `"node joined"`) < len(l.nodes) { // itself included
				return false
			}
		}
		return true
	})
}

// emptyRedis has Redis end and come back without anything it knew.
func (l *lab) emptyRedis() {
	l.t.Helper()
	l.redis.Kill()
	files := filepath.Join(l.redis.Dir, "appendonlydir")
	if _, err := os.Stat(files); err != nil {
		l.t.Fatal(err) // then this would prove nothing
	}
	if err := os.RemoveAll(files); err != nil {
		l.t.Fatal(err)
	}
	l.redis.Start()
}

// owned waits until so many lobbies have an owner in Redis.
func (l *lab) owned(want int, within time.Duration) {
	l.t.Helper()
	l.eventually(fmt.Sprintf("not %d lobbies have an owner", want), within, func() bool {
		return l.redis.Do("KEYS", "parlor:{lobby/*}:own") == fmt.Sprintf("*%d", want)
	})
}

func (l *lab) eventually(what string, within time.Duration, ok func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(within); !ok(); testenv.Pause(context.Background(), 20*time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("after %v %s", within, what)
		}
	}
}

// fill has one client enter lobbies of a node, and stay.
func (l *lab) fill(n *fleet.Node, from, count int) {
	l.t.Helper()
	client, err := transporttest.Dial(l.t.Context(), "http://"+n.Public(), transporttest.Options{
		Queue: 10_000, Header: http.Header{"X-Forwarded-For": {fmt.Sprintf("10.1.%d.1", from/count)}},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(client.Abort)
	for i := range count {
		if _, err := client.Connect(l.t.Context(), fmt.Sprintf("/lobby/r%d", from+i), map[string]string{"name": "filler"}); err != nil {
			l.t.Fatal(err)
		}
	}
}

// enters reports whether a client is let into a room within a few seconds.
func (l *lab) enters(room string) bool {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 3*time.Second)
	defer cancel()
	client, err := transporttest.Dial(ctx, l.balancer.URL(), transporttest.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Connect(ctx, room, map[string]string{"name": "guest"})
	return err == nil
}

func waitStatus(t *testing.T, n *fleet.Node, want int) {
	t.Helper()
	if status, err := n.Wait(20 * time.Second); err != nil || status != want {
		t.Fatalf("the process ended with %d, %v; want %d", status, err, want)
	}
}
