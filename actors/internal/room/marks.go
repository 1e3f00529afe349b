package room

import (
	"encoding/json"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// storedMark is up to where the events of a seat's connection had their turns.
// It is in the batch of what they changed, so that the connection, which sends
// to the next activation what this one has not credited, has each event take
// effect once.
type storedMark struct {
	Node string `json:"node"`
	Conn uint64 `json:"conn"`
	Link uint64 `json:"link"`
}

func markKey(id actors.MemberID) string { return areaMark + string(id) }

// storeMark notes that a member's event had its turn, if that has written
// something: written is what was before it.
func (m *Machine) storeMark(mem *member, written uint64) {
	if m.journal.writes != written && m.keepsSeats() && m.members.has(mem) {
		mem.mark = encode(storedMark{mem.conn.Node, mem.conn.ID, mem.link})
		m.journal.write(markKey(mem.ID), mem.mark)
	}
}

func (s *stored) parseMark(id actors.MemberID, value []byte) error {
	var mark storedMark
	if err := json.Unmarshal(value, &mark); err != nil {
		return err
	}
	s.marks[id] = mark
	return nil
}

// markOf restores how far a seat's connection has come.
func (s *stored) markOf(mem *member) {
	if mark, ok := s.marks[mem.ID]; ok && mem.conn == (wire.ConnRef{Node: mark.Node, ID: mark.Conn}) {
		mem.link, mem.credited = mark.Link, mark.Link
	}
}
