package actors

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Store is where rooms outlive a process, and the arbiter of who may write
// them. What it keeps of a room is a set of entries, key to value, that change
// by atomic batches; what the entries mean is the runtime's affair. Every
// method may block until ctx ends and may be called from any goroutine.
//
// A room is owned by at most one activation at a time. Whether an owner is
// still alive is not the store's to know: whoever claims says which owner it
// believes dead, and the store swaps it for the claimer or says who it is
// instead. After Claim has returned, no batch of an earlier owner is applied
// any more, so that what is loaded afterwards is complete.
//
// After an error that wraps none of the errors at the end of this file the
// outcome is unknown: the call may have taken effect, and may do so yet. Claim
// and Append can be repeated as they were until they say which. After any of
// those errors this call had no effect; about an earlier one whose outcome is
// unknown they say only that it will not take effect any more, and
// ErrUnavailable not even that.
type Store interface {
	Ownership
	Journal
	Agenda
	Records

	// Provides reports whether the store can keep d, by asking it. The error
	// wraps ErrNoDurability and says what is missing if it cannot; it is
	// another error if that could not be found out.
	Provides(ctx context.Context, d Durability) error

	// Close lets go of what the store holds. Calls under way may fail.
	Close() error
}

// Ownership says who may write a room.
type Ownership interface {
	// Claim makes c.Owner the owner of a room that has no owner, or whose
	// present owner is c.Expect. It returns a *HeldError, which wraps
	// ErrHeld, if it is another. A claim repeated with the same owner by
	// whoever has it already returns what it has. Two claims that race: one
	// wins.
	Claim(ctx context.Context, room RoomRef, c Claim) (Owned, error)

	// Owner returns the present owner of a room; the zero Owner if it has
	// none.
	Owner(ctx context.Context, room RoomRef) (Owner, error)

	// Release gives a room up. It keeps what was appended, if anything was,
	// and otherwise leaves nothing behind. It returns ErrFenced, and does
	// nothing, if o is not the owner: so it does when it is repeated. Of o,
	// Owner and Epoch count.
	Release(ctx context.Context, room RoomRef, o Owned) error

	// Destroy deletes everything that is kept of a room and gives it up. It
	// returns ErrFenced, and does nothing, if o is not the owner: so it does
	// when it is repeated. Of o, Owner and Epoch count. Epochs of the room go
	// on growing. The agenda is left as it is, because it may lie elsewhere
	// and speak of the room's next life already.
	Destroy(ctx context.Context, room RoomRef, o Owned) error
}

// Journal holds what rooms have to be told when they wake.
type Journal interface {
	// Load calls each for every entry of a room, in no particular order, and
	// stops with its error. An entry may come twice, with the same value. key
	// and value belong to each. It returns ErrFenced if o, of which Owner and
	// Epoch count, is not the owner, before each has been called for anything
	// that was written since. The owner does not append meanwhile. Memory is
	// bounded by pages, not by the room.
	Load(ctx context.Context, room RoomRef, o Owned, each func(key string, value []byte) error) error

	// Append applies a batch, wholly or not at all, and returns when it is as
	// durable as b.Durability says. A batch that is repeated with the same ID
	// is applied once, as long as no other followed it. It returns ErrFenced
	// if the owner, the generation or the sequence is not what b says, and
	// then b will never be applied; if no earlier attempt's outcome is
	// unknown, it was not. The batch is not kept or modified.
	Append(ctx context.Context, room RoomRef, b *Batch) error
}

// Agenda knows which rooms want to be woken when. It is a hint: whoever wakes
// a room for it looks into the room for what is due. What is set is kept no
// worse than anything that is appended afterwards, unless it lies on another
// server than the room.
type Agenda interface {
	// Schedule sets when a room is due, replacing what was set before; the
	// zero Time takes it off. Times are kept to the millisecond, rounded up.
	Schedule(ctx context.Context, room RoomRef, at time.Time) error

	// Due takes rooms that are due at now, those due first first, at most
	// limit: they are scheduled for again, if they are due still, so that no
	// room is taken twice before. What is returned with an error is taken as
	// well; if the outcome is unknown, more may be. The zero again leaves them
	// as they are.
	Due(ctx context.Context, now, again time.Time, limit int) ([]RoomRef, error)
}

// Records keeps small values that belong to no room, such as sessions of
// gateways, each with a version for compare-and-set.
type Records interface {
	// Read returns a record and its version, which is not zero; nil and zero
	// if there is none, or its time is over.
	Read(ctx context.Context, key string) (value []byte, version uint64, err error)

	// Write sets a record if its version is ifVersion, zero meaning that
	// there is none, and returns the new version, which no earlier record of
	// this key has had. A nil value deletes it; the version is then zero. It
	// lasts for ttl, rounded up to the millisecond; zero means for ever. It
	// returns ErrVersion if another version is there. A key is 1 to
	// MaxRecordKey bytes, a value at most MaxRecordBytes.
	Write(ctx context.Context, key string, value []byte, ifVersion uint64, ttl time.Duration) (version uint64, err error)
}

// Owner is an activation that may write a room. Its fields hold no more than
// 64 bytes each, of [A-Za-z0-9._~:@-]. It is comparable.
type Owner struct {
	Node  string // id of the node, unique per process start
	Nonce string // unguessable and never used twice
}

