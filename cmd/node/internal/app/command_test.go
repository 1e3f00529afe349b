package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// run runs a command that ends by itself.
func run(t *testing.T, env []string, args ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	m := &Main{Args: args, Env: env, Stdout: &out, Stderr: &out, Version: "v1.2.3"}
	err = m.Run(t.Context())
	return out.String(), err
}

func TestConfigPrintShowsWhatIsInEffect(t *testing.T) {
	path := file(t, "log: {level: warn}\nlisten: 127.0.0.1:1\nadmin: {token: correct-horse-battery}\n")
	out, err := run(t, []string{"PARLOR_LISTEN=127.0.0.1:2", "PARLOR_STOP_WITHIN=20s"}, "config", "print", "-c", path, "--stop-within=30s")
	if err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]bool)
	for line := range strings.SplitSeq(out, "\n") {
		lines[strings.Join(strings.Fields(line), " ")] = true
	}
	for _, want := range []string{
		"listen: 127.0.0.1:2 # PARLOR_LISTEN",
		"stop_within: 30s # --stop-within",
		"level: warn # " + path + ":1:14",
		"token: '[redacted]' # " + path + ":3:16",
		"format: text # default",
	} {
		if !lines[want] {
			t.Errorf("%s is not printed in\n%s", want, out)
		}
	}
}

func TestConfigCheckSaysYesOrWhyNot(t *testing.T) {
	out, err := run(t, nil, "config", "check", "--config", file(t, lobby))
	if err != nil || out != "the configuration is valid\n" {
		t.Errorf("a valid one: %q, %v", out, err)
	}
	path := file(t, "listen: here\nkind: {}\n")
	out, err = run(t, nil, "config", "check", "--config", path)
	want := fmt.Sprintf("the configuration is not valid:\n%s:1:9: listen: \"here\": want HOST:PORT, with a port from 0 to 65535\n%s:2:1: kind: unknown key, did you mean kinds?", path, path)
	if err == nil || err.Error() != want || out != "" {
		t.Errorf("an invalid one: %q, %v, want %s", out, err, want)
	}
}

func TestConfigSchemaIsJSON(t *testing.T) {
	out, err := run(t, nil, "config", "schema")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(out), &schema); err != nil || schema.Properties["kinds"] == nil {
		t.Errorf("%v in %.200s", err, out)
	}
}

func TestVersionIsTheOneOfTheBuild(t *testing.T) {
	out, err := run(t, nil, "version")
	if err != nil || !strings.HasPrefix(out, "parlor v1.2.3 (go") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestMisuseIsAnErrorThatHelps(t *testing.T) {
	for _, test := range []struct {
		args string
		want string
	}{
		{"serv", `unknown command "serv" for "parlor"`},
		{"config prnt", `unknown command "prnt" for "parlor config"`},
		{"serve now", `unknown command "now" for "parlor serve"`},
		{"serve --lisen=:1", "unknown flag: --lisen (parlor serve --help lists the flags)"},
		{"serve --admin-token=x", "unknown flag: --admin-token (parlor serve --help lists the flags)"},
		{"serve --config missing.yaml", "the configuration is not valid:\nmissing.yaml: cannot be read: no such file or directory"},
	} {
		if _, err := run(t, nil, strings.Fields(test.args)...); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("parlor %s: %v, want %s", test.args, err, test.want)
		}
	}
}

func TestHelpNamesEveryCommand(t *testing.T) {
	out, err := run(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"serve", "config", "token", "version"} {
		if !strings.Contains(out, "\n  "+command) {
			t.Errorf("%s is not in\n%s", command, out)
		}
	}
	if out, err = run(t, nil, "serve", "--help"); err != nil || !strings.Contains(out, "--admin-listen address") {
		t.Errorf("%v in\n%s", err, out)
	}
}

func TestMainHasNoGlobalState(t *testing.T) {
	if _, err := run(t, []string{"PARLOR_LISTEN=127.0.0.1:1"}, "config", "print", "--log-level=debug"); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, nil, "config", "print")
	if err != nil || strings.Contains(out, "debug") || strings.Contains(out, "PARLOR_LISTEN") {
		t.Errorf("the second run knows of the first: %v\n%s", err, out)
	}
	if os.Getenv("PARLOR_LISTEN") != "" {
		t.Error("the environment of the process was changed")
	}
}
