package e2e

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestPythonClientUsesGateways runs the Python client through the conformance
// server: a token, rooms, messages, acknowledgements in both directions,
// binary, errors, and being sent away.
func TestPythonClientUsesGateways(t *testing.T) {
	python := testenv.Python(t)
	for _, how := range transports {
		t.Run(how, func(t *testing.T) {
			s, _ := serveConformance(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, python, "testdata/conf_python.py", s.URL, how).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			untilTrue(t, "nobody is left", func() bool { return s.Node.Stats().Clients == 0 })
		})
	}
}
