package config

import (
	"errors"
	"net"
	"time"

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
