package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/parlor-rooms/parlor/actors/node"
)

// Limits is the section limits: node.Limits by the names it has there.
type Limits struct {
	Messages        Rate `key:"messages" default:"100/s burst 200" doc:"Packets of one connection; an event beyond is refused, rate_limited."`
	Bytes           Rate `key:"bytes" default:"262144/s burst 1048576" doc:"Bytes of those packets."`
	Excess          Rate `key:"excess" default:"10/s burst 200" doc:"Packets beyond these two; one more closes the connection."`
	Joins           Rate `key:"joins" default:"10/s burst 100" doc:"Rooms and gateways that one connection asks to enter."`
	NodeJoins       Rate `key:"node_joins" default:"5000/s burst 10000" doc:"The same of all connections."`
	Creations       Rate `key:"creations" default:"200/s burst 2000" doc:"Rooms that begin for somebody, of all kinds."`
	UserCreations   Rate `key:"user_creations" default:"2/s burst 50" doc:"The same for one user, or one address of anonymous clients, or IPv6 network of 64 bits."`
	BadCredentials  Rate `key:"bad_credentials" default:"off" doc:"Credentials of one address, or IPv6 network of 64 bits, that were refused; beyond it nobody from there is let in. Only where clients' addresses are known: see transport.trusted_proxies."`
	UserConnections int  `key:"user_connections" default:"32" min:"0" max:"1000000" doc:"Connections of one user. 0 means any number."`

	RoomBytes int `key:"room_bytes" default:"67108864" min:"65536" max:"1073741824" doc:"Bytes that one room may keep in the store. What would make it more is refused, too_large; a room that holds an eighth more than that is not loaded."`
	LoadBytes int `key:"load_bytes" default:"268435456" min:"1048576" max:"68719476736" doc:"Bytes of rooms that are loaded from the store at the same time, each 1 MiB at least. More rooms wait."`
}

// Node is how a node is told.
func (l Limits) Node() node.Limits {
	n := node.Limits{
		Messages: l.Messages.node(), Bytes: l.Bytes.node(), Excess: l.Excess.node(), Joins: l.Joins.node(),
		NodeJoins: l.NodeJoins.node(), Creations: l.Creations.node(), UserCreations: l.UserCreations.node(),
		BadCredentials: l.BadCredentials.node(), UserConnections: l.UserConnections,
	}
	if n.UserConnections == 0 {
		n.UserConnections = -1
	}
	return n
}

// Rate is a token bucket: N/s, N/s burst M, or off. Without a burst it is one
// second's, or one.
type Rate string

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) error {
	*r = Rate(text)
	if *r == "off" {
		return nil
	}
	_, _, err := r.parse()
	return err
}

// Want implements settings.Text.
func (*Rate) Want() string {
	return "a rate such as 100/s or 100/s burst 200, more than 0 and a burst of 1 or more, or off"
}

func (r Rate) parse() (perSecond, burst float64, err error) {
	rate, rest, ok := strings.Cut(string(r), "/s")
	if !ok {
		return 0, 0, errors.New("not per second")
	}
	if perSecond, err = positive(rate); err != nil {
		return 0, 0, err
	}
	if rest == "" {
		return perSecond, max(perSecond, 1), nil
	}
	after, ok := strings.CutPrefix(rest, " burst ")
	if !ok {
		return 0, 0, fmt.Errorf("%q follows the rate", rest)
	}
	if burst, err = positive(after); err == nil && burst < 1 {
		err = errors.New("the burst is less than 1")
	}
	return perSecond, burst, err
}

// positive reads a number of digits and at most one point, up to a billion.
func positive(s string) (float64, error) {
	if strings.Trim(s, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	n, err := strconv.ParseFloat(s, 64)
	if err == nil && (n <= 0 || n > 1e9) {
		err = errors.New("not more than 0 and at most a billion")
	}
	return n, err
}

func (r Rate) node() node.Rate {
	if r == "off" {
		return node.Rate{PerSecond: -1}
	}
	perSecond, burst, err := r.parse()
	if err != nil {
		panic(fmt.Sprintf("config: %q was not checked: %v", string(r), err)) // settings checks every value
	}
	return node.Rate{PerSecond: perSecond, Burst: burst}
}
