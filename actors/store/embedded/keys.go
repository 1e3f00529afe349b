package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parlor-rooms/parlor/actors"
)

// The keys in Pebble, each sort behind its first byte. A room is written as
// kind/id, which holds no zero byte, so no room is the beginning of another.
//
//	a time room            -         the agenda by time
//	A room                 time      the agenda by room
//	c                      number    epochs and versions up to it may be in use
//	e room 0 key           value     an entry
//	m room                 meta      generation, sequence, last batch
//	r key                  record    version, end, value
//	x stripe end key       -         records by end
//
// Times are milliseconds since 1970, numbers are big-endian with 8 bytes.
const (
	sortAgenda  = 'a'
	sortPlace   = 'A'
	sortCounter = 'c'
	sortEntry   = 'e'
	sortMeta    = 'm'
	sortRecord  = 'r'
	sortEnd     = 'x'
)

func roomKey(sort byte, ref actors.RoomRef) []byte {
	key := make([]byte, 0, 2+len(ref.Kind)+len(ref.ID))
	return append(append(append(append(key, sort), ref.Kind...), '/'), ref.ID...)
}

func parseRoom(b []byte) (actors.RoomRef, error) {
	kind, id, _ := strings.Cut(string(b), "/")
	ref := actors.RoomRef{Kind: kind, ID: id}
	if !ref.Valid() {
		return ref, fmt.Errorf("%w: a room called %q", ErrDamaged, b)
	}
	return ref, nil
}

// entryBounds are around all entries of a room.
func entryBounds(ref actors.RoomRef) (from, to []byte) {
	from = append(roomKey(sortEntry, ref), 0)
	return from, append(roomKey(sortEntry, ref), 1)
}

func number(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

// parseNumber reads the number that b begins with.
func parseNumber(b []byte) (n uint64, rest []byte, err error) {
	if len(b) < 8 {
		return 0, nil, fmt.Errorf("%w: a number of %d bytes", ErrDamaged, len(b))
	}
	return binary.BigEndian.Uint64(b), b[8:], nil
}

// get returns a copy of what is under key; nil if there is nothing.
func (s *Store) get(key []byte) ([]byte, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, readError(err)
	}
	value = append([]byte{}, value...)
	return value, closer.Close()
}

// readError marks an error of Pebble that says that files are damaged.
func readError(err error) error {
	if err != nil && pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
