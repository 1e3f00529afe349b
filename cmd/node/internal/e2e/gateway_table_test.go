package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

const tableScript = "testdata/gateway_table.mjs"

// outcomes is a testing.TB that takes what a script prints.
type outcomes struct {
	testing.TB
	mu    sync.Mutex // guards lines
	lines []string
}

func (o *outcomes) Log(args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
}

// runRows runs a script and returns what it printed.
func runRows(t *testing.T, args ...string) []string {
	t.Helper()
	o := &outcomes{TB: t}
	err := testenv.StartNode(o, tableScript, args...)()
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(o.lines, "\n"))
	}
	return o.lines
}

// TestEveryRowOfFromSocketIO runs each feature that docs/from-socketio.md says
// is here, with the stock JavaScript client on every transport.
func TestEveryRowOfFromSocketIO(t *testing.T) {
	for _, how := range transports {
		t.Run(how, func(t *testing.T) {
			s, _ := serveConformance(t)
			for _, line := range runRows(t, s.URL, how) {
				result, ok := strings.CutPrefix(line, "ok ")
				if !ok {
					result, ok = strings.CutPrefix(line, "not ok ")
					name, why, _ := strings.Cut(result, ": ")
					if !ok {
						name, why = "output", line
					}
					t.Run(name, func(t *testing.T) { t.Error(why) })
					continue
				}
				t.Run(result, func(*testing.T) {})
			}
		})
	}
}

// TestFromSocketIOMatchesItsTests holds the page and the rows together: what
// the page says is here has a row of the same name, and the other way round.
func TestFromSocketIOMatchesItsTests(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", "from-socketio.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := runRows(t, "", "rows")
	var documented []string
	for _, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Socket.IO") {
			continue
		}
		name := strings.ReplaceAll(strings.TrimPrefix(cells[0], "| "), "`", "")
		switch test := strings.TrimSuffix(strings.TrimSpace(cells[2]), " |"); {
		case test == "✓":
			if slices.Contains(documented, name) {
				t.Errorf("the page has %q twice", name)
			}
			documented = append(documented, name)
			if !slices.Contains(rows, name) {
				t.Errorf("%q has no row in %s", name, tableScript)
			}
		case len(test) < 10:
			t.Errorf("%q neither has a row nor says why not: %q", name, test)
		}
	}
	for _, row := range rows {
		if !slices.Contains(documented, row) {
			t.Errorf("the row %q is not on the page", row)
		}
	}
}
