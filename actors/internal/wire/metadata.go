package wire

import (
	"bytes"
	"encoding/json"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
)

// metadataKey is the key of a client's metadata.
const metadataKey = "$parlor"

// Traceparent returns the trace context that a client has sent along: in the
// metadata of an EVENT, or in that of a CONNECT payload. It does not allocate
// for packets without any.
func Traceparent(p *actors.Packet) (actors.Trace, bool) {
	if !bytes.Contains(p.Data, []byte(`"`+metadataKey+`"`)) {
		return actors.Trace{}, false
	}
	var metadata json.RawMessage
	switch p.Type {
	case actors.PacketEvent:
		args, err := rawjson.Split(p.Data)
		if err != nil || len(args) < 2 {
			return actors.Trace{}, false
		}
		metadata, _ = rawjson.Only(args[len(args)-1], metadataKey)
	case actors.PacketConnect:
		members, _ := rawjson.Object(p.Data)
		for _, m := range members {
			if m.Key == metadataKey {
				metadata = m.Value
			}
		}
	}
	members, _ := rawjson.Object(metadata)
	for _, m := range members {
		var text string
		if m.Key == "traceparent" && json.Unmarshal(m.Value, &text) == nil {
			return actors.ParseTraceparent(text)
		}
	}
	return actors.Trace{}, false
}

// CutMetadata takes the client's metadata off the arguments of an event: a
// last argument that is an object with the one key "$parlor", whatever is in
// it. cid is the command id, empty if there is none that is well formed.
func CutMetadata(args []json.RawMessage) (rest []json.RawMessage, cid string) {
	if len(args) == 0 {
		return args, ""
	}
	value, is := rawjson.Only(args[len(args)-1], metadataKey)
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
