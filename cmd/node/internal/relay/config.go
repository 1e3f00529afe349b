package relay

import (
	"fmt"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// maxHistoryBytes bounds what the events that are remembered for newcomers may
// take in one room.
const maxHistoryBytes = 16 << 20

// Config describes one kind of relay room. Its tags are its schema: see
// package settings.
type Config struct {
	Events       map[string]Event `key:"events" doc:"Events that members may send, by name. The others receive them with the sender's stamp behind."`
	Profile      []string         `key:"profile" doc:"Keys of the CONNECT payload that all members see, in the synced field members. Their values are texts of at most 64 bytes."`
	Create       string           `key:"create" default:"auto" oneof:"auto,anyone,users,granted,nobody" doc:"For whom a room begins that does not exist yet: whoever is not anonymous (users), whoever has a token that grants create (granted), anyone or nobody. auto is anyone on a loopback address without tokens, for development, and granted elsewhere."`
	Rooms        []string         `key:"rooms" doc:"Ids of rooms that exist always."`
	MaxMembers   int              `key:"max_members" default:"1000" min:"1" max:"100000" doc:"Seats of a room, those kept for a return included."`
	SyncEvery    time.Duration    `key:"sync_every" default:"33ms" min:"0s" max:"1m" doc:"How long changes of kept values are gathered into one patch. 0s sends each at once."`
	ResumeWithin time.Duration    `key:"resume_within" default:"0s" min:"0s" max:"24h" doc:"How long the seat of a member that lost its connection is kept, and what it misses with it. 0s keeps none, and clients get no offsets."`
	IdleAfter    time.Duration    `key:"idle_after" default:"30s" min:"1s" max:"1000h" doc:"How long a room without members remembers its history."`
}

// Event says what becomes of one event. The zero value with a limit relays it
// reliably and remembers nothing.
type Event struct {
	Keep     bool `key:"keep" doc:"Keep the value as the synced entry of its sender instead of relaying it. null removes it, and so does leaving."`
	Volatile bool `key:"volatile" doc:"The event may be dropped for a member whose connection lags. Kept values are conflated in any case."`
	History  int  `key:"history" default:"0" min:"0" max:"1000" doc:"How many of these events a newcomer is sent."`
	MaxBytes int  `key:"max_bytes" default:"16384" min:"1" max:"1000000" doc:"Longest payload in bytes, attachments included."`
}

// Check implements settings.Checker.
func (c Config) Check(bad func(want string, path ...string)) {
	remembered := 0
	for name, e := range c.Events {
		remembered += e.History * e.MaxBytes
		switch {
		case name == "" || len(name) > actors.MaxEventName:
			bad(fmt.Sprintf("want an event name of 1 to %d bytes", actors.MaxEventName), "events", name)
		case actors.ReservedEvent(name):
			bad("this event name is reserved", "events", name)
		case e.Keep && name == membersField:
			bad("want another name: the synced field members is the list of members", "events", name)
		case e.Keep && !fieldName(name):
			bad("want the name of a synced field where keep is true: [A-Za-z_][A-Za-z0-9_-]{0,63}", "events", name)
		}
		if e.History > 0 && e.Keep {
			bad("want 0 where keep is true: a newcomer gets kept values anyway", "events", name, "history")
		}
		if e.History > 0 && e.Volatile {
			bad("want 0 where volatile is true", "events", name, "history")
		}
	}
	if remembered > maxHistoryBytes {
		bad(fmt.Sprintf("history times max_bytes of all events is %d bytes: want at most %d", remembered, maxHistoryBytes), "events")
	}
	for _, id := range c.Rooms {
		if !(actors.RoomRef{Kind: "kind", ID: id}).Valid() {
			bad("want ids of rooms: [A-Za-z0-9._~:@-]{1,128}", "rooms")
			break
		}
	}
	for _, key := range c.Profile {
		if key == "" || len(key) > 64 {
			bad("want keys of 1 to 64 bytes", "profile")
		}
		switch key {
		case "token", "pid", "offset", "$parlor":
			bad("the key "+key+" of the CONNECT payload is not the room's", "profile")
		}
	}
	if len(c.Profile) > 16 {
		bad("want at most 16 keys", "profile")
	}
}

// fieldName reports whether s may name a synced field on the wire.
func fieldName(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return s != "" && len(s) <= 64 && strings.Contains(letters, s[:1]) && strings.Trim(s, letters+"0123456789-") == ""
}
