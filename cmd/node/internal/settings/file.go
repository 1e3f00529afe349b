package settings

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// file sets what a YAML file gives.
func (l *loading) file(root *node, dst reflect.Value, path string) {
	at := Origin{Layer: File, Name: path}
	data, problem := readFile(path)
	if problem != "" {
		l.bad(at, "", "", problem)
		return
	}
	if doc, ok := l.parse(at, "", data); ok && doc != nil {
		l.node(root, dst, "", at, doc)
	}
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// parse reads one YAML document; the node is nil if it is empty.
func (l *loading) parse(at Origin, path string, data []byte) (*yaml.Node, bool) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, true
	case err != nil:
		l.syntax(at, path, err)
		return nil, false
	}
	switch err := d.Decode(&more); {
	case err == nil:
		at.Line, at.Column = more.Line, more.Column
		l.bad(at, path, "", "a second document: want one")
		return nil, false
	case !errors.Is(err, io.EOF):
		l.syntax(at, path, err)
		return nil, false
	}
	return doc.Content[0], true
}

// syntax reports an error of the YAML parser, which begins "yaml: line N: "
// where it knows the line.
func (l *loading) syntax(at Origin, path string, err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		number, what, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			at.Line, text = n, what
		}
	}
	l.bad(at, path, "", text)
}

// node sets what y gives to n. How deep it goes is bounded by the schema,
// whatever aliases y has.
func (l *loading) node(n *node, dst reflect.Value, path string, at Origin, y *yaml.Node) {
	at.Line, at.Column = y.Line, y.Column
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if y.Kind == yaml.ScalarNode && y.Tag == "!!null" {
		return // the key without a value: what it has already
	}
	switch n.form {
	case leaf:
		l.leaf(n, dst, path, at, y)
	case group:
		l.mapping(y, path, at, n.want(), func(key string, at Origin, value *yaml.Node) {
			f := n.child(key)
			if f == nil {
				l.bad(at, join(path, key), "", unknown("key", key, n.keys()))
				return
			}
			if f.form != leaf {
				l.origins[join(path, key)] = at
			}
			l.node(f, dst.Field(f.field), join(path, key), at, value)
		})
	case table:
		l.forget(path)
		l.origins[path] = at
		m := reflect.MakeMap(n.typ)
		l.mapping(y, path, at, n.want(), func(key string, at Origin, value *yaml.Node) {
			v := n.elem.zero()
			if n.elem.form != leaf {
				l.origins[join(path, key)] = at
			}
			l.node(n.elem, v, join(path, key), at, value)
			m.SetMapIndex(reflect.ValueOf(key).Convert(n.typ.Key()), v)
		})
		dst.Set(m)
	}
}

// mapping calls f for every key of y.
func (l *loading) mapping(y *yaml.Node, path string, at Origin, want string, f func(string, Origin, *yaml.Node)) {
	if y.Kind != yaml.MappingNode {
		l.bad(at, path, y.Value, "want "+want)
		return
	}
	seen := make(map[string]Origin)
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		at := Origin{Layer: at.Layer, Name: at.Name, Line: key.Line, Column: key.Column}
		if key.Kind != yaml.ScalarNode {
			l.bad(at, path, "", "a key is a text")
			continue
		}
		if first, twice := seen[key.Value]; twice {
			l.bad(at, join(path, key.Value), "", "given twice, first at "+first.String())
			continue
		}
		seen[key.Value] = at
		f(key.Value, at, y.Content[i+1])
	}
}

// leaf sets a scalar or a list.
func (l *loading) leaf(n *node, dst reflect.Value, path string, at Origin, y *yaml.Node) {
	var v reflect.Value
	var err error
	switch {
	case n.typ == stringsType && y.Kind == yaml.SequenceNode:
		items := []string{}
		for _, item := range y.Content {
			if item.Kind == yaml.AliasNode {
				item = item.Alias
			}
			if item.Kind != yaml.ScalarNode {
				l.bad(Origin{Layer: at.Layer, Name: at.Name, Line: item.Line, Column: item.Column}, path, "", "want "+n.want())
				return
			}
			items = append(items, item.Value)
		}
		v, err = n.list(items)
	case y.Kind == yaml.ScalarNode:
		v, err = n.parse(y.Value)
	default:
		err = errors.New("want " + n.want())
	}
	if err != nil {
		l.bad(at, path, n.shown(y.Value), err.Error())
		return
	}
	dst.Set(v)
	l.origins[path] = at
}

// forget drops the origins below a path whose value is replaced.
func (l *loading) forget(path string) {
	for p := range l.origins {
		if strings.HasPrefix(p, path+".") {
			delete(l.origins, p)
		}
	}
}
