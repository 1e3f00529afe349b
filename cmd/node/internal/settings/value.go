package settings

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parse turns text into a value of leaf n. The error is what is wanted
// instead.
func (n *node) parse(text string) (reflect.Value, error) {
	if n.typ == stringsType {
		return n.parseList(text)
	}
	v, ok := n.scan(text)
	switch {
	case !ok,
		n.oneof != nil && !slices.Contains(n.oneof, text),
		n.bounds[0].IsValid() && v.Int() < n.bounds[0].Int(),
		n.bounds[1].IsValid() && v.Int() > n.bounds[1].Int():
		return v, errors.New("want " + n.want())
	}
	return v, nil
}

func (n *node) parseList(text string) (reflect.Value, error) {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return n.list(list)
}

// list checks the items of a []string.
func (n *node) list(items []string) (reflect.Value, error) {
	for _, item := range items {
		if n.oneof != nil && !slices.Contains(n.oneof, item) {
			return reflect.Value{}, fmt.Errorf("want %s, not %q", n.want(), item)
		}
	}
	return reflect.ValueOf(items), nil
}

// scan turns text into the type of n, whatever the rules for n are.
func (n *node) scan(text string) (reflect.Value, bool) {
	p := reflect.New(n.typ)
	v := p.Elem()
	switch {
	case n.isText():
		return v, p.Interface().(Text).UnmarshalText([]byte(text)) == nil
	case n.isSecret():
		v.SetString(text)
		return v, text != redacted
	case n.typ == durationType:
		d, err := time.ParseDuration(text)
		v.SetInt(int64(d))
		return v, err == nil
	}
	switch n.typ.Kind() {
	case reflect.Bool:
		v.SetBool(text == "true")
		return v, text == "true" || text == "false"
	case reflect.Int:
		i, err := strconv.Atoi(text)
		v.SetInt(int64(i))
		return v, err == nil
	default:
		v.SetString(text)
		return v, true
	}
}

// want says what is allowed.
func (n *node) want() string {
	switch {
	case n.form == group:
		return "a section with keys " + list(n.keys())
	case n.form == table:
		return "a section"
	case n.typ == stringsType && n.oneof != nil:
		return "a list of " + strings.Join(n.oneof, ", ")
	case n.typ == stringsType:
		return "a list of texts"
	case n.oneof != nil:
		return list(n.oneof)
	case n.isText():
		return reflect.New(n.typ).Interface().(Text).Want()
	case n.isSecret():
		return "the secret itself, not its redacted form"
	case n.typ == durationType:
		return "a duration such as 33ms or 1m30s" + n.wantRange()
	}
	switch n.typ.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number" + n.wantRange()
	default:
		return "a text"
	}
}

func (n *node) wantRange() string {
	switch {
	case n.min != "" && n.max != "":
		return ", " + n.min + " to " + n.max
	case n.min != "":
		return ", at least " + n.min
	case n.max != "":
		return ", at most " + n.max
	}
	return ""
}

func (n *node) keys() []string {
	var keys []string
	for _, f := range n.fields {
		keys = append(keys, f.key)
	}
	return keys
}

// list writes alternatives: a, b or c.
func list(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " or " + items[last]
}

// text is the value of a leaf as it would be written, a Secret redacted.
func (n *node) text(v reflect.Value) string {
	switch {
	case n.isSecret():
		return v.Interface().(Secret).String()
	case n.typ == stringsType:
		return strings.Join(v.Interface().([]string), ",")
	case n.typ == durationType:
		return durationText(time.Duration(v.Int()))
	}
	return fmt.Sprint(v.Interface())
}

// durationText is d.String without the units that are zero: 1m, not 1m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
