package node

import (
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Stats are counts of a node at one moment. Those of the second group only
// grow. Counters are read one after the other: sums may be off by what
// happened meanwhile.
type Stats struct {
	Connections int64 // Socket.IO connections
	Rooms       int64 // rooms in memory, those of gateways included
	RoomsAsleep int64 // rooms that hibernate
	Clients     int64 // clients of gateways, those that are away and may recover included
	Members     int   // connected members of all rooms: one client in three rooms is three

	Packets          uint64             // packets handed to sockets: one broadcast to ten members is ten
	States           uint64             // times a member was begun to be sent the whole of a room's synced state
	PatchesConflated uint64             // patches a slow member was not sent because a later one says as much
	VolatileDropped  uint64             // volatile events a slow member was not sent
	TooSlow          uint64             // connections closed because their outbox was full
	Limited          map[Limited]uint64 // what clients were refused or closed for because of Limits
	LinksLost        uint64             // times that what was under way to or from a living node was given up

	Joins        map[JoinOutcome]uint64 // CONNECTs that were let in, to rooms of this node and to its gateways
	Refused      map[actors.Code]uint64 // CONNECTs on this node that were not, by code; those that are not Parlor's together
	HandOvers    uint64                 // rooms handed over to other nodes
	StoreRetries uint64                 // calls of the store that were repeated: their outcome was not known
	Repairs      uint64                 // times that a room gave the store back what it had lost
	Divergences  uint64                 // times that it could not, because the room was another node's by then

	Nodes     int64         // of the cluster, this one included; 1 if it is alone
	LinkBytes int64         // bytes that wait for other nodes to take or acknowledge them
	LeaseAge  time.Duration // since this node's latest heart-beat that was answered was sent; 0 if it is alone
	RedisAway bool          // heart-beats are not answered
}

// Limited names a limit that was met.
type Limited string

// The limits. The first group refuses, the second closes connections.
const (
	LimitedEvents          Limited = "events"           // of a connection that sent too many, or too much
	LimitedJoins           Limited = "joins"            // CONNECTs of one connection
	LimitedNodeJoins       Limited = "node_joins"       // CONNECTs of all connections
	LimitedUserConnections Limited = "user_connections" // a CONNECT of a user with too many connections
	LimitedCreations       Limited = "creations"        // rooms of all members
	LimitedUserCreations   Limited = "user_creations"   // rooms of one user or address
	LimitedBadCredentials  Limited = "bad_credentials"  // credentials, unseen, from an address that showed too many bad ones
	LimitedExcess          Limited = "excess"           // it went on sending too much
	LimitedOutside         Limited = "outside"          // it was in no namespace in time
)

// Stats returns the node's counts. It does not block.
func (n *Node) Stats() Stats {
	s := Stats{Connections: n.live.Load(), RoomsAsleep: n.asleep.Load(), Clients: n.liveClients.Load(), LinksLost: n.linksLost.Load(), Limited: n.house.limited()}
	s.Rooms = max(0, n.rooms.Load()-s.RoomsAsleep)
	for _, f := range n.fans {
		shard := f.machine.Stats()
		s.Members += shard.Members
		s.Packets += shard.Packets
		s.States += shard.States
		s.PatchesConflated += shard.PatchesConflated
		s.VolatileDropped += shard.VolatileDropped
		s.TooSlow += shard.TooSlow
		gate := f.gate.Stats()
		s.Packets += gate.Packets
		s.VolatileDropped += gate.VolatileDropped
		s.TooSlow += gate.TooSlow
	}
	n.counts.tell(&s)
	n.tellCluster(&s)
	return s
}

// tellCluster adds what is known of other nodes to s.
func (n *Node) tellCluster(s *Stats) {
	s.Nodes = 1
	if !n.clustered() {
		return
	}
	n.peers.mu.RLock()
	for _, p := range n.peers.byID {
		s.Nodes++
		s.LinkBytes += p.queued.Load()
	}
	n.peers.mu.RUnlock()
	lease := n.cfg.Cluster.Lease()
	s.LeaseAge, s.RedisAway = lease.Age, lease.Away
}
