package app

import (
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest"
)

func TestWhoMayBeginRelayRooms(t *testing.T) {
	const guests = "auth: {issuer: dev, audience: parlor, key: 0123456789abcdef0123456789abcdef, method: HS256, anonymous: allow}\n"
	for name, c := range map[string]struct{ config, room, want string }{
		"for development, any room":     {lobby, "/lobby/any", "entered"},
		"with tokens, a named room":     {lobby + guests, "/lobby/main", "entered"},
		"with tokens, another":          {lobby + guests, "/lobby/any", "no_such_room"},
		"with tokens, open to anybody":  {lobby + "    create: anyone\n" + guests, "/lobby/any", "entered"},
		"for development, closed":       {lobby + "    create: nobody\n", "/lobby/any", "no_such_room"},
		"the playground makes rooms up": {"playground: on\n" + guests, "/playground/xyz", "entered"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, "--config", file(t, c.config))
			if got := connect(t, r, transporttest.Options{}, c.room, ""); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
