package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/room"
)

// loadShare is what the load of a room counts as before more is known of it,
// and all that most rooms take.
const loadShare = 1 << 20

var (
	// errRoomTooLarge: a room holds more than Config.MaxRoomBytes allows.
	errRoomTooLarge = errors.New("node: the room is larger than MaxRoomBytes allows")
	// errCrowded: a load is larger than its share, and there is no place for
	// all of it at the moment.
	errCrowded = errors.New("node: too much is being loaded")
)

// loads bounds what rooms hold together while they are loaded. One begins with
// a share; one that turns out to be larger takes as much as a room may have,
// and where that is not free it lets go of everything, waits for it, and is
// read again: nobody waits with a part of it in hand.
type loads struct {
	share, whole int // bytes that a load takes: at first, and if that is not enough
	room         int // bytes that a room may have in what room.Counted counts

	mu      sync.Mutex // guards the following
	free    int
	waiting []*loadWait // in the order of coming
}

type loadWait struct {
	bytes int
	ready chan struct{} // closed once it has them
}

func newLoads(maxRoom, maxLoads int) *loads {
	most := room.MostBytes(maxRoom)
	return &loads{share: min(loadShare, most, maxLoads), whole: min(most, maxLoads), room: most, free: maxLoads}
}

// take waits until bytes are free, behind those who wait already.
func (l *loads) take(ctx context.Context, bytes int) error {
	l.mu.Lock()
	if len(l.waiting) == 0 && l.free >= bytes {
		l.free -= bytes
		l.mu.Unlock()
		return nil
	}
	w := &loadWait{bytes, make(chan struct{})}
	l.waiting = append(l.waiting, w)
	l.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, w); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	} else { // it was given them meanwhile
		l.free += bytes
	}
	l.next()
	return fmt.Errorf("%w: %w", errCrowded, ctx.Err())
}

// tryTake takes bytes if they are free and nobody waits.
func (l *loads) tryTake(bytes int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) > 0 || l.free < bytes {
		return false
	}
	l.free -= bytes
	return true
}

func (l *loads) give(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free += bytes
	l.next()
}

// next lets those go on who have waited longest. mu is held.
func (l *loads) next() {
	for len(l.waiting) > 0 && l.free >= l.waiting[0].bytes {
		w := l.waiting[0]
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		l.free -= w.bytes
		close(w.ready)
	}
}

// entries reads what is stored of a room, once or, if it is large and much else
// is being loaded, twice.
func (n *Node) entries(ctx context.Context, ref actors.RoomRef, owned actors.Owned) ([]actors.Entry, error) {
	l := n.loads
	held := l.share
	if err := l.take(ctx, held); err != nil {
		return nil, err
	}
	defer func() { l.give(held) }()
	for {
		var list []actors.Entry
		err := n.again(ctx, func(ctx context.Context) error {
			list = nil
			bytes, counted := 0, 0
			return n.store.Load(ctx, ref, owned, func(key string, value []byte) error {
				bytes += len(key) + len(value)
				if counted += room.Counted(key, value); counted > l.room {
					return errRoomTooLarge
				}
				if bytes > held && held < l.whole {
					if !l.tryTake(l.whole - held) {
						return errCrowded
					}
					held = l.whole
				}
				list = append(list, actors.Entry{Key: key, Value: value})
				return nil
			})
		})
		if !errors.Is(err, errCrowded) {
			return list, err
		}
		list = nil
		l.give(held)
		held = 0
		if err := l.take(ctx, l.whole); err != nil {
			return nil, err
		}
		held = l.whole
	}
}
