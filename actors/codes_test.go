package actors_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

// constants returns the values of the string constants of a type in a file.
func constants(t *testing.T, file, typ string) []string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typ {
			for _, v := range spec.Values {
				s, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, s)
			}
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("no %s in %s", typ, file)
	}
	return values
}

// section returns a section of the protocol page.
func section(t *testing.T, title string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n## "+title)
	if !found {
		t.Fatalf("docs/protocol.md has no section %q", title)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

func TestErrorCodesAreTheListOfTheProtocol(t *testing.T) {
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section(t, "9. Error codes"), -1) {
		listed = append(listed, row[1])
	}
	defined := constants(t, "errors.go", "Code")
	slices.Sort(listed)
	slices.Sort(defined)
	if !slices.Equal(listed, defined) {
		t.Errorf("defined %v\nlisted  %v", defined, listed)
	}
	var told []string
	for _, code := range actors.Codes() {
		told = append(told, string(code))
	}
	slices.Sort(told)
	if !slices.Equal(told, defined) {
		t.Errorf("defined %v\nCodes   %v", defined, told)
	}
	form := regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	for _, code := range defined {
		if !form.MatchString(code) {
			t.Errorf("code %q is malformed", code)
		}
	}
}

func TestLeaveReasonsAreTheListOfTheProtocol(t *testing.T) {
	text := section(t, "5. Leaving")
	for _, reason := range constants(t, "reason.go", "LeaveReason") {
		if reason == string(actors.ReasonReplaced) {
			continue // of a connection: the member stays, so the room is told nothing
		}
		if !strings.Contains(text, "`"+reason+"`") {
			t.Errorf("section 5 does not list %q", reason)
		}
	}
}

func TestOnlyTheNetworkOrTheNodeLeavesTheSeatOpen(t *testing.T) {
	returns := []actors.LeaveReason{
		actors.ReasonTransportClosed, actors.ReasonTransportError, actors.ReasonPingTimeout,
		actors.ReasonTooSlow, actors.ReasonOverloaded, actors.ReasonNodeLost, actors.ReasonShutdown,
	}
	for _, name := range constants(t, "reason.go", "LeaveReason") {
		r := actors.LeaveReason(name)
		if got, want := r.MayReturn(), slices.Contains(returns, r); got != want {
			t.Errorf("%s: MayReturn %v, want %v", r, got, want)
		}
	}
	if actors.LeaveReason("").MayReturn() {
		t.Error("no reason may return")
	}
}

func TestClientsSeeOnlyErrorsMadeForThem(t *testing.T) {
	known := actors.Errorf(actors.CodeConflict, "taken by %s", "Ada")
	var nilError *actors.Error
	for name, c := range map[string]struct {
		err     error
		code    actors.Code
		message string
	}{
		"its own":            {known, actors.CodeConflict, "taken by Ada"},
		"wrapped":            {fmt.Errorf("add: %w", known), actors.CodeConflict, "taken by Ada"},
		"joined":             {errors.Join(errors.New("x"), known), actors.CodeConflict, "taken by Ada"},
		"a code of the room": {actors.Errorf("out_of_mana", "no"), "out_of_mana", "no"},
		"any other":          {errors.New("pq: password is hunter2"), actors.CodeInternal, "internal error"},
		"a malformed code":   {actors.Errorf("Out of mana!", "no"), actors.CodeInternal, "internal error"},
		"an empty code":      {&actors.Error{Message: "no"}, actors.CodeInternal, "internal error"},
		"a code too long":    {actors.Errorf(actors.Code(strings.Repeat("a", 65)), "no"), actors.CodeInternal, "internal error"},
		"a nil *Error":       {nilError, actors.CodeInternal, "internal error"},
		"a wrapped nil":      {fmt.Errorf("add: %w", nilError), actors.CodeInternal, "internal error"},
	} {
		t.Run(name, func(t *testing.T) {
			got := actors.AsError(c.err)
			if got == nil || got.Code != c.code || got.Message != c.message {
				t.Errorf("AsError(%v) = %+v", c.err, got)
			}
		})
	}
	if got := actors.AsError(nil); got != nil {
		t.Errorf("AsError(nil) = %v", got)
	}
	wantEqual(t, "text", known.Error(), "conflict: taken by Ada")
	wantEqual(t, "text of nil", nilError.Error(), "nil *actors.Error")
}
