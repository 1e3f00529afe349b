package actors

import (
	"fmt"
	"time"
)

// The methods and functions of this file are for stores, which begin with
// them so that all refuse the same. Their errors wrap ErrMalformed.

// Check reports what is wrong with a claim of a room.
func (c Claim) Check(room RoomRef) error {
	switch {
	case !room.Valid():
		return malformed("claim: no room is called %q", clip(room.String(), 200))
	case !c.Owner.valid():
		return malformed("claim %v: bad owner", room)
	case c.Expect != Owner{} && !c.Expect.valid():
		return malformed("claim %v: bad expected owner", room)
	case c.Back && c.Floor == 0:
		return malformed("claim %v: it takes back what it never had", room)
	case c.Floor >= MaxEpoch:
		return malformed("claim %v: epoch %d is too high", room, c.Floor)
	}
	return nil
}

// Takes reports whether c takes a room whose latest epoch is epoch, zero if the
// store knows of none, and whose owner is present, the zero Owner if it has
// none. It is for a claim that has not come before.
func (c Claim) Takes(present Owner, epoch uint64) bool {
	switch {
	case c.Back:
		return epoch < c.Floor || epoch == c.Floor && present == c.Owner
	case present == Owner{} || present == c.Owner:
		return true
	}
	return present == c.Expect
}

// Check reports what is wrong with a room and who says to own it.
func (o Owned) Check(room RoomRef) error {
	switch {
	case !room.Valid():
		return malformed("no room is called %q", clip(room.String(), 200))
	case !o.Owner.valid():
		return malformed("%v: bad owner", room)
	case o.Epoch == 0 || o.Epoch > MaxEpoch:
		return malformed("%v: bad epoch", room)
	}
	return nil
}

// Check reports what is wrong with a batch for a room.
func (b *Batch) Check(room RoomRef) error {
	if err := b.Owned.Check(room); err != nil {
		return err
	}
	born := b.Replace || b.Generation == ""
	maxEntries, maxBytes := MaxBatchEntries, MaxBatchBytes
	if b.Replace {
		maxEntries, maxBytes = MaxReplaceEntries, MaxReplaceBytes
	}
	switch {
	case !validToken(b.ID):
		return malformed("append to %v: bad batch id", room)
	case b.Generation != "" && !validToken(b.Generation) || b.Generation == "" && b.Sequence != 0:
		return malformed("append to %v: bad generation", room)
	case born && !validToken(b.NewGeneration):
		return malformed("append to %v: bad new generation", room)
	case b.Sequence >= MaxEpoch:
		return malformed("append to %v: bad sequence", room)
	case !b.Durability.Valid():
		return malformed("append to %v: no durability is called %q", room, clip(string(b.Durability), 64))
	case len(b.Entries) > maxEntries:
		return malformed("append to %v: %d entries, more than %d", room, len(b.Entries), maxEntries)
	}
	size := 0
	for _, e := range b.Entries {
		switch {
		case e.Key == "" || len(e.Key) > MaxEntryKey:
			return malformed("append to %v: a key of %d bytes", room, len(e.Key))
		case len(e.Value) > MaxEntryBytes:
			return malformed("append to %v: a value of %d bytes, more than %d", room, len(e.Value), MaxEntryBytes)
		}
		size += len(e.Key) + len(e.Value)
	}
	if size > maxBytes && len(b.Entries) > 1 {
		return malformed("append to %v: %d entries of %d bytes, more than %d", room, len(b.Entries), size, maxBytes)
	}
	return nil
}

// CheckRoom reports whether a store can keep a room of this name.
func CheckRoom(room RoomRef) error {
	if !room.Valid() {
		return malformed("no room is called %q", clip(room.String(), 200))
	}
	return nil
}

// CheckRecord reports what is wrong with what is asked of Records. To Read
// belong only the key, nil and zero.
func CheckRecord(key string, value []byte, ttl time.Duration) error {
	switch {
	case key == "" || len(key) > MaxRecordKey:
		return malformed("a record's key of %d bytes", len(key))
	case len(value) > MaxRecordBytes:
		return malformed("a record of %d bytes, more than %d", len(value), MaxRecordBytes)
	case ttl < 0 || ttl > MaxRecordTTL:
		return malformed("a record that lasts %v", ttl)
	}
	return nil
}

func (o Owner) valid() bool { return validToken(o.Node) && validToken(o.Nonce) }

// validToken reports whether s has the form of a nonce.
func validToken(s string) bool { return len(s) <= MaxOwnerBytes && validRoomID(s) }

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
