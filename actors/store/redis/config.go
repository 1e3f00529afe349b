package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Config of a store. Addresses is required; zero means the default elsewhere.
type Config struct {
	// Addresses are host:port of Redis. With Cluster set they are some nodes of
	// a Redis Cluster; otherwise there is one.
	Addresses []string
	Cluster   bool

	// Username and Password log in. An empty Username means the default user.
	Username, Password string

	// TLS encrypts connections. Nil means that they are not.
	TLS *tls.Config

	// Database is the number of the database. It is 0 in a Redis Cluster.
	Database int

	// Prefix is what all keys begin with. Empty means "parlor". It is of
	// [A-Za-z0-9._-], with at most 64 bytes.
	Prefix string

	// Replicas is how many replicas every primary has. DurabilityRedisSync
	// waits for all of them; zero means that this level is refused.
	Replicas int

	// ReplicasTimeout is how long an append waits for replicas before its
	// outcome counts as unknown. Zero means 2 s.
	ReplicasTimeout time.Duration

	// Timeout is how long one answer of Redis may take, unless the caller's
	// context ends before. Zero means 5 s. It exceeds ReplicasTimeout.
	Timeout time.Duration

	// Connections is how many connections to each server are open at most.
	// Zero means 32.
	Connections int

	// Logger is told what could not be verified. Nil means slog.Default.
	Logger *slog.Logger
}

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (c Config) withDefaults() (Config, error) {
	if c.Prefix == "" {
		c.Prefix = "parlor"
	}
	if c.ReplicasTimeout == 0 {
		c.ReplicasTimeout = 2 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Connections == 0 {
		c.Connections = 32
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	switch {
	case len(c.Addresses) == 0:
		return c, errors.New("redis store: no address is set")
	case len(c.Addresses) > 1 && !c.Cluster:
		return c, errors.New("redis store: several addresses, and Cluster is not set")
	case c.Cluster && c.Database != 0:
		return c, errors.New("redis store: a Redis Cluster has database 0 only")
	case !prefixForm.MatchString(c.Prefix):
		return c, fmt.Errorf("redis store: prefix %q: want 1 to 64 of [A-Za-z0-9._-]", c.Prefix)
	case c.Replicas < 0 || c.Database < 0 || c.Connections < 0 || c.ReplicasTimeout < time.Millisecond:
		return c, errors.New("redis store: a negative setting")
	case c.Timeout <= c.ReplicasTimeout:
		return c, fmt.Errorf("redis store: Timeout %v does not exceed ReplicasTimeout %v", c.Timeout, c.ReplicasTimeout)
	}
	return c, nil
}

// ParseURL returns the Config that a URL describes:
//
//	redis://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...][/DATABASE][?cluster=true&prefix=P&replicas=N]
//
// rediss is the same with TLS. The port is 6379 unless it is given. Errors do
// not show the password.
func ParseURL(text string) (Config, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Config{}, errors.New("a Redis URL that is none") // url.Error shows it
	}
	var c Config
	switch u.Scheme {
	case "redis":
	case "rediss":
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		return Config{}, fmt.Errorf("a Redis URL begins with redis:// or rediss://, not %q", u.Scheme)
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		if host == "" {
			return Config{}, errors.New("a Redis URL without a host")
		}
		if i := strings.LastIndexByte(host, ':'); i < 0 || strings.HasSuffix(host, "]") {
			host += ":6379"
		}
		c.Addresses = append(c.Addresses, host)
	}
	c.Username = u.User.Username()
	c.Password, _ = u.User.Password()
	if db := strings.Trim(u.Path, "/"); db != "" {
		if c.Database, err = strconv.Atoi(db); err != nil {
			return Config{}, fmt.Errorf("a Redis URL with database %q", db)
		}
	}
	for key, values := range u.Query() {
		value := values[len(values)-1]
		switch key {
		case "cluster":
			c.Cluster, err = strconv.ParseBool(value)
		case "replicas":
			c.Replicas, err = strconv.Atoi(value)
		case "prefix":
			c.Prefix = value
		default:
			err = errors.New("nobody knows it")
		}
		if err != nil {
			return Config{}, fmt.Errorf("a Redis URL with %s=%q", key, value)
		}
	}
	_, err = c.withDefaults()
	return c, err
}
