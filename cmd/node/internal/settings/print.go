package settings

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Print writes the configuration as YAML, with where each value came from as a
// comment, and secrets redacted.
func (l *Loaded[T]) Print(w io.Writer) error {
	p := &printer{origins: l.origins}
	p.section(l.root, reflect.ValueOf(l.Value), "", 0)
	return p.flush(w)
}

type printer struct {
	origins map[string]Origin
	lines   []line
}

type line struct{ text, comment string }

func (p *printer) add(depth int, text, comment string) {
	p.lines = append(p.lines, line{strings.Repeat("  ", depth) + text, comment})
}

func (p *printer) section(n *node, v reflect.Value, path string, depth int) {
	if n.form == group {
		for _, f := range n.fields {
			p.entry(f, f.key, v.Field(f.field), join(path, f.key), depth)
		}
		return
	}
	for _, key := range sortedKeys(v) {
		p.entry(n.elem, key, v.MapIndex(reflect.ValueOf(key).Convert(n.typ.Key())), join(path, key), depth)
	}
}

func (p *printer) entry(n *node, key string, v reflect.Value, path string, depth int) {
	head := scalar(key) + ":"
	switch {
	case n.form == leaf:
		p.add(depth, head+" "+n.yaml(v), p.origins[path].String())
	case n.form == table && v.Len() == 0:
		p.add(depth, head+" {}", p.origins[path].String())
	default:
		p.add(depth, head, "")
		p.section(n, v, path, depth+1)
	}
}

// yaml is a leaf as YAML on one line.
func (n *node) yaml(v reflect.Value) string {
	switch {
	case n.typ == stringsType:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = flowScalar(v.Index(i).String())
		}
		return "[" + strings.Join(items, ", ") + "]"
	case n.typ != durationType && (n.typ.Kind() == reflect.Bool || n.typ.Kind() == reflect.Int):
		return n.text(v)
	}
	return scalar(n.text(v))
}

// scalar is a text as a YAML scalar on one line.
func scalar(s string) string {
	style := yaml.Style(0)
	if strings.ContainsAny(s, "\n\r") || len(s) > 60 {
		style = yaml.DoubleQuotedStyle
	}
	b, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: style})
	if err != nil || bytes.Count(b, []byte("\n")) != 1 {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSuffix(string(b), "\n")
}

// flowScalar is scalar for the inside of a list in brackets.
func flowScalar(s string) string {
	if plain(s) {
		return scalar(s)
	}
	return fmt.Sprintf("%q", s)
}

// flush writes the lines with their comments below each other, as far as they
// are not pushed out by long values.
func (p *printer) flush(w io.Writer) error {
	column := 0
	for _, l := range p.lines {
		if n := utf8.RuneCountInString(l.text); n > column && n <= 48 && l.comment != "" {
			column = n
		}
	}
	var b bytes.Buffer
	for _, l := range p.lines {
		b.WriteString(l.text)
		if l.comment != "" {
			fmt.Fprintf(&b, "%*s  # %s", max(0, column-utf8.RuneCountInString(l.text)), "", l.comment)
		}
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}
