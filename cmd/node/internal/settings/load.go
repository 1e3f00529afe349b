package settings

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Sources are the layers above the defaults. Each may be left out.
type Sources struct {
	// File is the path of a YAML file. Empty means the one that the variable
	// PREFIX_CONFIG names, if any.
	File string

	// Env are variables as name=value, the last of a name counts. Those that
	// are empty or do not begin with the prefix are passed over.
	Env []string

	// Flags is a set that Schema.Flags was called with, parsed.
	Flags *pflag.FlagSet
}

// Loaded is a configuration that passed every check.
type Loaded[T any] struct {
	Value T

	root    *node
	origins map[string]Origin
}

// Load puts the layers over each other. The error is of type [Problems].
func (s *Schema[T]) Load(src Sources) (*Loaded[T], error) {
	l := &loading{origins: make(map[string]Origin)}
	dst := s.root.zero()
	env := s.environment(l, src.Env)
	if src.File == "" {
		src.File = env[s.prefix+"_CONFIG"]
	}
	if src.File != "" {
		l.file(s.root, dst, src.File)
	}
	s.root.top("", func(path string, n *node) {
		if text, ok := env[s.variable(path)]; ok {
			l.text(n, s.root.at(dst, path), path, Origin{Layer: Environment, Name: s.variable(path)}, text)
		}
	})
	if src.Flags != nil {
		s.root.top("", func(path string, n *node) {
			if f := src.Flags.Lookup(flagName(path)); f != nil && f.Changed {
				l.text(n, s.root.at(dst, path), path, Origin{Layer: Flag, Name: "--" + f.Name}, f.Value.String())
			}
		})
	}
	if len(l.problems) == 0 {
		l.check(s.root, dst, "")
	}
	if len(l.problems) > 0 {
		return nil, l.problems
	}
	return &Loaded[T]{Value: dst.Interface().(T), root: s.root, origins: l.origins}, nil
}

// Origin says where the value at path, as errors name it, was given.
func (l *Loaded[T]) Origin(path string) Origin { return l.origins[path] }

// loading is the work of one Load.
type loading struct {
	origins  map[string]Origin // of everything that is not a default, by path
	problems Problems
}

func (l *loading) bad(at Origin, key, value, want string) {
	l.problems = append(l.problems, Problem{At: at, Key: key, Value: value, Want: want})
}

// text sets what one variable or flag gives.
func (l *loading) text(n *node, dst reflect.Value, path string, at Origin, text string) {
	if n.form == table {
		if doc, ok := l.parse(at, path, []byte(text)); ok && doc != nil {
			l.node(n, dst, path, at, doc)
		}
		return
	}
	v, err := n.parse(text)
	if err != nil {
		l.bad(at, path, n.shown(text), err.Error())
		return
	}
	dst.Set(v)
	l.origins[path] = at
}

// shown is text as an error may repeat it.
func (n *node) shown(text string) string {
	if n.isSecret() {
		return Secret(text).String()
	}
	return text
}

// at finds the value of a path that top reported.
func (n *node) at(v reflect.Value, path string) reflect.Value {
	for key := range strings.SplitSeq(path, ".") {
		n = n.child(key)
		v = v.Field(n.field)
	}
	return v
}

// check calls Check on every section.
func (l *loading) check(n *node, v reflect.Value, path string) {
	if c, ok := v.Interface().(Checker); ok {
		c.Check(func(want string, keys ...string) {
			l.bad(l.locate(n, v, path, keys, want))
		})
	}
	switch n.form {
	case group:
		for _, f := range n.fields {
			l.check(f, v.Field(f.field), join(path, f.key))
		}
	case table:
		for _, key := range sortedKeys(v) {
			l.check(n.elem, v.MapIndex(reflect.ValueOf(key).Convert(n.typ.Key())), join(path, key))
		}
	}
}

// locate turns what a section's Check said into the arguments of bad.
func (l *loading) locate(n *node, v reflect.Value, path string, keys []string, want string) (Origin, string, string, string) {
	at := l.origins[path]
	for _, key := range keys {
		path = join(path, key)
		if o, ok := l.origins[path]; ok {
			at = o
		}
		switch {
		case n == nil:
		case n.form == group:
			if n = n.child(key); n != nil {
				v = v.Field(n.field)
			}
		case n.form == table:
			v = v.MapIndex(reflect.ValueOf(key).Convert(n.typ.Key()))
			if n = n.elem; !v.IsValid() {
				n = nil
			}
		}
	}
	value := ""
	if n != nil && n.form == leaf {
		value = n.text(v)
	}
	return at, path, value, want
}

func sortedKeys(m reflect.Value) []string {
	var keys []string
	for _, k := range m.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	return keys
}

// injected are the variables that Kubernetes sets in every container for a
// service that has the name of the prefix. They are not meant for us.
var injected = regexp.MustCompile(`^(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)$`)

// environment returns the variables that are ours and not empty, and reports
// those that look like ours and are not known.
func (s *Schema[T]) environment(l *loading, env []string) map[string]string {
	known := []string{s.prefix + "_CONFIG"}
	s.root.top("", func(path string, _ *node) { known = append(known, s.variable(path)) })
	ours := make(map[string]string)
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		rest, ok := strings.CutPrefix(name, s.prefix+"_")
		switch {
		case !ok:
		case slices.Contains(known, name):
			if ours[name] = value; value == "" {
				delete(ours, name)
			}
		case value == "" || injected.MatchString(rest):
		default:
			l.bad(Origin{Layer: Environment, Name: name}, "", "", unknown("variable", name, known))
		}
	}
	return ours
}

// variable is the name of the environment variable for a path.
func (s *Schema[T]) variable(path string) string {
	return s.prefix + "_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

// readFile is os.ReadFile without the operation and path in its error.
func readFile(path string) ([]byte, string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, "cannot be read: " + reason(err)
	}
	return data, ""
}
