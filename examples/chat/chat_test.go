package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = []byte(strings.Repeat("s", 32))

// start runs the whole program and returns its address.
func start(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { // waited for by the cleanup
		err := run(ctx, "127.0.0.1:0", secret, w)
		w.CloseWithError(io.EOF)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	line := make([]byte, 200)
	n, err := r.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(regexp.MustCompile(`http://\S+`).FindString(string(line[:n])), "/")
}

func TestChatWithTheStockClient(t *testing.T) {
	for _, how := range []string{"websocket", "polling"} {
		t.Run(how, func(t *testing.T) { testenv.RunNode(t, "testdata/chat.mjs", start(t), how) })
	}
}

func TestChatWithThePythonClient(t *testing.T) {
	for _, how := range []string{"websocket", "polling"} {
		t.Run(how, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, testenv.Python(t), "testdata/chat.py", start(t), how).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}

func TestOnlyOurTokensLetIn(t *testing.T) {
	tokens, err := NewTokens(secret)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := NewTokens([]byte(strings.Repeat("o", 32)))
	ada := Person{ID: "u-1", Name: "Ada"}
	good, _ := tokens.Issue(ada)
	stranger, _ := other.Issue(ada)
	signed := func(m jwt.SigningMethod, key any, c claims) string {
		s, err := jwt.NewWithClaims(m, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	with := func(change func(*claims)) claims {
		c := claims{Name: "Ada", RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: "u-1", ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
		}}
		change(&c)
		return c
	}
	same := func(*claims) {}
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tests := map[string]struct {
		token string
		code  actors.Code // empty: let in
	}{
		"ours":            {good, ""},
		"none":            {"", actors.CodeUnauthorized},
		"not a token":     {"abc", actors.CodeUnauthorized},
		"another secret":  {stranger, actors.CodeUnauthorized},
		"altered":         {good[:len(good)-2] + "xx", actors.CodeUnauthorized},
		"unsigned":        {signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, with(same)), actors.CodeUnauthorized},
		"another method":  {signed(jwt.SigningMethodHS384, secret, with(same)), actors.CodeUnauthorized},
		"a public key":    {signed(jwt.SigningMethodES256, ec, with(same)), actors.CodeUnauthorized},
		"without an end":  {signed(jwt.SigningMethodHS256, secret, with(func(c *claims) { c.ExpiresAt = nil })), actors.CodeUnauthorized},
		"another issuer":  {signed(jwt.SigningMethodHS256, secret, with(func(c *claims) { c.Issuer = "x" })), actors.CodeUnauthorized},
		"without subject": {signed(jwt.SigningMethodHS256, secret, with(func(c *claims) { c.Subject = "" })), actors.CodeUnauthorized},
		"without name":    {signed(jwt.SigningMethodHS256, secret, with(func(c *claims) { c.Name = "" })), actors.CodeUnauthorized},
		"expired": {signed(jwt.SigningMethodHS256, secret, with(func(c *claims) {
			c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Second))
		})), actors.CodeTokenExpired},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			id, err := tokens.Authenticate(t.Context(), &actors.AuthRequest{Token: tt.token})
			if tt.code == "" {
				if err != nil || id.Subject != "u-1" || string(id.Claims) != `{"name":"Ada"}` || id.Expires.IsZero() {
					t.Errorf("Authenticate = %+v, %v", id, err)
				}
				return
			}
			if err == nil || actors.AsError(err).Code != tt.code {
				t.Errorf("Authenticate = %+v, %v, want %s", id, err, tt.code)
			}
		})
	}
	if _, err := NewTokens([]byte("short")); err == nil {
		t.Error("a short secret was taken")
	}
}

func TestHistoryKeepsTheLatest(t *testing.T) {
	var h History
	for range backlog + 7 {
		if err := h.Add(&Said{Room: "a"}, func(Said) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	got := h.Of("a")
	if len(got) != backlog || got[0].ID != 8 || got[backlog-1].ID != backlog+7 {
		t.Errorf("%d messages from %d to %d", len(got), got[0].ID, got[len(got)-1].ID)
	}
	if h.Of("b") == nil || h.Sent() != backlog+7 {
		t.Errorf("an empty room has %v; %d were sent", h.Of("b"), h.Sent())
	}
}

func TestPaceAllowsABurstAndThenARate(t *testing.T) {
	var p pace
	now := time.Unix(1000, 0)
	took := func() (n int) {
		for p.take(now) {
			n++
		}
		return n
	}
	if n := took(); n != sendBurst {
		t.Errorf("%d at once, want %d", n, sendBurst)
	}
	now = now.Add(time.Second)
	if n := took(); n != sendRate {
		t.Errorf("%d after a second, want %d", n, sendRate)
	}
	now = now.Add(time.Hour)
	if n := took(); n != sendBurst {
		t.Errorf("%d after an hour, want %d", n, sendBurst)
	}
}

func TestFullQueueRefusesJobs(t *testing.T) {
	j := NewJobs(0)
	for range cap(j.queue) {
		if err := j.Add(Job{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Add(Job{}); err == nil || actors.AsError(err).Code != actors.CodeOverloaded {
		t.Errorf("Add = %v", err)
	}
}
