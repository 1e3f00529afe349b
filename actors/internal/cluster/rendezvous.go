package cluster

import (
	"hash/fnv"

	"github.com/parlor-rooms/parlor/actors"
)

// Rendezvous returns the member on which a room that is nowhere is to start:
// the one with the highest hash of room and id among those that can hold the
// room and do not drain. Every node with the same view returns the same one;
// a member that comes or goes changes the answer for its share of rooms only.
// It returns false if no member can hold the room.
func Rendezvous(v *View, room actors.RoomRef) (Member, bool) {
	var best Member
	var most uint64
	found := false
	name := hash(room.String())
	for _, m := range v.Members {
		if m.Draining || !m.Serves(room) {
			continue
		}
		if h := mix(name ^ mix(hash(m.ID))); !found || h > most {
			best, most, found = m, h, true
		}
	}
	return best, found
}

// hash is the same on every node, which maphash is not.
func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// mix is the finaliser of SplitMix64. FNV alone changes few bits for names
// that differ in their last digit, and gave one of four nodes half the rooms.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
