// Package settings fills a struct from layers: defaults, a YAML file, the
// environment and flags, each over the one before. The struct is the schema,
// and the only one: flags, variable names, the JSON Schema, the printed
// configuration and the text of errors are all derived from it.
//
// A field takes part if it has the tag key. Its type is a string, a bool, an
// int, a time.Duration, a []string, a [Secret], a type with its own text form
// ([Text]), a struct, or a map from string to any of these.
//
//	type Config struct {
//		Listen  Address       `key:"listen" default:"127.0.0.1:8080" doc:"Where clients connect."`
//		Timeout time.Duration `key:"timeout" default:"5s" min:"1s" max:"1m" doc:"…"`
//		Format  string        `key:"format" default:"text" oneof:"text,json" doc:"…"`
//		Kinds   map[string]Kind `key:"kinds" doc:"…"`
//	}
//
// The path of a value, with dots, is its name in errors: admin.listen is the
// key listen in the section admin, the variable PARLOR_ADMIN_LISTEN and the
// flag --admin-listen. A map or a list that is given in one layer replaces the
// one of the layers below it.
//
// Every mistake is reported at once, as a [Problem] that names the key, where
// it stands, the value and what is allowed. A key, variable or flag that the
// schema does not have is a mistake too.
package settings
