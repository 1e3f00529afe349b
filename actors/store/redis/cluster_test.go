package redis_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/storetest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

const slots = 16384

// startCluster starts three primaries that share the slots.
func startCluster(t *testing.T) []*testenv.Redis {
	t.Helper()
	nodes, buses := make([]*testenv.Redis, 3), make([]string, 3)
	for i := range nodes {
		// By itself Redis takes a port that is 10,000 above its own, free or not.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, buses[i], _ = net.SplitHostPort(l.Addr().String())
		_ = l.Close()
		nodes[i] = testenv.StartRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", buses[i])
	}
	for i, n := range nodes {
		first, last := i*slots/len(nodes), (i+1)*slots/len(nodes)-1
		n.Do("CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(first), fmt.Sprint(last))
		n.Do("CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i+1))
		host, port, _ := strings.Cut(nodes[0].Addr, ":")
		n.Do("CLUSTER", "MEET", host, port, buses[0])
	}
	for end := time.Now().Add(30 * time.Second); ; {
		ready := 0
		for _, n := range nodes {
			// A key of each part answers with nil or with where it moved.
			if strings.HasPrefix(n.Do("GET", "a"), "$-1") || strings.HasPrefix(n.Do("GET", "a"), "-MOVED") {
				ready++
			}
		}
		if ready == len(nodes) {
			return nodes
		}
		if time.Now().After(end) {
			t.Fatal("the cluster does not come up")
		}
	}
}

func TestRedisClusterKeepsTheContract(t *testing.T) {
	nodes := startCluster(t)
	storetest.Run(t, func(t testing.TB) actors.Store {
		addresses := []string{nodes[0].Addr, nodes[1].Addr, nodes[2].Addr}
		return openRewindable(t, goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: addresses}), config(nodes...))
	})
	s := open(t, config(nodes...))
	defer s.Close()
	for i := range 64 {
		o, err := claim(t.Context(), s, fmt.Sprint(i), "")
		if err == nil {
			err = o.append(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		if got := n.Do("DBSIZE"); got == ":0" {
			t.Errorf("%s holds nothing: rooms are not spread", n.Addr)
		}
	}
}

// TestASlotThatMovedIsFollowed moves the slot of a room, which nobody has told
// the store.
func TestASlotThatMovedIsFollowed(t *testing.T) {
	nodes := startCluster(t)
	s := open(t, config(nodes...))
	defer s.Close()
	o, err := claim(t.Context(), s, "r", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Release(t.Context(), o.ref, o.owned); err != nil { // which leaves no key behind
		t.Fatal(err)
	}
	slot := strings.TrimPrefix(nodes[0].Do("CLUSTER", "KEYSLOT", "parlor:{r/r}:own"), ":")
	var from, to int
	for i, n := range nodes {
		if !strings.HasPrefix(n.Do("GET", "parlor:{r/r}:own"), "-MOVED") {
			from, to = i, (i+1)%len(nodes)
		}
	}
	id := strings.TrimPrefix(nodes[to].Do("CLUSTER", "MYID"), "$")
	for _, i := range []int{to, from, 3 - from - to} {
		if got := nodes[i].Do("CLUSTER", "SETSLOT", slot, "NODE", id); got != "+OK" {
			t.Fatal(got)
		}
	}
	if o, err = claim(t.Context(), s, "r", ""); err != nil {
		t.Fatal(err)
	}
	if err := o.append(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, o.ref); n != 1 {
		t.Errorf("%d batches", n)
	}
}
