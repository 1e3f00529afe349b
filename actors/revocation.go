package actors

import (
	"errors"
	"time"
)

// Revocation voids credentials: of a subject those that were issued before a
// moment, or a single one by its id.
type Revocation struct {
	Subject string // whose; or
	TokenID string // which one

	// Before is when the credentials of Subject that are void were issued at
	// the latest, exclusively. Zero means until now. A credential that does not
	// say when it was issued counts as one issued before; one that says so in
	// whole seconds, as JWTs do, has to be a second younger.
	Before time.Time

	// Until is when the revocation may be forgotten, because what it voids has
	// expired by itself. Zero means 24 h after it was made, the longest that
	// transport/jwtauth accepts a token for.
	Until time.Time
}

// Complete fills in what is zero, or says what is wrong.
func (r Revocation) Complete(now time.Time) (Revocation, error) {
	switch {
	case (r.Subject == "") == (r.TokenID == ""):
		return r, errors.New("revocation: want a subject or a token id, and not both")
	case r.TokenID != "" && !r.Before.IsZero():
		return r, errors.New("revocation: a time goes with a subject; a token id names one token")
	case len(r.Subject)+len(r.TokenID) > maxRevokedName:
		return r, errors.New("revocation: the subject or token id is longer than 512 bytes")
	}
	if r.Subject != "" {
		defaultTo(&r.Before, now)
	}
	defaultTo(&r.Until, now.Add(24*time.Hour))
	return r, nil
}

const maxRevokedName = 512 // bytes

// Voids reports whether a credential is one of those.
func (r Revocation) Voids(id Identity) bool {
	if r.TokenID != "" {
		return id.TokenID == r.TokenID
	}
	return id.Subject == r.Subject && id.Subject != "" && (id.Issued.IsZero() || id.Issued.Before(r.Before))
}
