package corpus

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/jwtauth/jwtauthtest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv/child"
)

// configuration of the server. Where it departs from the defaults it makes
// timeouts short, or lets one address send everything.
const configuration = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
log: {level: debug, format: json}
transport: {connect_timeout: 3s, ping_interval: 5s, ping_timeout: 10s, connect_rate: 100000, max_per_address: 0}
auth:
  issuer: %s
  audience: %s
  leeway: 30s
  keys:
    hs: {method: HS256, file: %[3]s/hs}
    rs: {method: RS256, file: %[3]s/rs}
    es: {method: ES256, file: %[3]s/es}
    ed: {method: EdDSA, file: %[3]s/ed}
kinds:
  lobby:
    events: {chat: {history: 10, max_bytes: 1000}, cursor: {keep: true}}
    profile: [name]
    sync_every: 0s
    create: users
  closed: {create: nobody}
`

// server is the ready-made server as a process of its own.
type server struct {
	t      *testing.T
	issuer *jwtauthtest.Issuer
	cmd    *exec.Cmd
	host   string
	admin  string // HOST:PORT, as host

	mu  sync.Mutex // guards the following
	log []string
}

var (
	servedAt  = regexp.MustCompile(`"url":"http://([^/"]+)/"`)
	countedAs = regexp.MustCompile(`^goroutine profile: total (\d+)\n`)
)

// start builds the server and starts it. The end of the test stops it.
func start(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{t: t, issuer: jwtauthtest.NewIssuer(time.Now())}
	s.write(dir, "hs", s.issuer.Secret)
	for name, key := range map[string]any{"rs": &s.issuer.RSA.PublicKey, "es": &s.issuer.EC.PublicKey, "ed": s.issuer.Ed.Public()} {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		s.write(dir, name, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	s.write(dir, "parlor.yaml", fmt.Appendf(nil, configuration, jwtauthtest.Name, jwtauthtest.Audience, dir))
	binary := filepath.Join(dir, "parlor")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/node")
	build.Dir = testenv.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ctx, kill := context.WithCancel(context.Background())
	s.cmd = exec.CommandContext(ctx, binary, "serve", "--config", filepath.Join(dir, "parlor.yaml"))
	s.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PARLOR_") || strings.HasPrefix(v, "OTEL_") })
	var wait func() error
	stderr, err := s.cmd.StderrPipe()
	if err == nil {
		wait, err = child.Start(s.cmd)
	}
	if err != nil {
		kill()
		t.Fatal(err)
	}
	found := make(chan string, 2) // for operators, and for clients
	read := make(chan struct{})
	go func() { // the cleanup waits for it
		defer close(read)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			s.take(lines.Text(), found)
		}
	}()
	t.Cleanup(func() {
		defer kill()
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("the server has ended by itself: %v", err)
		}
		late := time.AfterFunc(30*time.Second, kill)
		defer late.Stop()
		<-read
		if err := wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	for _, to := range []*string{&s.admin, &s.host} {
		select {
		case *to = <-found:
		case <-read:
			t.Fatalf("the server has ended:\n%s", strings.Join(s.lines(), "\n"))
		case <-time.After(90 * time.Second): // other tests run meanwhile
			t.Fatalf("the server does not say where it serves:\n%s", strings.Join(s.lines(), "\n"))
		}
	}
	return s
}

func (s *server) write(dir, name string, text []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) take(line string, found chan<- string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, line)
	if m := servedAt.FindStringSubmatch(line); m != nil && len(found) < cap(found) {
		found <- m[1]
	}
}

func (s *server) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// token is a good one.
func (s *server) token(subject string) string { return s.issuer.Good(s.issuer.With("sub", subject)) }

// tokens are those that scripts name.
func (s *server) tokens() map[string]func() string {
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	with := func(pairs ...any) func() string {
		return func() string { return s.issuer.Good(s.issuer.With(append(pairs, "sub", "corpus")...)) }
	}
	return map[string]func() string{
		"{token}":   with(),
		"{other}":   func() string { return s.token("other") },
		"{flooder}": func() string { return s.token("flooder") },
		"{visitor}": with("rooms", []any{map[string]any{"p": "lobby/*", "ops": []string{"join"}}}),
		"{old}":     with("iat", at(-2*time.Hour), "exp", at(-time.Hour)),
		"{brief}":   func() string { return with("iat", at(-time.Hour), "exp", at(4*time.Second-leeway))() },
		"{limited}": with("rooms", []any{
			map[string]any{"p": "lobby/allowed", "ops": []string{"create", "join", "presence", "publish:chat"}},
			map[string]any{"p": "lobby/sealed*", "ops": []string{"publish", "moderate"}},
		}),
	}
}

// leeway is that of the configuration.
const leeway = 30 * time.Second

// checkLog holds the log to what whoever reads it relies on: every line is an
// entry of the server's own, and there is no secret in it.
func (s *server) checkLog(secrets ...string) {
	s.t.Helper()
	for _, line := range s.lines() {
		var entry struct{ Time, Level, Msg string }
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Time == "" || entry.Level == "" || strings.Contains(entry.Msg, "forged") {
			s.t.Errorf("a line of the log is %q", line)
		}
		if len(line) > 4_000 {
			s.t.Errorf("a line of the log has %d bytes: %.200s", len(line), line)
		}
		for _, secret := range secrets {
			if strings.Contains(line, secret) {
				s.t.Errorf("a secret is in the log: %.200s", line)
			}
		}
	}
}

// peak is the most memory the process has had, in bytes.
func (s *server) peak() int {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if size, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.Fields(size)[0])
			if err != nil {
				s.t.Fatal(err)
			}
			return n << 10
		}
	}
	s.t.Fatal("the process does not say what it needed")
	return 0
}

// goroutines is how many the process has.
func (s *server) goroutines() int {
	s.t.Helper()
	resp, err := http.Get("http://" + s.admin + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	m := countedAs.FindSubmatch(text)
	if err != nil || m == nil {
		s.t.Fatalf("%v in %.200q", err, text)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// settles waits until the process has no more than so many goroutines.
func (s *server) settles(most int) {
	s.t.Helper()
	limit := time.After(40 * time.Second)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for n := s.goroutines(); n > most; n = s.goroutines() {
		select {
		case <-again.C:
		case <-limit:
			s.t.Errorf("%d goroutines are left, of at most %d", n, most)
			return
		}
	}
}
