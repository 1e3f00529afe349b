package redis_test

import (
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors/node/nodetest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// A node's visitors leave the store as it was.
func TestVisitsThroughANodeLeaveNoKey(t *testing.T) {
	server := testenv.StartRedis(t)
	s := open(t, config(server))
	defer s.Close()
	start := time.Now()
	nodetest.Visits(t, s, visits)
	got := server.Do("DBSIZE")
	t.Logf("%d visits in %v: DBSIZE = %s", visits, time.Since(start), got)
	if got != ":0" {
		t.Errorf("DBSIZE = %s", got)
	}
}
