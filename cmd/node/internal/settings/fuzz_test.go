package settings

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// FuzzFile reads any text as a file: it is refused with problems that say
// where they are, or accepted, and then what is printed reads back the same.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"", "name: x\n", "kinds:\n  a: &a {seats: 5}\n  b: *a\n", "admin: {origins: [a, 'b'], stop_within: 2s}", "kinds: {? [a] : b}",
		"kinds: &k {a: *k}", "name: &n [*n]", "--- !!str a\n...\n", "kinds: {\"a.b\": {sizes: {'': {width: 1}}}}", "<<: {name: x}",
		"name: |\n  a\n  b\n", "kinds: {a: , a: }", "name: \"\\u2028\"", "%YAML 1.2\n---\nname: x", "admin: {ways: [a], open: false}",
	} {
		f.Add([]byte(seed))
	}
	schema, err := New[sample]("PARLOR")
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "c.yaml")
	read := func(t *testing.T, text []byte) (*Loaded[sample], error) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return schema.Load(Sources{File: path})
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := read(t, text)
		if err != nil {
			var all Problems
			if !errors.As(err, &all) || len(all) == 0 {
				t.Fatalf("the error is no problems: %v", err)
			}
			for _, p := range all {
				if p.At.Name != path || p.Want == "" {
					t.Fatalf("a problem says too little: %+v", p)
				}
			}
			return
		}
		var b bytes.Buffer
		if err := l.Print(&b); err != nil {
			t.Fatal(err)
		}
		if l.Value.Admin.Token != "" {
			return // it is printed redacted, which is refused
		}
		again, err := read(t, b.Bytes())
		if err != nil {
			t.Fatalf("what was printed is refused: %v\n%s", err, b.String())
		}
		if !reflect.DeepEqual(normal(again.Value), normal(l.Value)) {
			t.Fatalf("what was printed reads as\n%+v\nwant\n%+v", again.Value, l.Value)
		}
	})
}

// normal makes empty maps and lists alike.
func normal(s sample) sample {
	if len(s.Kinds) == 0 {
		s.Kinds = nil
	}
	for k, v := range s.Kinds {
		if len(v.Sizes) == 0 {
			v.Sizes = nil
			s.Kinds[k] = v
		}
	}
	if len(s.Admin.Origins) == 0 {
		s.Admin.Origins = nil
	}
	if len(s.Admin.Ways) == 0 {
		s.Admin.Ways = nil
	}
	return s
}
