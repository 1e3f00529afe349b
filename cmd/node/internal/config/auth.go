package config

import (
	"net"
	"slices"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/cmd/node/internal/settings"
)

// Auth is the section auth.
type Auth struct {
	Issuer      string              `key:"issuer" doc:"What tokens must say in iss, to the letter. With audience and a source of keys it makes the server ask for tokens."`
	Audience    string              `key:"audience" doc:"What tokens must say in aud, alone or among others."`
	Method      string              `key:"method" default:"HS256" oneof:"HS256,HS384,HS512,RS256,ES256,EdDSA" doc:"How tokens for key or key_file are signed."`
	Key         settings.Secret     `key:"key" doc:"The secret for HS256, HS384 and HS512, else a public key as PEM. Tokens need not name it in kid."`
	KeyFile     string              `key:"key_file" doc:"A file with what key would hold, relative to the working directory."`
	Keys        map[string]AuthKey  `key:"keys" doc:"Keys by the kid that tokens name them with."`
	JWKS        string              `key:"jwks" doc:"https URL of the keys that the issuer publishes."`
	JWKSCA      string              `key:"jwks_ca" doc:"A file with the certificates, as PEM, of the authorities that the server of jwks is certified by. Empty means those of the system."`
	Leeway      time.Duration       `key:"leeway" default:"10s" min:"0s" max:"30s" doc:"How far the clock of the issuer may be off."`
	MaxLifetime time.Duration       `key:"max_lifetime" default:"24h" min:"1m" max:"24h" doc:"How long a token may be valid."`
	Anonymous   string              `key:"anonymous" default:"auto" oneof:"auto,allow,refuse" doc:"Whether clients without a token may enter. auto lets them in only where no keys are configured and listen is a loopback address."`
	Guests      map[string][]string `key:"guests" doc:"What clients without a token may do: operations (create, join, publish, publish:EVENT, presence, history, moderate) by pattern of rooms. Empty means everything that rooms allow."`
}

// AuthKey is one of auth.keys.
type AuthKey struct {
	Method string `key:"method" oneof:"HS256,HS384,HS512,RS256,ES256,EdDSA" doc:"How tokens for this key are signed."`
	File   string `key:"file" doc:"A file with the secret for HS256, HS384 and HS512, else with a public key or certificate as PEM."`
}

// WithTokens reports whether there are keys to check tokens with.
func (a Auth) WithTokens() bool {
	return a.Key != "" || a.KeyFile != "" || len(a.Keys) > 0 || a.JWKS != ""
}

// LetsAnonymousIn reports whether clients without a token may enter. Whether
// auto means so is for Config's Check to have seen.
func (a Auth) LetsAnonymousIn() bool {
	return a.Anonymous == "allow" || a.Anonymous == "auto" && !a.WithTokens()
}

// GuestGrants are the grants of clients without a token; nil for none.
func (a Auth) GuestGrants() (*actors.Grants, error) {
	if len(a.Guests) == 0 {
		return nil, nil
	}
	var list []actors.Grant
	for pattern, ops := range a.Guests {
		g := actors.Grant{Pattern: pattern}
		for _, op := range ops {
			g.Ops = append(g.Ops, actors.Op(op))
		}
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b actors.Grant) int { return strings.Compare(a.Pattern, b.Pattern) })
	return actors.NewGrants(list...)
}

// Check implements settings.Checker.
func (a Auth) Check(bad func(want string, path ...string)) {
	if a.WithTokens() {
		if a.Issuer == "" {
			bad("want the issuer of the tokens that the keys are for", "issuer")
		}
		if a.Audience == "" {
			bad("want the audience of the tokens that the keys are for: the name by which the issuer knows this server", "audience")
		}
	} else {
		if a.Issuer != "" || a.Audience != "" {
			bad("want key, key_file, keys or jwks as well: tokens cannot be checked without", "issuer")
		}
		if a.Anonymous == "refuse" {
			bad("want key, key_file, keys or jwks as well: nobody could enter", "anonymous")
		}
	}
	if a.Key != "" && a.KeyFile != "" {
		bad("want key or key_file, not both", "key_file")
	}
	if a.JWKS != "" && !strings.HasPrefix(a.JWKS, "https://") {
		bad("want https://…: whoever can change keys on their way can be anybody", "jwks")
	}
	if a.JWKSCA != "" && a.JWKS == "" {
		bad("want jwks as well", "jwks_ca")
	}
	for id, k := range a.Keys {
		if id == "" || k.Method == "" || k.File == "" {
			bad("want a kid, and both method and file", "keys", id)
		}
	}
	if len(a.Guests) > 0 && !a.LetsAnonymousIn() {
		bad("want anonymous: allow as well, for there are no guests otherwise", "guests")
	}
	if _, err := a.GuestGrants(); err != nil {
		bad(err.Error(), "guests")
	}
}

// Development reports whether this is a machine of somebody who tries things
// out: nobody else can reach it, and nobody has tokens.
func (c Config) Development() bool { return !c.Auth.WithTokens() && c.Listen.loopback() }

// loopback reports whether only this machine can reach an address.
func (a Address) loopback() bool {
	host, _, _ := net.SplitHostPort(string(a))
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// checkOpen refuses to serve everybody to the world unless that was said.
func (c Config) checkOpen(bad func(want string, path ...string)) {
	if c.Auth.Anonymous == "auto" && !c.Auth.WithTokens() && !c.Listen.loopback() {
		bad("others can reach this address and may do everything: want tokens (section auth), a loopback address such as 127.0.0.1:8080, "+
			"or auth.anonymous: allow (PARLOR_AUTH_ANONYMOUS=allow) if that is what is meant", "listen")
	}
}
