package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/cmd/node/internal/config"
	"github.com/parlor-rooms/parlor/transport/jwtauth"
)

// authenticator is what finds out who clients are. The keys of an issuer that
// does not answer are no error: the server refuses tokens until it does.
func (s *server) authenticator() (actors.Authenticator, error) {
	if !s.cfg.Auth.WithTokens() {
		grants, err := s.cfg.Auth.GuestGrants()
		return actors.Anonymous(grants), err
	}
	a, err := tokenAuthenticator(s.cfg.Auth, s.log)
	if err != nil {
		return nil, err
	}
	if err := a.Refresh(context.Background()); err != nil { // ends by itself, within seconds
		s.log.Warn("the keys of the token issuer cannot be fetched", "url", s.cfg.Auth.JWKS, "error", err)
	}
	return a, nil
}

// tokenAuthenticator reads the keys that the configuration names.
func tokenAuthenticator(c config.Auth, log *slog.Logger) (*jwtauth.Authenticator, error) {
	grants, err := c.GuestGrants()
	if err != nil {
		return nil, err
	}
	cfg := jwtauth.Config{
		Issuer: c.Issuer, Audience: c.Audience, Leeway: max(c.Leeway, 1), MaxLifetime: c.MaxLifetime,
		Anonymous: c.LetsAnonymousIn(), AnonymousGrants: grants, Log: log,
	}
	if cfg.Keys, err = readKeys(c); err != nil {
		return nil, err
	}
	if c.JWKS != "" {
		cfg.JWKS = &jwtauth.JWKS{URL: c.JWKS}
		if cfg.JWKS.RootCAs, err = readAuthorities(c.JWKSCA); err != nil {
			return nil, err
		}
	}
	return jwtauth.New(cfg)
}

func readKeys(c config.Auth) ([]jwtauth.Key, error) {
	var keys []jwtauth.Key
	if c.Key != "" {
		k, err := jwtauth.ParseKey("", jwtauth.Method(c.Method), []byte(c.Key.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("auth.key: %w", err)
		}
		keys = append(keys, k)
	}
	if c.KeyFile != "" {
		k, err := readKey("", c.Method, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("auth.key_file: %w", err)
		}
		keys = append(keys, k)
	}
	for _, id := range slices.Sorted(maps.Keys(c.Keys)) {
		k, err := readKey(id, c.Keys[id].Method, c.Keys[id].File)
		if err != nil {
			return nil, fmt.Errorf("auth.keys: %w", err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func readKey(id, method, path string) (jwtauth.Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return jwtauth.Key{}, err
	}
	k, err := jwtauth.ParseKey(id, jwtauth.Method(method), text)
	if err != nil {
		return jwtauth.Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// readAuthorities returns nil, which means the system's, for no path.
func readAuthorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("auth.jwks_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("auth.jwks_ca: " + path + ": want certificates as PEM")
	}
	return pool, nil
}
