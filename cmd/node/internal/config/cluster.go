package config

import (
	"errors"
	"net"
	"time"

	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/actors/store/redis"
)

// RedisURL is where Redis is, or empty.
type RedisURL string

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *RedisURL) UnmarshalText(text []byte) error {
	*u = RedisURL(text)
	if len(text) == 0 {
		return nil
	}
	c, err := redis.ParseURL(string(text))
	if err == nil && c.Password != "" {
		err = errors.New("a password has its own key")
	}
	return err
}

// Want implements settings.Text.
func (*RedisURL) Want() string {
	return "redis://HOST:PORT, or rediss:// for TLS, without a password, which is redis_password; or nothing"
}

// Config is how the store of a server is opened that has this URL.
func (u RedisURL) Config(password string) (redis.Config, error) {
	c, err := redis.ParseURL(string(u))
	c.Password = password
	return c, err
}

// Cluster is the section cluster.
type Cluster struct {
	Listen    Address       `key:"listen" default:"127.0.0.1:0" doc:"Where the links of other nodes come in."`
	Web       Address       `key:"web" default:"127.0.0.1:0" doc:"Where other nodes reach this one over HTTP."`
	Advertise string        `key:"advertise" doc:"Host by which other nodes reach both. Empty means the one of cluster.listen."`
	Certs     string        `key:"certs" doc:"Directory with the certificates of this node, as parlor certs makes them. Without, nodes reach each other on this machine alone."`
	Role      string        `key:"role" default:"both" oneof:"both,gateway,rooms" doc:"gateway holds sockets and no rooms; rooms holds rooms and does not listen for clients."`
	Disperse  int           `key:"disperse" default:"500" min:"1" max:"1000000" doc:"How many clients a node that stops sends to the others each second; more if it would take more than three quarters of stop_within."`
	Lease     time.Duration `key:"lease" default:"5s" min:"1s" max:"1m" doc:"How long a node that has fallen silent is still counted on. All nodes should have the same."`

	StartUnclaimed bool `key:"start_unclaimed" default:"false" doc:"Let rooms of kinds of which nothing is kept start while Redis is away, for every node. Two nodes may then each start one; when Redis is back one is left, and members of the other go there and lose its state. All nodes should have the same."`

	Links Links `key:"links" doc:"What may be under way to one other node, of events and of answers each. All nodes should have the same."`
}

// Links is the section cluster.links: node.LinkLimits.
type Links struct {
	Window      int           `key:"window" default:"8388608" min:"1048576" max:"1073741824" doc:"Bytes that are sent and not worked off there; more wait."`
	Queue       int           `key:"queue" default:"67108864" min:"1048576" max:"1073741824" doc:"Bytes that wait. Beyond it everything under way is given up, and members whose room is on the other side come back to it."`
	Volatile    int           `key:"volatile" default:"1048576" min:"65536" max:"1073741824" doc:"Bytes that wait ahead of a volatile event; behind more it is dropped."`
	Message     int           `key:"message" default:"33554432" min:"1048576" max:"1073741824" doc:"Bytes of one message; a longer one is lost, and the log says so. More than transport.max_payload."`
	Linger      time.Duration `key:"linger" default:"4ms" min:"0s" max:"100ms" doc:"How long after a batch the next one waits for more to travel with. Where fewer than three messages come in that time nothing waits; with 0 nothing ever does."`
	ResendAfter time.Duration `key:"resend_after" default:"250ms" min:"10ms" max:"10s" doc:"How long the other node may be silent before it is asked what has arrived."`
	GiveUpAfter time.Duration `key:"give_up_after" default:"15s" min:"1s" max:"10m" doc:"How long nothing may get through before everything under way is given up."`
}

// Check implements settings.Checker.
func (l Links) Check(bad func(want string, path ...string)) {
	if l.Queue < l.Window {
		bad("want as much as cluster.links.window, or more", "queue")
	}
	if l.ResendAfter >= l.GiveUpAfter {
		bad("want less than cluster.links.give_up_after", "resend_after")
	}
}

// Node is how a node is told.
func (l Links) Node() node.LinkLimits {
	linger := l.Linger
	if linger == 0 {
		linger = -1 // zero is its default there
	}
	return node.LinkLimits{
		Window: l.Window, Queue: l.Queue, Volatile: l.Volatile, Message: l.Message,
		Linger: linger, ResendAfter: l.ResendAfter, GiveUpAfter: l.GiveUpAfter,
	}
}

// Check implements settings.Checker. What nodes say without certificates may not
// leave the machine.
func (c Cluster) Check(bad func(want string, path ...string)) {
	if c.Certs != "" {
		return
	}
	for key, at := range map[string]Address{"listen": c.Listen, "web": c.Web} {
		if host, _, _ := net.SplitHostPort(string(at)); !loopback(host) {
			bad("want an address of this machine alone, as 127.0.0.1:0, where cluster.certs is not set", key)
		}
	}
}

// loopback reports whether a host is of this machine alone.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
