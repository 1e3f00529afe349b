package node

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// keepFor is how long the rooms of a user are remembered who does not enter or
// leave any.
const keepFor = 90 * 24 * time.Hour

// keepWithin bounds how long a client's Join and Leave wait for the store to
// remember it.
const keepWithin = 2 * time.Second

// keptKey names the record of a user's rooms in a namespace. Both names may be
// longer than a key.
func keptKey(namespace, user string) string {
	sum := sha256.Sum256([]byte(namespace + "\x00" + user))
	return "kept/" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// kept returns the rooms of a user. If the store does not say, there are none.
func (g *gateway) kept(ctx context.Context, namespace, user string) []string {
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	rooms, _, err := g.readKept(ctx, keptKey(namespace, user))
	if err != nil {
		g.node.log.Warn("the rooms of a user are not known", "namespace", namespace, "error", err)
	}
	return rooms
}

func (g *gateway) readKept(ctx context.Context, key string) (rooms []string, version uint64, err error) {
	value, version, err := g.node.store.Read(ctx, key)
	if err == nil && value != nil {
		err = json.Unmarshal(value, &rooms)
	}
	return rooms, version, err
}

// keep notes that a client's user has entered or left a room, on whichever
// node it connects next.
func (g *gateway) keep(c *client, room string, in bool) {
	user := c.details.Identity.Subject
	if !g.config.KeepRooms || user == "" || hidden(room) {
		return
	}
	ctx, cancel := context.WithTimeout(g.node.ctx, keepWithin)
	defer cancel()
	key := keptKey(c.details.Namespace, user)
	for {
		err := g.changeKept(ctx, key, room, in)
		if err == nil {
			return
		}
		if !errors.Is(err, actors.ErrVersion) || ctx.Err() != nil {
			g.node.log.Warn("a room of a user is not remembered", "namespace", c.details.Namespace, "error", err)
			return
		}
	}
}

// changeKept returns ErrVersion if another client of the user was faster.
func (g *gateway) changeKept(ctx context.Context, key, room string, in bool) error {
	rooms, version, err := g.readKept(ctx, key)
	if err != nil || slices.Contains(rooms, room) == in {
		return err
	}
	if in {
		rooms = append(rooms, room)
	} else {
		rooms = slices.DeleteFunc(rooms, func(r string) bool { return r == room })
	}
	var value []byte
	if len(rooms) > 0 {
		if value, err = json.Marshal(rooms); err != nil {
			return err
		}
	}
	_, err = g.node.store.Write(ctx, key, value, version, keepFor)
	return err
}
