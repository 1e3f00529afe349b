package wire

import (
	"encoding/json"

	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
)

// CutMetadata takes the client's metadata off the arguments of an event: a
// last argument that is an object with the one key "$parlor", whatever is in
// it. cid is the command id, empty if there is none that is well formed.
func CutMetadata(args []json.RawMessage) (rest []json.RawMessage, cid string) {
	if len(args) == 0 {
		return args, ""
	}
	value, is := rawjson.Only(args[len(args)-1], "$parlor")
	if !is {
		return args, ""
	}
	members, _ := rawjson.Object(value)
	for _, m := range members {
		if m.Key == "cid" && (json.Unmarshal(m.Value, &cid) != nil || !ValidCommandID(cid)) {
			cid = ""
		}
	}
	return args[:len(args)-1], cid
}

// ValidCommandID reports whether cid is 1 to 64 bytes of [A-Za-z0-9._~:@-].
func ValidCommandID(cid string) bool {
	for i := range len(cid) {
		switch c := cid[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '_', c == '~', c == ':', c == '@', c == '-':
		default:
			return false
		}
	}
	return cid != "" && len(cid) <= 64
}
