package connection

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
)

// authPayload is a CONNECT payload, docs/protocol.md section 2.
type authPayload struct {
	Token, PID, Offset string
	Rest               json.RawMessage // without the reserved keys, otherwise as it stands; nil if nothing is left
}

// readAuth takes a CONNECT payload apart. Keys are those of the protocol to
// the letter. It returns an *actors.Error with CodeBadAuth for anything but an
// object, or null, whose reserved values are strings, or null, and for one in
// which a key comes twice, case aside: who reads it with encoding/json and who
// reads it otherwise would see different people.
func readAuth(data []byte) (authPayload, error) {
	var a authPayload
	if data = bytes.TrimSpace(data); len(data) == 0 || string(data) == "null" {
		return a, nil
	}
	members, err := rawjson.Object(data)
	if err != nil {
		return a, actors.Errorf(actors.CodeBadAuth, "auth: want an object")
	}
	if ambiguous(members) {
		return a, actors.Errorf(actors.CodeBadAuth, "auth: a key comes twice, upper and lower case being the same")
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

// ambiguous reports whether two keys are the same to encoding/json.
func ambiguous(members []rawjson.Member) bool {
	if len(members) < 2 {
		return false
	}
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		key := strings.Map(fold, m.Key)
		if seen[key] {
			return true
		}
		seen[key] = true
	}
	return false
}

// fold is the least of the characters that differ from r in case only.
func fold(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
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
