package actors_test

import (
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func TestTraceparentIsReadAsTheStandardSays(t *testing.T) {
	const id, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for name, c := range map[string]struct {
		in      string
		valid   bool
		sampled bool
	}{
		"sampled":                       {"00-" + id + "-" + span + "-01", true, true},
		"not sampled":                   {"00-" + id + "-" + span + "-00", true, false},
		"another flag":                  {"00-" + id + "-" + span + "-03", true, true},
		"a later version, longer":       {"cc-" + id + "-" + span + "-01-what-comes", true, true},
		"a later version, no longer":    {"01-" + id + "-" + span + "-01", true, true},
		"version 00 with more":          {"00-" + id + "-" + span + "-01-x", false, false},
		"a later version, run together": {"cc-" + id + "-" + span + "-01x", false, false},
		"version ff":                    {"ff-" + id + "-" + span + "-01", false, false},
		"upper case":                    {"00-" + strings.ToUpper(id) + "-" + span + "-01", false, false},
		"trace id of zeros":             {"00-" + strings.Repeat("0", 32) + "-" + span + "-01", false, false},
		"span id of zeros":              {"00-" + id + "-" + strings.Repeat("0", 16) + "-01", false, false},
		"cut off":                       {"00-" + id + "-" + span + "-0", false, false},
		"not hexadecimal":               {"00-" + id[:31] + "g-" + span + "-01", false, false},
		"empty":                         {"", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := actors.ParseTraceparent(c.in)
			if ok != c.valid || got.Sampled() != c.sampled || got.Valid() != c.valid {
				t.Errorf("ParseTraceparent(%q) = %v, %v; sampled %v", c.in, got, ok, got.Sampled())
			}
			if strings.HasPrefix(c.in, "00-") && ok && got.String() != c.in {
				t.Errorf("String is %q, want %q", got.String(), c.in)
			}
		})
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := actors.ParseTraceparent(s)
		if ok != got.Valid() {
			t.Fatalf("%q: %v and %v", s, got, ok)
		}
		if again, same := actors.ParseTraceparent(got.String()); ok && (!same || again != got) {
			t.Fatalf("%q is not itself after a round trip: %v", s, again)
		}
	})
}
