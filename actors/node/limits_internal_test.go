package node

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func TestExpiredCredentialsAreNotHeldAgainstAnAddress(t *testing.T) {
	for _, c := range []struct {
		name string
		why  error
		held bool
	}{
		{"bad", actors.Errorf(actors.CodeUnauthorized, "a valid token is needed"), true},
		{"without a code", errors.New("not JSON"), true},
		{"expired", fmt.Errorf("token: %w", actors.Errorf(actors.CodeTokenExpired, "the token has expired")), false},
		{"unavailable", actors.Errorf(actors.CodeUnavailable, "no keys"), false},
		{"took too long", fmt.Errorf("keys: %w", context.DeadlineExceeded), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(Limits{BadCredentials: Rate{PerSecond: 0.001, Burst: 2}})
			for range 2 {
				h.refusedCredentials("2001:db8::1", c.why)
			}
			if held := h.mayAuthenticate("2001:db8::ffff") != nil; held != c.held {
				t.Errorf("held against the address: %v", held)
			}
			if h.mayAuthenticate("2001:db8:0:1::1") != nil || h.mayAuthenticate("192.0.2.1") != nil {
				t.Error("held against another network")
			}
		})
	}
}
