package settings

import (
	"reflect"
	"strings"

	"github.com/spf13/pflag"
)

// Flags adds a flag for every setting to fs, except for secrets: the arguments
// of a process are no secret. A map is given as YAML, or JSON, which is YAML.
func (s *Schema[T]) Flags(fs *pflag.FlagSet) {
	s.root.top("", func(path string, n *node) {
		if n.isSecret() {
			return
		}
		f := fs.VarPF(&flagValue{text: n.def, kind: n.flagType()}, flagName(path), "", n.doc)
		if n.typ.Kind() == reflect.Bool {
			f.NoOptDefVal = "true"
		}
	})
}

// flagName is the name of the flag for a path.
func flagName(path string) string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(path)
}

func (n *node) flagType() string {
	switch {
	case n.form == table:
		return "yaml"
	case n.typ == durationType:
		return "duration"
	case n.typ == stringsType:
		return "list"
	case n.oneof != nil:
		return strings.Join(n.oneof, "|")
	case n.isText():
		return strings.ToLower(strings.TrimPrefix(n.typ.Name(), "Optional"))
	}
	return n.typ.Kind().String()
}

// flagValue keeps the text of a flag until Load, which judges it together
// with the other layers.
type flagValue struct{ text, kind string }

func (v *flagValue) String() string        { return v.text }
func (v *flagValue) Set(text string) error { v.text = text; return nil }
func (v *flagValue) Type() string          { return v.kind }
