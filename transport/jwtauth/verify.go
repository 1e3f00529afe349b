package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parlor-rooms/parlor/actors"
)

// refusal is an error with two faces: what the client is told, and why.
type refusal struct {
	told *actors.Error
	why  error
}

func (r *refusal) Error() string   { return r.told.Message + ": " + r.why.Error() }
func (r *refusal) Unwrap() []error { return []error{r.told, r.why} }

func refuse(why error) error {
	return &refusal{actors.Errorf(actors.CodeUnauthorized, "a valid token is needed"), why}
}

// errNoKeys says that no key of the issuer is known, so that nobody can be
// told from anybody.
var errNoKeys = errors.New("there are no keys to check tokens with")

// Authenticate implements actors.Authenticator. It blocks while keys are
// fetched, for at most 3 s. It returns an *actors.Error in the chain with
// CodeTokenExpired for a token that was valid, CodeUnavailable if the issuer's
// keys cannot be had, else CodeUnauthorized; the text of the error is for logs
// and does not contain the token.
func (a *Authenticator) Authenticate(ctx context.Context, r *actors.AuthRequest) (actors.Identity, error) {
	token, shown, err := shownToken(r)
	switch {
	case err != nil:
		return actors.Identity{}, refuse(err)
	case shown:
		return a.Verify(ctx, token)
	case a.cfg.Anonymous:
		return actors.Identity{Grants: a.cfg.AnonymousGrants}, nil
	}
	return actors.Identity{}, &refusal{actors.Errorf(actors.CodeUnauthorized, "a token is needed"), errors.New("none was shown")}
}

// shownToken is the token of the namespace, or else that of the handshake.
func shownToken(r *actors.AuthRequest) (token string, shown bool, err error) {
	if r.Token != "" {
		return r.Token, true, nil
	}
	if r.Handshake == nil {
		return "", false, nil
	}
	switch values := r.Handshake.Header.Values("Authorization"); len(values) {
	case 0:
		return "", false, nil
	case 1:
		scheme, token, _ := strings.Cut(values[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", false, nil // somebody else's, such as a proxy's
		}
		return strings.TrimSpace(token), true, nil
	}
	return "", false, errors.New("the header Authorization comes twice")
}

const tokenLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

// Verify returns the identity that a token proves. Otherwise it is
// Authenticate.
func (a *Authenticator) Verify(ctx context.Context, token string) (actors.Identity, error) {
	if len(token) > MaxToken {
		return actors.Identity{}, refuse(fmt.Errorf("the token has %d bytes: want at most %d", len(token), MaxToken))
	}
	if strings.Trim(token, tokenLetters) != "" { // base64 decoders pass over line ends
		return actors.Identity{}, refuse(errors.New("the token has letters that no token has"))
	}
	var c claims
	_, err := a.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) { return a.key(ctx, t) })
	switch {
	case errors.Is(err, errNoKeys):
		return actors.Identity{}, &refusal{actors.Errorf(actors.CodeUnavailable, "tokens cannot be checked at the moment"), err}
	case err != nil && !onlyExpired(err):
		return actors.Identity{}, refuse(err)
	case c.subject == "":
		return actors.Identity{}, refuse(errors.New("the token has no subject"))
	}
	if late := c.checkTimes(a.cfg.Now(), a.cfg.Leeway, a.cfg.MaxLifetime); late != nil {
		return actors.Identity{}, refuse(late)
	}
	if err != nil {
		return actors.Identity{}, &refusal{actors.Errorf(actors.CodeTokenExpired, "the token has expired"), err}
	}
	id := actors.Identity{
		Subject: c.subject, TokenID: c.id, Grants: c.grants, Claims: c.more,
		Expires: c.expires.Add(a.cfg.Leeway), // as long as it is accepted
	}
	if c.issued != nil {
		id.Issued = c.issued.Time
	}
	return id, nil
}

// onlyExpired reports that nothing is wrong with a token but its age.
func onlyExpired(err error) bool {
	for _, other := range []error{
		jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenRequiredClaimMissing,
		jwt.ErrTokenInvalidAudience, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenNotValidYet,
		jwt.ErrTokenInvalidSubject, jwt.ErrTokenInvalidId,
	} {
		if errors.Is(err, other) {
			return false
		}
	}
	return errors.Is(err, jwt.ErrTokenExpired)
}

// headerNames are parameters that are read or refused.
var headerNames = []string{"alg", "typ", "kid", "crit", "b64", "jku", "jwk", "x5u", "x5c", "cty", "zip", "enc"}

// key checks the header of a token and finds its key. The method has been
// found to be one of ours.
func (a *Authenticator) key(ctx context.Context, t *jwt.Token) (any, error) {
	raw, _, _ := strings.Cut(t.Raw, ".")
	data, err := a.parser.DecodeSegment(raw)
	if err != nil {
		return nil, err
	}
	id, err := readHeader(data)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	m := Method(t.Method.Alg())
	if k, ok := a.keys.find(m, id); ok {
		return k.key, nil
	}
	if a.remote != nil {
		k, ok, err := a.remote.find(ctx, m, id)
		if ok || err != nil {
			return k.key, err
		}
	}
	return nil, fmt.Errorf("no key is called %q and for %s", clip(id), m)
}

// readHeader refuses what could make a token mean something else than its
// signature says, or make its key come from elsewhere, and returns "kid".
func readHeader(data []byte) (id string, err error) {
	members, err := object(data, headerNames)
	if err != nil {
		return "", err
	}
	for _, m := range members {
		switch m.key {
		case "crit", "b64", "jku", "jwk", "x5u", "x5c", "cty", "zip", "enc":
			return "", fmt.Errorf("%s is not allowed", m.key)
		case "kid":
			if id, err = text(m.value); err != nil || id == "" {
				return "", errors.New("kid: want a text that is not empty")
			}
		case "typ":
			if typ, err := text(m.value); err != nil || !strings.EqualFold(typ, "JWT") && !strings.EqualFold(typ, "at+jwt") {
				return "", fmt.Errorf("typ is %s: want JWT or at+jwt", clip(string(m.value)))
			}
		}
	}
	return id, nil
}
