// Package clientbundle holds the browser builds of the npm package
// socket.io-client, byte for byte, so that a server can hand out the client it
// was tested with. The licences of what is built into them are in
// dist/LICENSES. .ci/bundle refreshes dist from the version .ci/npm pins.
package clientbundle

import (
	_ "embed"
	"strings"
)

// The files of dist. As byte slices, because embed.FS copies a file on every
// read and any visitor may ask for one.
var (
	//go:embed dist/VERSION
	version string

	//go:embed dist/socket.io.js
	full []byte
	//go:embed dist/socket.io.js.map
	fullMap []byte
	//go:embed dist/socket.io.min.js
	minified []byte
	//go:embed dist/socket.io.min.js.map
	minifiedMap []byte
	//go:embed dist/socket.io.esm.min.js
	module []byte
	//go:embed dist/socket.io.esm.min.js.map
	moduleMap []byte
	//go:embed dist/socket.io.msgpack.min.js
	msgpack []byte
	//go:embed dist/socket.io.msgpack.min.js.map
	msgpackMap []byte
)

// tag is version as the entity tag of every file (RFC 9110, section 8.8.3).
var tag = `"` + version + `"`

// Lookup returns the file that is served as /socket.io/NAME: the browser
// builds and their source maps, with the content type and entity tag that the
// JavaScript server gives them. The tag is strong, quoted, and the same for all
// files of a version. ok is false for every other name, case and path included.
//
// Any goroutine may call it; it does not allocate. body is shared: nobody may
// modify it.
func Lookup(name string) (body []byte, contentType, etag string, ok bool) {
	switch name {
	case "socket.io.js":
		body = full
	case "socket.io.js.map":
		body = fullMap
	case "socket.io.min.js":
		body = minified
	case "socket.io.min.js.map":
		body = minifiedMap
	case "socket.io.esm.min.js":
		body = module
	case "socket.io.esm.min.js.map":
		body = moduleMap
	case "socket.io.msgpack.min.js":
		body = msgpack
	case "socket.io.msgpack.min.js.map":
		body = msgpackMap
	default:
		return nil, "", "", false
	}
	contentType = "application/javascript; charset=utf-8"
	if strings.HasSuffix(name, ".map") {
		contentType = "application/json; charset=utf-8"
	}
	return body, contentType, tag, true
}
