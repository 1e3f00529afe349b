package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/otlptest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// twoTracedNodes starts two nodes of the real program on one Redis that export
// every trace to a collector.
func twoTracedNodes(t *testing.T, collector *otlptest.Collector, args ...string) []*fleet.Node {
	t.Helper()
	redis := testenv.StartRedis(t)
	binary, err := fleet.Build(testenv.Root(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var servers []*fleet.Node
	for _, name := range []string{"a", "b"} {
		n, err := fleet.NewNode(fleet.Config{
			Name: name, Binary: binary, Args: append([]string{"--redis", redis.URL()}, args...),
			Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_TRACES_SAMPLER_ARG=1", "OTEL_BSP_SCHEDULE_DELAY=100"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			select {
			case <-n.Ended():
				return // the test has stopped it
			default:
			}
			if status, err := n.Stop(30 * time.Second); status != 0 || err != nil {
				t.Errorf("node %s ended with %d, %v\n%s", name, status, err, n.Log())
			}
		})
		servers = append(servers, n)
	}
	return servers
}

// TestOneMessageIsFollowedAcrossTwoRealNodes starts two nodes that export to a
// collector, and finds what became of a join, of an event and of a return whose
// socket is on one node and whose room is on the other.
func TestOneMessageIsFollowedAcrossTwoRealNodes(t *testing.T) {
	collector := otlptest.New(t)
	servers := twoTracedNodes(t, collector)
	const room = "/playground/followed"
	enter := func(server *fleet.Node, auth any) (*transporttest.Client, *transporttest.Namespace) {
		return enterAt(t, server, room, auth)
	}
	for _, server := range servers { // a member that stays on either node
		stays, _ := enter(server, nil)
		defer stays.Close()
	}
	for _, server := range servers { // one of them is not where the room is
		c, ns := enter(server, nil)
		if _, err := ns.EmitAck(t.Context(), "chat", "hello"); err != nil {
			t.Fatal(err)
		}
		c.Abort() // and returns
		again, _ := enter(server, map[string]string{"pid": ns.PID()})
		defer again.Close()
	}

	want := []string{
		"receive/connection/link/join/link/deliver/flush", // a join, and a return
		"receive/connection/link/join/admit",
		"receive/connection/link/turn/link/deliver/flush", // an event, back to its sender's node
		"receive/connection/link/turn/deliver/flush",      // and to the members beside the room
		"receive/connection/link/mailbox",
		"receive/decode",
	}
	var paths map[string]int
	spans := collector.Await(strings.Join(want, ", "), func(spans []otlptest.Span) bool {
		paths = make(map[string]int)
		for _, s := range spans {
			path := otlptest.Path(spans, s)
			if path[0] == '?' { // its parent was not exported, or not yet
				return false
			}
			paths[path]++
		}
		return !slices.ContainsFunc(want, func(p string) bool { return paths[p] == 0 }) && paths[want[0]] > 1
	})
	instances := make(map[string]map[string]bool) // by trace
	for _, s := range spans {
		if instances[s.TraceID] == nil {
			instances[s.TraceID] = make(map[string]bool)
		}
		instances[s.TraceID][s.Instance] = true
	}
	both := 0
	for _, nodes := range instances {
		if len(nodes) == 2 {
			both++
		}
	}
	if both == 0 {
		t.Error("no trace has spans of both nodes")
	}
	outcomes := make(map[string]int)
	for _, s := range spans {
		if s.Name == "admit" {
			outcomes[s.Attribute["parlor.outcome"]]++
		}
	}
	if outcomes["new"] != 4 || outcomes["resumed"] != 2 {
		t.Errorf("members were admitted as %v, want 4 new ones, two of whom returned", outcomes)
	}
}

// enterAt enters a room on a node, over a WebSocket.
func enterAt(t *testing.T, server *fleet.Node, room string, auth any) (*transporttest.Client, *transporttest.Namespace) {
	t.Helper()
	c, err := transporttest.Dial(t.Context(), "http://"+server.Public(), transporttest.Options{Transport: transporttest.WebSocket})
	if err != nil {
		t.Fatal(err)
	}
	ns, err := c.Connect(t.Context(), room, auth)
	if err != nil {
		t.Fatal(err)
	}
	return c, ns
}

// TestAHandOverIsFollowedAcrossTwoRealNodes stops a node that has a room, with a
// member on the other: one trace leads from the drain to the member's seat in
// the room's next activation.
func TestAHandOverIsFollowedAcrossTwoRealNodes(t *testing.T) {
	collector := otlptest.New(t)
	config := filepath.Join(t.TempDir(), "parlor.yaml")
	// A kind that does not resume has nothing that a move could lose: its
	// members go along.
	if err := os.WriteFile(config, []byte("kinds: {hall: {events: {say: {}}, resume_within: 0s, create: anyone}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	servers := twoTracedNodes(t, collector, "--config", config)
	rooms := 0
	for i := range 16 { // every node has some
		c, _ := enterAt(t, servers[1], fmt.Sprintf("/hall/%d", i), nil)
		defer c.Close()
		rooms++
	}
	if status, err := servers[0].Stop(30 * time.Second); status != 0 || err != nil {
		t.Fatalf("the node ended with %d, %v\n%s", status, err, servers[0].Log())
	}
	want := []string{
		"drain/handover/link/follow/mailbox",
		"drain/handover/link/follow/locate",
		"drain/handover/link/follow/join/admit",
		"drain/handover/link/follow/join/deliver/flush",
	}
	spans := collector.Await(strings.Join(want, ", "), func(spans []otlptest.Span) bool {
		paths := make(map[string]int)
		for _, s := range spans {
			paths[otlptest.Path(spans, s)]++
		}
		return !slices.ContainsFunc(want, func(p string) bool { return paths[p] == 0 })
	})
	instance := make(map[string]string) // of a span
	traces := make(map[string]bool)
	handed, followed := 0, 0
	for _, s := range spans {
		switch s.Name {
		case "drain":
			instance["drain"], traces[s.TraceID] = s.Instance, true
		case "handover":
			handed++
		case "admit":
			if s.Attribute["parlor.outcome"] == "followed" {
				followed++
				instance["admit"] = s.Instance
			}
		}
	}
	if len(traces) != 1 || instance["drain"] == instance["admit"] {
		t.Errorf("%d drains, by %q; members were seated again by %q", len(traces), instance["drain"], instance["admit"])
	}
	if handed == 0 || handed == rooms || followed != handed {
		t.Errorf("%d of %d rooms were handed over, and %d members followed", handed, rooms, followed)
	}
}
