package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/cmd/node/internal/loopback"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestStockClientsUseRooms runs the stock JavaScript client through everything
// a room does, on every transport and with both parsers.
func TestStockClientsUseRooms(t *testing.T) {
	for _, how := range transports {
		for _, parser := range []string{"json", "msgpack"} {
			t.Run(how+"/"+parser, func(t *testing.T) {
				s := serve(t, node.Config{Kinds: []actors.Behavior{labKind(actors.KindConfig{MaxMembers: 3})}})
				testenv.RunNode(t, "testdata/rooms.mjs", s.URL, how, parser)
			})
		}
	}
}

// TestStockClientsResume drops the transport of a stock client and sees it
// come back to its seat with everything it missed, once.
func TestStockClientsResume(t *testing.T) {
	for _, how := range transports {
		t.Run(how, func(t *testing.T) {
			s := serve(t, node.Config{Kinds: []actors.Behavior{labKind(actors.KindConfig{ResumeWithin: time.Minute, ResumeEvents: 20})}})
			testenv.RunNode(t, "testdata/resume.mjs", s.URL, how)
		})
	}
}

// TestStockClientsSurviveARestart stops a node under its clients and starts
// another on the same port: they reconnect by themselves.
func TestStockClientsSurviveARestart(t *testing.T) {
	for _, how := range transports {
		t.Run(how, func(t *testing.T) {
			config := node.Config{Kinds: []actors.Behavior{labKind(actors.KindConfig{})}}
			first := serve(t, config)
			wait := testenv.StartNode(t, "testdata/restart.mjs", first.URL, how)
			waitFor(t, "three members", func() bool { return first.Node.Stats().Members == 3 })
			first.Stop()
			loopback.Serve(t, loopback.Config{Node: config, Address: strings.TrimPrefix(first.URL, "http://")})
			if err := wait(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
