package transport

import (
	"context"
	"os/exec"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestPythonClientTalksEveryWay(t *testing.T) {
	for _, how := range []string{"websocket", "polling", "upgrade"} {
		t.Run(how, func(t *testing.T) {
			s := serve(t, Config{})
			ctx, cancel := context.WithTimeout(context.Background(), 6*patience)
			defer cancel()
			out, err := exec.CommandContext(ctx, testenv.Python(t), "testdata/python/talk.py", s.base, how).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if n := s.handler.Stats(); n.Closed[actors.ReasonProtocolError] != 0 {
				t.Errorf("the client was told that it broke the protocol: %+v", n)
			}
		})
	}
}
