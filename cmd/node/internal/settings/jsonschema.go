package settings

import (
	"encoding/json"
	"reflect"
	"strconv"
)

// durationPattern is what time.ParseDuration takes, without the sign.
const durationPattern = `^(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+$`

// JSONSchema describes the file as a JSON Schema, draft 2020-12, for editors.
func (s *Schema[T]) JSONSchema(title string) ([]byte, error) {
	schema := s.root.jsonSchema()
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = title
	b, err := json.MarshalIndent(schema, "", "  ")
	return append(b, '\n'), err
}

func (n *node) jsonSchema() map[string]any {
	out := make(map[string]any)
	if n.doc != "" {
		out["description"] = n.doc
	}
	switch n.form {
	case group:
		properties := make(map[string]any)
		for _, f := range n.fields {
			properties[f.key] = f.jsonSchema()
		}
		out["type"] = []string{"object", "null"}
		out["properties"] = properties
		out["additionalProperties"] = false
	case table:
		out["type"] = []string{"object", "null"}
		out["additionalProperties"] = n.elem.jsonSchema()
	default:
		n.leafSchema(out)
	}
	return out
}

func (n *node) leafSchema(out map[string]any) {
	switch {
	case n.typ == stringsType:
		items := map[string]any{"type": "string"}
		if n.oneof != nil {
			items["enum"] = n.oneof
		}
		out["type"], out["items"] = "array", items
		return
	case n.typ == durationType:
		out["type"], out["pattern"] = "string", durationPattern
		if r := n.wantRange(); r != "" {
			out["description"] = n.doc + " A duration" + r + "."
		}
	case n.typ.Kind() == reflect.Bool:
		out["type"] = "boolean"
	case n.typ.Kind() == reflect.Int:
		out["type"] = "integer"
		for i, name := range []string{"minimum", "maximum"} {
			if n.bounds[i].IsValid() {
				out[name] = n.bounds[i].Int()
			}
		}
	default:
		out["type"] = "string"
	}
	if n.oneof != nil {
		out["enum"] = n.oneof
	}
	if n.def != "" {
		out["default"] = n.jsonDefault()
	}
}

func (n *node) jsonDefault() any {
	switch {
	case n.typ.Kind() == reflect.Bool:
		return n.def == "true"
	case n.typ.Kind() == reflect.Int && n.typ != durationType:
		i, _ := strconv.Atoi(n.def) // New has seen that it is one
		return i
	}
	return n.def
}
