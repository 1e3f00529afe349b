package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parlor-rooms/parlor/actors"
)

// MaxToken is the longest token that is looked at, in bytes.
const MaxToken = 8 << 10

// Config says which tokens are accepted. Issuer, Audience and at least one
// source of keys are required.
type Config struct {
	Issuer   string // "iss" of a token, to the letter
	Audience string // one of "aud" of a token, to the letter

	Keys []Key // at most 64; no two with the same id and method
	JWKS *JWKS // keys that the issuer publishes; nil: none

	// Leeway is how far the clock of the issuer may be off. Zero means 10 s;
	// at most 30 s.
	Leeway time.Duration

	// MaxLifetime is how long a token may be valid: from its "iat", or from
	// the moment it is shown if it has none. Zero means 24 h, which is also
	// the most.
	MaxLifetime time.Duration

	// Anonymous lets clients in that show no token at all, as nobody in
	// particular. A token that is not accepted is refused all the same.
	Anonymous bool
	// AnonymousGrants is what they may do. Nil: everything that rooms and
	// guards allow.
	AnonymousGrants *actors.Grants

	Log *slog.Logger     // nil: slog.Default
	Now func() time.Time // nil: time.Now
}

// Authenticator implements actors.Authenticator. It is safe for use by any
// number of goroutines and starts none.
type Authenticator struct {
	cfg    Config
	keys   keySet
	remote *remote // nil without Config.JWKS
	parser *jwt.Parser
}

// New returns an authenticator. It does not reach out for the keys of
// Config.JWKS: see Refresh. The error says everything that is wrong with c.
func New(c Config) (*Authenticator, error) {
	if c.Leeway == 0 {
		c.Leeway = 10 * time.Second
	}
	if c.MaxLifetime == 0 {
		c.MaxLifetime = maxLifetime
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &Authenticator{cfg: c}
	if err := errors.Join(c.check(), a.collectKeys()); err != nil {
		return nil, fmt.Errorf("jwtauth: %w", err)
	}
	a.parser = jwt.NewParser(
		jwt.WithValidMethods(methodNames()), jwt.WithStrictDecoding(), jwt.WithTimeFunc(c.Now), jwt.WithLeeway(c.Leeway),
		jwt.WithIssuer(c.Issuer), jwt.WithAudience(c.Audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
	)
	return a, nil
}

const maxLifetime = 24 * time.Hour

func (c *Config) check() error {
	var errs []error
	if c.Issuer == "" {
		errs = append(errs, errors.New("the issuer is missing"))
	}
	if c.Audience == "" {
		errs = append(errs, errors.New("the audience is missing"))
	}
	if len(c.Keys) == 0 && c.JWKS == nil {
		errs = append(errs, errors.New("there is no key"))
	}
	if c.Leeway < 0 || c.Leeway > 30*time.Second {
		errs = append(errs, fmt.Errorf("the leeway is %v: want at most 30s", c.Leeway))
	}
	if c.MaxLifetime < 0 || c.MaxLifetime > maxLifetime {
		errs = append(errs, fmt.Errorf("the longest lifetime is %v: want at most %v", c.MaxLifetime, maxLifetime))
	}
	if c.AnonymousGrants != nil && !c.Anonymous {
		errs = append(errs, errors.New("there are grants for anonymous clients and none is let in"))
	}
	return errors.Join(errs...)
}

func (a *Authenticator) collectKeys() error {
	var errs []error
	for _, k := range a.cfg.Keys {
		errs = append(errs, a.keys.add(k))
	}
	if len(a.keys) > maxKeys {
		errs = append(errs, fmt.Errorf("%d keys: want at most %d", len(a.keys), maxKeys))
	}
	if a.cfg.JWKS != nil {
		var err error
		a.remote, err = newRemote(*a.cfg.JWKS, a.cfg.Log, a.cfg.Now)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Refresh fetches the keys of Config.JWKS, so that a mistake is known before
// the first client is. It blocks for at most 3 s. Without JWKS it does nothing.
func (a *Authenticator) Refresh(ctx context.Context) error {
	if a.remote == nil {
		return nil
	}
	return a.remote.refresh(ctx)
}
