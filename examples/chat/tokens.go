package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parlor-rooms/parlor/actors"
)

const (
	issuer   = "parlor-chat"
	tokenFor = 12 * time.Hour
)

// Tokens issues and checks the tokens that clients show when they connect:
// JWT, HS256. It implements actors.Authenticator.
type Tokens struct {
	secret []byte
	now    func() time.Time
}

// claims of a token: who it is for, and under which name.
type claims struct {
	jwt.RegisteredClaims
	Name string `json:"name"`
}

// NewTokens returns tokens under a secret of at least 32 bytes, or under a
// random one if it is nil: then tokens end with the program.
func NewTokens(secret []byte) (*Tokens, error) {
	if secret == nil {
		secret = make([]byte, 32)
		rand.Read(secret)
	}
	if len(secret) < 32 {
		return nil, errors.New("the secret is shorter than 32 bytes")
	}
	return &Tokens{secret: secret, now: time.Now}, nil
}

// Issue returns a token for a user.
func (t *Tokens) Issue(user Person) (string, error) {
	now := t.now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		Name: user.Name,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: user.ID, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(tokenFor)),
		},
	}).SignedString(t.secret)
}

// Authenticate implements actors.Authenticator. It takes nothing but HS256,
// from this issuer, with a subject, a name and an end.
func (t *Tokens) Authenticate(_ context.Context, r *actors.AuthRequest) (actors.Identity, error) {
	var c claims
	_, err := jwt.ParseWithClaims(r.Token, &c, func(*jwt.Token) (any, error) { return t.secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithIssuer(issuer), jwt.WithTimeFunc(t.now))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return actors.Identity{}, actors.Errorf(actors.CodeTokenExpired, "the token has expired")
	case err != nil || c.Subject == "" || c.Name == "":
		return actors.Identity{}, actors.Errorf(actors.CodeUnauthorized, "a valid token is needed")
	}
	more, err := json.Marshal(map[string]string{"name": c.Name})
	return actors.Identity{Subject: c.Subject, TokenID: c.ID, Expires: c.ExpiresAt.Time, Claims: more}, err
}

// ServeHTTP is the login of this example: whoever posts a name is given a
// token for it. A real program checks a password here.
func (t *Tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024)).Decode(&in); err != nil {
		http.Error(w, "want {\"name\": …}", http.StatusBadRequest)
		return
	}
	user := Person{ID: "u-" + rand.Text()[:10], Name: tidy(in.Name, nameLimit)}
	if user.Name == "" {
		http.Error(w, "a name is needed", http.StatusBadRequest)
		return
	}
	token, err := t.Issue(user)
	if err != nil {
		http.Error(w, "no token", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "user": user})
}