// Claim asks for a room.
type Claim struct {
	Owner  Owner
	Expect Owner // who owns the room, as far as the claimer knows; zero: nobody

	// Floor is an epoch that the claimer has seen: the room's becomes higher.
	// It is below MaxEpoch.
	Floor uint64

	// Back takes the room back from whoever has it, unless somebody has claimed
	// it since Floor: then Claim returns a *HeldError, with the zero Owner if
	// nobody has it any more. It is for the owner in epoch Floor, who finds the
	// store rolled back behind what it was told is durable. It has to know that
	// it was not taken for dead before: of a room that was destroyed, or given
	// up by somebody who stored nothing, the store knows nothing. A store that
	// is never rolled back gives a room to its present owner only.
	Back bool
}

// Owned is a room as its owner holds it.
type Owned struct {
	Owner Owner

	// Epoch is higher than that of every earlier activation of the room. It
	// is never zero and at most MaxEpoch.
	Epoch uint64

	// Generation names one life of the room's entries. It changes when they
	// are destroyed, or replaced by others. It is of the form of Owner.Nonce,
	// and empty until something was appended.
	Generation string

	// Sequence counts the batches that were applied in this generation.
	Sequence uint64
}

// The most that a batch may hold, except that a single entry of up to
// MaxEntryBytes always fits.
const (
	MaxBatchEntries = 3500     // as many as a script of Redis can pass on, each with its value
	MaxBatchBytes   = 8 << 20  // keys and values
	MaxEntryBytes   = 16 << 20 // of a value
	MaxEntryKey     = 512      // bytes of a key; any bytes but an empty key
)

// The most that a batch may hold that has Replace set: a whole room. It may
// keep the store busy for a moment.
const (
	MaxReplaceEntries = 200_000
	MaxReplaceBytes   = 128 << 20 // keys and values
)

// Limits of the rest.
const (
	MaxOwnerBytes  = 64      // of each field of Owner, a batch's ID and a generation
	MaxRecordKey   = 256     // bytes of a record's key; any bytes but an empty key
	MaxRecordBytes = 1 << 20 // of a record's value
	MaxRecordTTL   = 100 * 365 * 24 * time.Hour

	// MaxEpoch is the highest epoch: the largest integer up to which the
	// numbers of Lua and of JavaScript count one by one.
	MaxEpoch = 1<<53 - 1
)

// Batch is what changes in a room at once.
type Batch struct {
	Owned // as it is before the batch; an empty Generation becomes NewGeneration

	ID            string // names the batch, of the form of Owner.Nonce; never used for another one
	NewGeneration string // the generation, if there is none yet or Replace is set; of the form of Owner.Nonce
	Replace       bool   // delete all entries first; Sequence begins at zero, or goes on if NewGeneration is Generation
	Durability    Durability
	Entries       []Entry // of those with the same key the last counts
}

// After returns the room as its owner holds it once b is applied.
func (b *Batch) After() Owned {
	o := b.Owned
	if (b.Replace || o.Generation == "") && b.NewGeneration != o.Generation {
		o.Generation, o.Sequence = b.NewGeneration, 0
	}
	o.Sequence++
	return o
}

// Entry is one entry of a room that was set, or removed if Value is nil.
type Entry struct {
	Key   string
	Value []byte
}

// Durability says what an acknowledged change survives. The levels grow within
// one store; what each survives is told in docs/guarantees.md.
type Durability string

// The levels.
const (
	DurabilityDefault    Durability = ""            // what the store gives by itself: memory, disk or redis
	DurabilityMemory     Durability = "memory"      // the room leaving memory
	DurabilityDisk       Durability = "disk"        // the end of the process, and of power
	DurabilityRedis      Durability = "redis"       // the end of any node
	DurabilityRedisFsync Durability = "redis-fsync" // and the end of Redis, and of its power
	DurabilityRedisSync  Durability = "redis-sync"  // and the loss of Redis, where a replica takes its place
)

// Valid reports whether d is one of the levels.
func (d Durability) Valid() bool {
	switch d {
	case DurabilityDefault, DurabilityMemory, DurabilityDisk, DurabilityRedis, DurabilityRedisFsync, DurabilityRedisSync:
		return true
	}
	return false
}

func (d Durability) check() error {
	if !d.Valid() {
		return fmt.Errorf("Durability %q is none of the levels", string(d))
	}
	return nil
}

// Errors of stores.
var (
	// ErrHeld: another owner has the room.
	ErrHeld = errors.New("parlor: the room has another owner")
	// ErrFenced: the room has been taken from this owner, or is not as the
	// owner believes.
	ErrFenced = errors.New("parlor: the room is not this owner's any more")
	// ErrVersion: the record has another version.
	ErrVersion = errors.New("parlor: the record has another version")
	// ErrNoDurability: the store cannot keep what was asked for.
	ErrNoDurability = errors.New("parlor: the store does not provide this durability")
	// ErrMalformed: the call is not as its documentation says.
	ErrMalformed = errors.New("parlor: malformed call of a store")
	// ErrUnavailable: the store cannot at the moment, and did not try.
	ErrUnavailable = errors.New("parlor: the store is unavailable")
)

// HeldError says who owns a room that could not be claimed.
type HeldError struct {
	Owner Owner
	Epoch uint64
}

// Error implements error.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%v: %s, epoch %d", ErrHeld, e.Owner.Node, e.Epoch)
}

// Unwrap returns ErrHeld.
func (e *HeldError) Unwrap() error { return ErrHeld }
