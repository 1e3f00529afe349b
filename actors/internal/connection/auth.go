package connection

import (
	"bytes"
	"encoding/json"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
)

// authPayload is a CONNECT payload, docs/protocol.md section 2.
type authPayload struct {
	Token, PID, Offset string
	Rest               json.RawMessage // without the reserved keys, otherwise as it stands; nil if nothing is left
}

// readAuth takes a CONNECT payload apart. Keys are those of the protocol to
// the letter; of a key that comes twice the last value counts, as in
// JavaScript, and all of them are removed. It returns an *actors.Error with
// CodeBadAuth for anything but an object, or null, whose reserved values are
// strings, or null.
func readAuth(data []byte) (authPayload, error) {
	var a authPayload
	if data = bytes.TrimSpace(data); len(data) == 0 || string(data) == "null" {
		return a, nil
	}
	members, err := rawjson.Object(data)
	if err != nil {
		return a, actors.Errorf(actors.CodeBadAuth, "auth: want an object")
	}
	rest := make([]rawjson.Member, 0, len(members))
	for _, m := range members {
		to, reserved := a.reserved(m.Key)
		switch {
		case !reserved:
			rest = append(rest, m)
		case to == nil:
		case string(m.Value) == "null":
			*to = ""
		case json.Unmarshal(m.Value, to) != nil:
			return a, actors.Errorf(actors.CodeBadAuth, "auth: %s: want a string", m.Key)
		}
	}
	switch {
	case len(rest) == len(members):
		a.Rest = data
	case len(rest) > 0:
		a.Rest = rawjson.AppendObject(nil, rest)
	}
	return a, nil
}

// reserved says whether a key is Parlor's and where its value goes, if
// anywhere.
func (a *authPayload) reserved(key string) (to *string, is bool) {
	switch key {
	case "token":
		return &a.Token, true
	case "pid":
		return &a.PID, true
	case "offset":
		return &a.Offset, true
	case "$parlor":
		return nil, true
	}
	return nil, false
}
