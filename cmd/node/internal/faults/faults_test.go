package faults

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/cmd/node/internal/app"
	"github.com/parlor-rooms/parlor/cmd/node/internal/fleet"
	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestNodesRestartOneByOneAndOneDies: members of rooms that last see every
// message once and in order, whoever restarts or dies, and a client is only
// disconnected with its own node.
func TestNodesRestartOneByOneAndOneDies(t *testing.T) {
	l := newLab(t, 3)
	c := newCrowd(t, "hall", rooms, guests, everySay, l.place)
	c.flows(30 * time.Second)
	for i, n := range l.nodes {
		c.mark()
		l.restart(n)
		c.flows(30 * time.Second)
		c.report(l, []string{"first", "second", "third"}[i]+" node restarted")
		c.check()
	}
	c.mark()
	dead := "http://" + l.nodes[1].Public()
	at := c.where()
	l.nodes[1].Kill()
	c.flows(30 * time.Second)
	c.report(l, "one node killed")
	c.stays(at, dead)
	c.check()
}

// TestANodeThatWasPausedEnds beyond its lease, with the status that has its
// supervisor start it again; rooms are then elsewhere, and nobody hears an
// older activation after a younger one.
func TestANodeThatWasPausedEnds(t *testing.T) {
	l := newLab(t, 3)
	c := newCrowd(t, "hall", rooms, guests, everySay, l.place)
	c.flows(30 * time.Second)
	c.mark()
	paused := l.nodes[2]
	if err := paused.Pause(); err != nil {
		t.Fatal(err)
	}
	testenv.Pause(context.Background(), 3*lease)
	if err := paused.Resume(); err != nil {
		t.Fatal(err)
	}
	waitStatus(t, paused, app.StatusExpelled)
	if err := paused.Start(); err != nil {
		t.Fatal(err)
	}
	c.flows(60 * time.Second)
	c.report(l, "one node paused for three leases")
	c.check()
}

// TestRedisIsAway: rooms in memory go on across nodes, and everything does
// when Redis is back. No process ends.
func TestRedisIsAway(t *testing.T) {
	l := newLab(t, 3)
	lobbies := newCrowd(t, "lobby", rooms, guests, everySay, l.place)
	halls := newCrowd(t, "hall", rooms, guests, everySay, l.place)
	lobbies.flows(30 * time.Second)
	halls.flows(30 * time.Second)
	lobbies.mark()
	l.redis.Pause()
	testenv.Pause(context.Background(), outage/2)
	lobbies.flows(30 * time.Second)
	testenv.Pause(context.Background(), outage/2)
	lobbies.flows(30 * time.Second)
	if n, example := lobbies.disconnected(); n > 0 {
		t.Errorf("%d guests of rooms in memory lost their connection, as %s", n, example)
	}
	lobbies.report(l, "Redis away, rooms in memory")
	l.redis.Resume()
	halls.flows(60 * time.Second)
	lobbies.check()
	halls.check()
	for i, n := range l.nodes {
		select {
		case <-n.Ended():
			t.Errorf("node %d has ended", i)
		default:
		}
	}
	l.exactMembers(lobbies, 30*time.Second)
}

// TestRoomsStartWhileRedisIsAway, if nodes are told that they may: members on
// all nodes talk, and when Redis is back every room has one owner, nobody has
// lost a connection and nobody is in a room who is not there. Rooms that last
// wait.
func TestRoomsStartWhileRedisIsAway(t *testing.T) {
	l := newLab(t, 0)
	for range 3 {
		l.add("--cluster-start-unclaimed")
	}
	l.acquainted(10 * time.Second)
	l.redis.Kill()
	lobbies := newCrowd(t, "lobby", rooms, guests, everySay, l.sockets)
	lobbies.mark()
	lobbies.flows(30 * time.Second)
	l.exactMembers(lobbies, 30*time.Second)
	if l.enters("/hall/kept") {
		t.Error("a room that lasts has started")
	}
	testenv.Pause(context.Background(), 2*lease)
	l.redis.Start()
	l.owned(rooms, 30*time.Second)
	lobbies.flows(30 * time.Second)
	lobbies.check()
	l.exactMembers(lobbies, 30*time.Second)
	if n, example := lobbies.disconnected(); n > 0 {
		t.Errorf("%d guests lost their connection, as %s", n, example)
	}
	there := 0
	for _, n := range l.nodes {
		there += awake(t, n)
	}
	if there != rooms {
		t.Errorf("%d rooms are in memory, want %d", there, rooms)
	}
}

// TestRedisIsKilled and comes back with its files.
func TestRedisIsKilled(t *testing.T) {
	l := newLab(t, 3)
	c := newCrowd(t, "hall", rooms, guests, everySay, l.place)
	c.flows(30 * time.Second)
	c.mark()
	l.redis.Kill()
	testenv.Pause(context.Background(), lease)
	l.redis.Start()
	c.flows(60 * time.Second)
	c.report(l, "Redis killed")
	c.check()
}

// TestRedisComesBackEmpty: rooms of which nothing is kept are their nodes' again,
// and nobody in them notices.
func TestRedisComesBackEmpty(t *testing.T) {
	l := newLab(t, 3)
	c := newCrowd(t, "lobby", rooms, guests, everySay, l.place)
	c.flows(30 * time.Second)
	l.owned(rooms, 30*time.Second)
	c.mark()
	l.emptyRedis()
	l.owned(rooms, 30*time.Second)
	c.flows(30 * time.Second)
	if n, example := c.disconnected(); n > 0 {
		t.Errorf("%d guests lost their connection, as %s", n, example)
	}
	c.report(l, "Redis comes back empty")
	c.check()
	l.exactMembers(c, 30*time.Second)
}

