package e2e

import (
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
// every trace to a collector, and returns their URLs.
func twoTracedNodes(t *testing.T, collector *otlptest.Collector) []string {
	t.Helper()
	redis := testenv.StartRedis(t)
	binary, err := fleet.Build(testenv.Root(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var servers []string
	for _, name := range []string{"a", "b"} {
		n, err := fleet.NewNode(fleet.Config{
			Name: name, Binary: binary, Args: []string{"--redis", redis.URL()},
			Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_TRACES_SAMPLER_ARG=1", "OTEL_BSP_SCHEDULE_DELAY=100"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if status, err := n.Stop(30 * time.Second); status != 0 || err != nil {
				t.Errorf("node %s ended with %d, %v\n%s", name, status, err, n.Log())
			}
		})
		servers = append(servers, "http://"+n.Public())
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
	enter := func(server string, auth any) (*transporttest.Client, *transporttest.Namespace) {
		c, err := transporttest.Dial(t.Context(), server, transporttest.Options{Transport: transporttest.WebSocket})
		if err != nil {
			t.Fatal(err)
		}
		ns, err := c.Connect(t.Context(), room, auth)
		if err != nil {
			t.Fatal(err)
		}
		return c, ns
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
}
