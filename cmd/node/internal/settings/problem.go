package settings

import (
	"fmt"
	"strconv"
	"strings"
)

// Origin says where a value was given.
type Origin struct {
	Layer  Layer
	Name   string // path of the file, name of the variable or the flag
	Line   int    // in the file or the text, from 1; 0 if it is not known
	Column int    // in characters, from 1; 0 if it is not known
}

// Layer is one source of values. Higher ones win.
type Layer uint8

// The layers, in ascending order.
const (
	Default Layer = iota
	File
	Environment
	Flag
)

// String is "default", "parlor.yaml:12:7", "PARLOR_LISTEN" or "--listen".
func (o Origin) String() string {
	s := o.Name
	if o.Layer == Default {
		s = "default"
	}
	if o.Line > 0 {
		s += ":" + strconv.Itoa(o.Line)
	}
	if o.Column > 0 {
		s += ":" + strconv.Itoa(o.Column)
	}
	return s
}

// Problem is one mistake in a configuration.
type Problem struct {
	At    Origin
	Key   string // path of the key; empty if the source as a whole is meant
	Value string // as given, a secret redacted; empty if there is none
	Want  string // what is allowed, or what is wrong
}

// Error reads like "parlor.yaml:12:7: kinds.lobby.max_members: "many": want a
// whole number, 1 to 1000000".
func (p Problem) Error() string {
	parts := []string{p.At.String()}
	if p.Key != "" {
		parts = append(parts, p.Key)
	}
	if p.Value != "" {
		parts = append(parts, strconv.Quote(p.Value))
	}
	return strings.Join(append(parts, p.Want), ": ")
}

// Problems is everything that is wrong with a configuration, one line each.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// join appends a key to a path. A key that is not a plain word is quoted, so
// that paths are unambiguous.
func join(path, key string) string {
	if !plain(key) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func plain(key string) bool {
	for _, c := range key {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '*' {
			return false
		}
	}
	return key != ""
}

// unknown says of a name that is not in known what might have been meant.
func unknown(what, name string, known []string) string {
	best, at := "", 3
	for _, k := range known {
		if d := distance(name, k); d < at {
			best, at = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("unknown %s, did you mean %s?", what, best)
	}
	if len(known) > 12 {
		return "unknown " + what
	}
	return fmt.Sprintf("unknown %s, want %s", what, list(known))
}

// distance is the number of insertions, deletions and substitutions between
// two names.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
