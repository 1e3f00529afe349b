package actors

import (
	"context"
	"encoding/json"
)

// Authenticator finds out who a client is, once for every namespace it
// connects to.
type Authenticator interface {
	// Authenticate runs beside the connection and may block until ctx ends.
	// Any goroutine may call it. An error refuses the CONNECT: an *Error as
	// it is, any other as CodeUnauthorized.
	Authenticate(ctx context.Context, r *AuthRequest) (Identity, error)
}

// AuthRequest is what a client shows to prove who it is.
type AuthRequest struct {
	Handshake *Handshake      // the HTTP request
	Namespace string          // what it connects to
	Token     string          // "token" of the CONNECT payload; empty if absent
	Auth      json.RawMessage // the rest of the CONNECT payload
}

// Anonymous returns an Authenticator that lets everybody in as nobody in
// particular, with these grants; nil allows everything that rooms and guards
// allow. Who has a token is as anonymous as who has none.
func Anonymous(grants *Grants) Authenticator { return anonymous{grants} }

type anonymous struct{ grants *Grants }

func (a anonymous) Authenticate(context.Context, *AuthRequest) (Identity, error) {
	return Identity{Grants: a.grants}, nil
}
