package app

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestManifestsStartTheServerWithArgumentsThatItTakes holds what docs/deploy
// has for Kubernetes and compose to the program: nothing else of them is run.
func TestManifestsStartTheServerWithArgumentsThatItTakes(t *testing.T) {
	stand := strings.NewReplacer("$(POD_IP)", "10.0.0.1", "$(POD_NAME)", "parlor-0",
		"${PARLOR_AUTH_KEY:?the secret that tokens are signed with}", strings.Repeat("k", 32))
	for name, nodes := range map[string]int{"kubernetes/parlor.yaml": 1, "compose/compose.yaml": 3} {
		t.Run(name, func(t *testing.T) {
			var commands [][]string
			var env []string
			for _, document := range documents(t, filepath.Join(testenv.Root(t), "docs", "deploy", name)) {
				walk(document, func(key string, value any) {
					switch value := value.(type) {
					case []any:
						if len(value) > 0 && value[0] == "serve" {
							var command []string
							for _, a := range value {
								command = append(command, stand.Replace(a.(string)))
							}
							commands = append(commands, command)
						}
					case map[string]any:
						if key == "environment" {
							env = nil
							for k, v := range value {
								env = append(env, k+"="+stand.Replace(v.(string)))
							}
						}
					case string:
						if key == "name" && value == "PARLOR_AUTH_KEY" { // it is a secret
							env = append(env, value+"="+strings.Repeat("k", 32))
						}
					}
				})
			}
			if len(commands) != nodes || len(env) == 0 {
				t.Fatalf("found %q, %q", commands, env)
			}
			for _, command := range commands {
				if out, err := run(t, env, slices.Concat([]string{"config", "check"}, command[1:])...); err != nil {
					t.Errorf("%q: %v %s", command, err, out)
				}
			}
		})
	}
}

// documents are those of a YAML file.
func documents(t *testing.T, path string) (all []any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var one any
		switch err := d.Decode(&one); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, one)
	}
}

// walk calls f for each key of a document.
func walk(of any, f func(key string, value any)) {
	switch of := of.(type) {
	case map[string]any:
		for k, v := range of {
			f(k, v)
			walk(v, f)
		}
	case []any:
		for _, v := range of {
			walk(v, f)
		}
	}
}
