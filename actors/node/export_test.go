package node_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

func TestARoomIsExportedAndImported(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{tallies(actors.KindConfig{Version: 3}, func(string) {})}})
	from, to := actors.RoomRef{Kind: "tally", ID: "from"}, actors.RoomRef{Kind: "tally", ID: "to"}
	ask(t, n, "from", "count", "x")
	ask(t, n, "from", "count", "a \"key\" <with> everything/in it")
	var out bytes.Buffer
	if err := n.Export(t.Context(), from, &out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(out.String(), "\n"); len(lines) != 4 || lines[0] != `{"kind":"tally","id":"from","version":3}` {
		t.Errorf("exported %q", lines)
	}
	if err := n.Import(t.Context(), to, bytes.NewReader(out.Bytes())); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, n, "to", "count", "x"); got != 2 {
		t.Errorf("counted %d", got)
	}
	var again bytes.Buffer
	if err := n.Export(t.Context(), from, &again); err != nil || again.String() != out.String() {
		t.Errorf("the first one has changed: %v %s", err, again.String())
	}
	var e *actors.Error
	if err := n.Import(t.Context(), to, bytes.NewReader(out.Bytes())); !errors.As(err, &e) || e.Code != actors.CodeConflict {
		t.Errorf("import into a room that is there: %v", err)
	}
}

func TestWhatIsNotARoomIsNotImported(t *testing.T) {
	n := start(t, node.Config{Kinds: []actors.Behavior{tallies(actors.KindConfig{Version: 1}, nil)}})
	for name, in := range map[string]string{
		"another kind":   `{"kind":"board","id":"1"}`,
		"not JSON":       "{\"kind\":\"tally\"}\nwhat",
		"no entry":       "{\"kind\":\"tally\"}\n{}",
		"a newer one":    `{"kind":"tally","version":2}`,
		"a key too long": "{\"kind\":\"tally\"}\n{\"field\":\"counts\",\"key\":\"" + strings.Repeat("k", 600) + "\",\"value\":1}",
	} {
		if err := n.Import(t.Context(), actors.RoomRef{Kind: "tally", ID: "1"}, strings.NewReader(in)); err == nil {
			t.Errorf("%s is imported", name)
		}
	}
	if got := ask(t, n, "1", "get", "x"); got != 0 {
		t.Errorf("the room has %d", got)
	}
}
