package node

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/parlor-rooms/parlor/actors"
)

// directory knows the rooms of its shard that are in memory, and wakes them.
// It owns the map from room to address.
type directory struct {
	node     *Node
	rooms    map[actors.RoomRef]*actor.PID
	stopping bool
}

// retire takes a room off the directory; the room is answered retired.
type retire struct {
	room actors.RoomRef
	pid  *actor.PID
}

type retired struct{}

// forgotten tells the caller of the shard that an address is void.
type forgotten struct{ room actors.RoomRef }

// closeRooms ends every room of the shard and refuses to wake others.
type closeRooms struct{}

// linger is how long a retired room still answers Moved. A message can only
// come that late if its sender learned the address before the room retired.
const linger = 2 * time.Second

func newDirectory(n *Node) *directory {
	return &directory{node: n, rooms: make(map[actors.RoomRef]*actor.PID)}
}

// Receive implements actor.Actor.
func (d *directory) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *locate:
		d.locate(ctx, msg)
	case *retire:
		if pid := d.rooms[msg.room]; pid != nil && pid.Equal(msg.pid) {
			delete(d.rooms, msg.room)
			ctx.Send(d.node.callers[d.node.shardOf(msg.room)], forgotten{msg.room})
		}
		ctx.Send(msg.pid, retired{})
	case closeRooms:
		d.stopping = true
		for _, pid := range d.rooms {
			ctx.Send(pid, closeRoom{actors.ReasonShutdown})
		}
	}
}

func (d *directory) locate(ctx actor.Context, l *locate) {
	pid := d.rooms[l.room]
	kind := d.node.kinds[l.room.Kind]
	switch {
	case pid != nil:
	case l.peek:
		ctx.Send(l.from, &unreachable{room: l.room})
		return
	case d.stopping:
		ctx.Send(l.from, &unreachable{l.room, actors.Errorf(actors.CodeUnavailable, "the node is stopping")})
		return
	case isHub(l.room):
		d.node.rooms.Add(1)
		pid = d.node.startHub(l.room)
		d.rooms[l.room] = pid
	case kind == nil || !l.room.Valid():
		ctx.Send(l.from, &unreachable{l.room, actors.Errorf(actors.CodeBadRoom, "there is no room %s", clip(l.room.String()))})
		return
	default:
		d.node.rooms.Add(1)
		pid = d.node.startRoom(l.room, kind)
		d.rooms[l.room] = pid
	}
	ctx.Send(l.from, &located{l.room, pid})
}
