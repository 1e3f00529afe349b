package corpus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestBadInputsHaveTheirSafeOutcomeAndDisturbNobody sends the whole corpus to
// one server. Cases that wait for a timeout run beside the others.
func TestBadInputsHaveTheirSafeOutcomeAndDisturbNobody(t *testing.T) {
	s := start(t)
	stop := filepath.Join(t.TempDir(), "stop")
	idle := s.goroutines()
	bystanders := testenv.StartNode(t, "testdata/bystander.mjs", "http://"+s.host+"/", s.token("bystander"), stop)

	var slow sync.WaitGroup
	run := func(c script) {
		t.Run(c.file+"/"+c.name, func(t *testing.T) {
			(&client{t: t, host: s.host, tokens: s.tokens()}).run(c)
		})
	}
	var quick []script
	for _, c := range scripts(t) {
		if c.slow() {
			slow.Go(func() { run(c) })
		} else {
			quick = append(quick, c)
		}
	}
	for _, c := range quick {
		run(c)
	}
	tokens(t, s)
	slow.Wait()

	if err := os.WriteFile(stop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bystanders(); err != nil {
		t.Errorf("the bystanders were disturbed: %v", err)
	}
	s.settles(idle + 10) // what the pages for operators take
	const most = 200 << 20
	if peak := s.peak(); peak > most {
		t.Errorf("the server needed %d MiB", peak>>20)
	}
	good := s.token("corpus")
	s.checkLog(good[len(good)/2:], string(s.issuer.Secret))
}

// tokens shows the server every bad token, each on a connection of its own.
func tokens(t *testing.T, s *server) {
	for _, bad := range s.issuer.Corpus() {
		auth, err := json.Marshal(map[string]string{"token": bad.Token})
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]string{
			"unauthorized":  `{"message":"a valid token is needed","data":{"code":"unauthorized"}}`,
			"token_expired": `{"message":"the token has expired","data":{"code":"token_expired"}}`,
		}[string(bad.Code)]
		t.Run("tokens/"+bad.Name, func(t *testing.T) {
			(&client{t: t, host: s.host}).run(script{file: "tokens", steps: []step{
				{verb: "ws"},
				{verb: "text", args: []string{"40/lobby/corpus," + string(auth)}},
				{verb: "want", args: []string{"44/lobby/corpus," + told}},
			}})
		})
	}
}

func TestEveryCaseHasANameOfItsOwnAndAnOutcome(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range scripts(t) {
		if name := c.file + "/" + c.name; seen[name] || !c.expects() {
			t.Errorf("%s: twice, or without an outcome", name)
		} else {
			seen[name] = true
		}
	}
}

func TestScriptsAreReadAsTheyStand(t *testing.T) {
	list, err := parse("x", "# a remark\n== one\nsend \"a b\\r\\n\" `\"q\"` c\n\n== two\nfin\n")
	if err != nil || len(list) != 2 || list[0].name != "one" || len(list[1].steps) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if args := list[0].steps[0].args; len(args) != 3 || args[0] != "a b\r\n" || args[1] != `"q"` || args[2] != "c" {
		t.Errorf("%q", args)
	}
	for _, bad := range []string{"send x", "== a\nsend \"x", "== a\nsend \"\\q\""} {
		if _, err := parse("x", bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
