package house

import (
	"fmt"
	"slices"
	"strings"
)

// modulePath is what the import paths of this repository begin with.
const modulePath = "github.com/parlor-rooms/parlor"

// pkg is what `go list -json` says about one package.
type pkg struct {
	ImportPath   string
	Doc          string
	GoFiles      []string
	Imports      []string
	TestImports  []string // of files in the package
	XTestImports []string // of files in the package's _test twin
}

// path is the package's path in this module; the module's root is ".".
func (p pkg) path() string { return own(p.ImportPath) }

// rules are the tables, so that a test can bring others.
type rules struct {
	layers []layer
	homes  []home
}

// check returns one sentence per violation, sorted.
func (r rules) check(graph []pkg) []string {
	var found []string
	for _, p := range graph {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			found = append(found, p.path()+" has no package comment")
		}
		for _, imported := range p.Imports {
			found = append(found, r.checkImport(p.path(), imported, false)...)
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			found = append(found, r.checkImport(p.path(), imported, true)...)
		}
	}
	for _, l := range r.layers {
		if l.stdlib {
			found = append(found, checkStdlib(l, graph)...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// checkImport holds one import of a package to the tables.
func (r rules) checkImport(who, imported string, inTest bool) []string {
	switch path := own(imported); {
	case path != "":
		return r.checkOwn(who, path, inTest)
	case standard(imported):
		return nil
	default:
		return r.checkThirdParty(who, imported, inTest)
	}
}

func (r rules) checkOwn(who, path string, inTest bool) []string {
	var found []string
	for _, l := range r.layers {
		if !match(who, l.who) || matchAny(path, l.only) {
			continue
		}
		if inTest && (path == who || matchAny(path, l.tests) || matchAny(path, testSupport)) {
			continue
		}
		found = append(found, fmt.Sprintf("%s imports %s: %s", named(who, inTest), path, l.because))
	}
	return found
}

func (r rules) checkThirdParty(who, imported string, inTest bool) []string {
	best := -1
	for i, h := range r.homes {
		if match(imported, h.module+"/...") && (best < 0 || len(h.module) > len(r.homes[best].module)) {
			best = i
		}
	}
	if best < 0 {
		return []string{fmt.Sprintf("%s imports %s, which has no home in the table", named(who, inTest), imported)}
	}
	h := r.homes[best]
	if matchAny(who, h.homes) || inTest && matchAny(who, h.tests) {
		return nil
	}
	return []string{fmt.Sprintf("%s imports %s, which does not live there: %s", named(who, inTest), imported, h.because)}
}

// checkStdlib follows the imports of l.who, tests aside, and reports
// third-party ones.
func checkStdlib(l layer, graph []pkg) []string {
	var found []string
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		at := slices.IndexFunc(graph, func(p pkg) bool { return p.path() == path })
		if seen[path] || at < 0 {
			return
		}
		seen[path] = true
		for _, imported := range graph[at].Imports {
			if next := own(imported); next != "" {
				visit(next)
			} else if !standard(imported) {
				found = append(found, fmt.Sprintf("%s, which %s needs, imports %s: %s", path, l.who, imported, l.because))
			}
		}
	}
	visit(l.who)
	return found
}

// own turns an import path of this module into its path in the module, and any
// other into "".
func own(imported string) string {
	if imported == modulePath {
		return "."
	}
	path, _ := strings.CutPrefix(imported, modulePath+"/")
	if path == imported {
		return ""
	}
	return path
}

// standard reports that a path is of the standard library: only there has the
// first element no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func match(path, pattern string) bool {
	if pattern == "..." {
		return true
	}
	if base, below := strings.CutSuffix(pattern, "/..."); below {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return path == pattern
}

func matchAny(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(path, pattern) })
}

func named(who string, inTest bool) string {
	if inTest {
		return "a test of " + who
	}
	return who
}
