package house

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/licensecheck"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// linkable are licences, by their SPDX names, that ask for no more than to be
// named: a program that links them may be given away, or kept, as one likes.
var linkable = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unlicense", "CC0-1.0", "Zlib"}

// testable are those of modules that only tests use, which nobody is given.
var testable = append([]string{"MPL-2.0"}, linkable...)

// licensed is how much of a file its licence has to be, in percent.
const licensed = 75.0

var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[sc]e|copying)([-._].*)?$`)

// mod is a module as go list shows it.
type mod struct{ Path, Version, Dir string }

// TestEveryModuleMayBeUsed prints, with -v, which licence every module has.
func TestEveryModuleMayBeUsed(t *testing.T) {
	shipped := slices.DeleteFunc(strings.Fields(goList(t, "./...")), forTests)
	linked := modules(t, shipped...)
	for _, m := range modules(t, "-test", "./...") {
		allowed, use := testable, "tests"
		if slices.Contains(linked, m) {
			allowed, use = linkable, "linked"
		}
		names, err := licences(m.Dir, allowed)
		if err != nil {
			t.Errorf("%s %s (%s): %v", m.Path, m.Version, use, err)
			continue
		}
		t.Logf("%-6s  %-60s %s", use, m.Path+" "+m.Version, strings.Join(names, ", "))
	}
	if len(linked) == 0 {
		t.Error("no module is linked: the loading went wrong")
	}
}

// forTests reports whether a package is one that only tests import, as
// storetest is.
func forTests(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(element string) bool { return strings.HasSuffix(element, "test") })
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir, cmd.Stderr = testenv.Root(t), os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return string(text)
}

// modules lists the modules of every package that some packages of this module
// import, this one aside; with -test, or their tests.
func modules(t *testing.T, packages ...string) []mod {
	t.Helper()
	text := goList(t, append([]string{"-deps", "-json=Module"}, packages...)...)
	found := make(map[string]mod)
	for dec := json.NewDecoder(strings.NewReader(text)); ; {
		var p struct {
			Module *struct {
				mod
				Main    bool
				Replace *mod
			}
		}
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return slices.SortedFunc(maps.Values(found), func(a, b mod) int { return strings.Compare(a.Path, b.Path) })
		case err != nil:
			t.Fatalf("go list: %v", err)
		case p.Module == nil || p.Module.Main:
		case p.Module.Replace != nil:
			found[p.Module.Path] = *p.Module.Replace
		default:
			found[p.Module.Path] = p.Module.mod
		}
	}
}

// licences names the licences of the files in a module's root. Every one of
// them has to be known and allowed.
func licences(dir string, allowed []string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) == ".go" || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		cover := licensecheck.Scan(text)
		if cover.Percent < licensed {
			return nil, fmt.Errorf("%s is not a licence that is known (%.0f %% of it is)", e.Name(), cover.Percent)
		}
		for _, m := range cover.Match {
			if !slices.Contains(allowed, m.ID) {
				return nil, fmt.Errorf("%s: %s is not among %s", e.Name(), m.ID, strings.Join(allowed, ", "))
			}
			names = append(names, m.ID)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("there is no licence")
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

const isc = `Permission to use, copy, modify, and/or distribute this software for any
purpose with or without fee is hereby granted, provided that the above
copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES
WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF
MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR
ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES
WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF
OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`

func TestALicenceIsKnownAndAllowedOrAnError(t *testing.T) {
	for name, c := range map[string]struct {
		files   map[string]string
		allowed []string
		want    string // of the error; empty for none
	}{
		"allowed":         {map[string]string{"LICENSE": isc}, linkable, ""},
		"in another file": {map[string]string{"COPYING.md": isc, "main.go": "package x"}, linkable, ""},
		"not allowed":     {map[string]string{"LICENSE": isc}, []string{"MIT"}, "ISC is not among MIT"},
		"none":            {map[string]string{"README": isc}, linkable, "there is no licence"},
		"unknown":         {map[string]string{"LICENSE": "You may look at it."}, linkable, "not a licence that is known"},
		"a second one":    {map[string]string{"LICENSE": isc, "LICENSE.old": "All rights reserved."}, linkable, "LICENSE.old"},
	} {
		dir := t.TempDir()
		for file, text := range c.files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		names, err := licences(dir, c.allowed)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want %q", name, names, err, c.want)
		}
	}
}