// TestTheClusterGrows from one node to three under load.
func TestTheClusterGrows(t *testing.T) {
	l := newLab(t, 1)
	c := newCrowd(t, "hall", rooms, guests, everySay, l.place)
	c.flows(30 * time.Second)
	c.mark()
	l.add()
	c.flows(30 * time.Second)
	l.add()
	c.flows(30 * time.Second)
	more := newCrowd(t, "lobby", rooms, guests, everySay, l.place)
	more.flows(30 * time.Second)
	if n, example := c.disconnected(); n > 0 {
		t.Errorf("%d guests lost their connection, as %s", n, example)
	}
	c.report(l, "grown from one node to three")
	c.check()
	more.check()
	l.exactMembers(more, 30*time.Second)
}

// TestMembersOfADeadNodeLeave, exactly once and within a stated time, and
// those of the others stay.
func TestMembersOfADeadNodeLeave(t *testing.T) {
	l := newLab(t, 3)
	membersOfADeadNodeLeave(t, l, l.sockets)
}

func membersOfADeadNodeLeave(t *testing.T, l *lab, place func(int) ([]string, transporttest.Transport)) {
	t.Helper()
	c := newCrowd(t, "lobby", rooms, guests, everySay, place)
	c.flows(30 * time.Second)
	l.exactMembers(c, 30*time.Second)
	l.nodes[0].Kill()
	c.flows(30 * time.Second)
	l.exactMembers(c, 30*time.Second)
	c.check()
}

// TestNothingIsLeftOfADeadNodesRooms of which nothing is kept: a thousand on a
// node that is killed leave no key in Redis, and those that start again are
// heard.
func TestNothingIsLeftOfADeadNodesRooms(t *testing.T) {
	l := newLab(t, 1)
	const each, clients = 50, 20
	for i := range clients {
		l.fill(l.nodes[0], i*each, each)
	}
	l.add()
	l.add()
	l.acquainted(10 * time.Second)
	c := newCrowd(t, "lobby", rooms, guests, everySay, func(i int) ([]string, transporttest.Transport) {
		return []string{"http://" + l.nodes[1+i%2].Public()}, transporttest.WebSocket
	})
	c.flows(30 * time.Second)
	if n := awake(t, l.nodes[0]); n != each*clients {
		t.Fatalf("%d rooms are on the node, want %d", n, each*clients)
	}
	l.nodes[0].Kill()
	l.owned(rooms, 30*time.Second) // those of the crowd, which wake elsewhere
	c.flows(30 * time.Second)
	c.check()
	if n, example := c.disconnected(); n > 0 {
		t.Errorf("%d guests lost their connection, as %s", n, example)
	}
	l.exactMembers(c, 30*time.Second)
}

// TestHowLongARoomStandsStill while it moves off a node that is asked to end,
// and when its node is killed, as members see it who are connected elsewhere.
// They stay connected and miss no beat.
func TestHowLongARoomStandsStill(t *testing.T) {
	l := newLab(t, 3)
	servers := make([]string, len(l.nodes))
	for i, n := range l.nodes {
		servers[i] = "http://" + n.Public()
	}
	a := newAudience(t, metronomes, servers)
	a.goOn()
	a.mark()
	a.goOn()
	l.report("nothing happens", a.pauses())
	a.mark()
	l.restart(l.nodes[0])
	a.goOn(servers[0])
	l.report("a node was asked to end, members elsewhere", a.pauses(servers[0]))
	a.mark()
	l.nodes[1].Kill()
	a.goOn(servers[0], servers[1])
	l.report("a node was killed, members elsewhere", a.pauses(servers[0], servers[1]))
}

// TestRolesOfNodes: sockets are where clients connect, rooms are where rooms may
// be, and who holds rooms only does not listen.
func TestRolesOfNodes(t *testing.T) {
	l := newLab(t, 0)
	gateway, home := l.add("--cluster-role", "gateway"), l.add("--cluster-role", "rooms")
	l.balancer.Set(gateway.Public())
	c := newCrowd(t, "hall", rooms, guests, everySay, func(int) ([]string, transporttest.Transport) {
		return []string{"http://" + gateway.Public()}, transporttest.WebSocket
	})
	c.flows(30 * time.Second)
	c.check()
	if n := awake(t, gateway); n != 0 {
		t.Errorf("%d rooms are on the gateway", n)
	}
	if n := awake(t, home); n != rooms {
		t.Errorf("%d rooms are on the node for rooms, want %d", n, rooms)
	}
	if conn, err := net.Dial("tcp", home.Public()); err == nil {
		conn.Close()
		t.Error("the node for rooms listens for clients")
	}
}

// awake is how many rooms a node holds.
func awake(t *testing.T, n *fleet.Node) int {
	t.Helper()
	r, err := http.Get("http://" + n.Admin() + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var stats struct{ Node struct{ Rooms int } }
	if err := json.NewDecoder(r.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	return stats.Node.Rooms
}

// TestStockClientsWhileNodesRestartAndDie is TestNodesRestartOneByOneAndOneDies
// with socket.io-client behind the balancer, each request of those who poll
// reaching another node.
func TestStockClientsWhileNodesRestartAndDie(t *testing.T) {
	l := newLab(t, 3)
	over := filepath.Join(t.TempDir(), "over")
	wait := testenv.StartNode(t, "testdata/guests.mjs", l.balancer.URL(), strconv.Itoa(metronomes), over)
	testenv.Pause(t.Context(), 2*time.Second)
	for _, n := range l.nodes {
		l.restart(n)
		testenv.Pause(t.Context(), time.Second)
	}
	l.nodes[1].Kill()
	testenv.Pause(t.Context(), lease)
	if err := os.WriteFile(over, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := wait(); err != nil {
		t.Error(err)
	}
}
