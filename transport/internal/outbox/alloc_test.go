//go:build !race

// The race detector makes sync.Pool forget at random, so the budgets are held
// in builds without it.

package outbox

import (
	"io"
	"testing"
)

func TestPushAndFlushAllocateNothing(t *testing.T) {
	for _, test := range []struct {
		name   string
		frames int
	}{
		{"one frame", 1},
		{"16 frames", 16},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, client := connect(t, "tcp", "127.0.0.1:0")
			o := newPool(t, Config{}).New(server, newOwner())
			defer o.Close()
			f := Frame{Parts: [][]byte{make([]byte, 4), make([]byte, 100)}}
			buf := make([]byte, test.frames*f.size())
			allocs := testing.AllocsPerRun(2000, func() {
				for range test.frames {
					if err := o.Push(f); err != nil {
						t.Fatal(err)
					}
				}
				o.Flush()
				if _, err := io.ReadFull(client, buf); err != nil {
					t.Fatal(err)
				}
			})
			if allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
		})
	}
}
