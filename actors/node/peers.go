package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.opentelemetry.io/otel/trace"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/link"
	"github.com/parlor-rooms/parlor/actors/internal/wire/codec"
)

// peers are the other nodes, each with an actor that drives the link to it.
type peers struct {
	mu   sync.RWMutex // guards the following
	byID map[string]*peer
	gone map[string]bool // ids that a view has missed: they never come back
	data uint64          // View.Data of the latest view
	away bool            // View.Away of the latest view
}

// peer is another node while it lives.
type peer struct {
	Peer
	pid    *actor.PID    // of its linkActor
	queued *atomic.Int64 // bytes that wait in the link
}

// clustered reports whether the node is one of many.
func (n *Node) clustered() bool { return n.cfg.Cluster != nil }

// join opens the carrier and makes the node one of many.
func (n *Node) join(ctx context.Context) error {
	if err := n.cfg.Carrier.Open(n.id, n.received); err != nil {
		return err
	}
	self := Peer{ID: n.id, Address: n.cfg.Carrier.Address(), Kinds: n.kindNames()}
	if err := n.cfg.Cluster.Join(ctx, self, n.viewed, n.expelled); err != nil {
		_ = n.cfg.Carrier.Close()
		return err
	}
	return nil
}

// leave ends what join began, within a time, and the links.
func (n *Node) leave(within time.Duration) {
	if !n.clustered() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := n.cfg.Cluster.Leave(ctx); err != nil {
		n.log.Warn("the cluster was left without a word", "error", err)
	}
	n.peers.mu.Lock()
	links := n.peers.byID
	n.peers.byID = make(map[string]*peer)
	n.peers.mu.Unlock()
	for _, p := range links {
		_ = n.system.Root.StopFuture(p.pid).Wait()
	}
	if err := n.cfg.Carrier.Close(); err != nil {
		n.log.Warn("the carrier did not close", "error", err)
	}
}

// leaveTimeout bounds the last words to the cluster.
const leaveTimeout = 5 * time.Second

func (n *Node) kindNames() []string {
	var names []string
	for name := range n.kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// viewed takes a view: links to those who are gone end, and those who came get
// one. If what the cluster knows may have been rolled back, rooms look after
// what the store has of them.
func (n *Node) viewed(v View) {
	for _, id := range n.compare(v) {
		n.greet(id)
	}
}

// greet tells a node that has come what it was not sent of what goes to all of a
// namespace, so that it does not wait for it.
func (n *Node) greet(id string) {
	n.toAll.Lock()
	defer n.toAll.Unlock()
	if n.toAllPos > 0 {
		n.deliverGateTo(id, numberOnly(n.id, n.toAllPos))
	}
}

// wasPeer reports whether a node was one of the others and is gone.
func (n *Node) wasPeer(id string) bool {
	n.peers.mu.RLock()
	defer n.peers.mu.RUnlock()
	return n.peers.gone[id]
}

// compare is viewed, but for greeting those who came, whom it returns.
func (n *Node) compare(v View) (came []string) {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	forgot := n.peers.data != 0 && n.peers.data != v.Data
	if forgot {
		for _, shard := range n.shards {
			n.send(shard, recheckRooms{})
		}
	}
	n.peers.data = v.Data
	first, back := len(n.peers.byID)+len(n.peers.gone) == 0, n.peers.away && !v.Away
	unrest := v.Away || n.peers.away || forgot || first && len(v.Peers) > 1
	n.peers.away = v.Away
	if (forgot || back) && n.ctx.Err() == nil {
		n.beside.Go(func() { n.restoreRecords(forgot) })
	}
	living := make(map[string]bool, len(v.Peers))
	for _, p := range v.Peers {
		living[p.ID] = true
		switch known := n.peers.byID[p.ID]; {
		case p.ID == n.id || n.peers.gone[p.ID]:
		case known != nil:
			unrest = unrest || p.Draining && !known.Draining
			known.Peer = p
		default:
			unrest = unrest || p.Draining
			n.peers.byID[p.ID] = n.startLink(p)
			came = append(came, p.ID)
		}
	}
	for id, p := range n.peers.byID {
		if !living[id] {
			unrest = true
			delete(n.peers.byID, id)
			n.peers.gone[id] = true
			n.send(p.pid, peerGone{})
			n.cfg.Carrier.Forget(p.Peer)
		}
	}
	if unrest {
		n.settles.Store(time.Now().Add(settleWithin).UnixNano())
	}
	return came
}

// settleWithin is how long after a node has begun to leave, or has gone, or what
// keeps the members has been away, or this node has come, a gateway's room that
// is in memory nowhere may have clients in it that have yet to enter it again.
const settleWithin = 15 * time.Second

// unsettled reports whether it may.
func (n *Node) unsettled() bool { return time.Now().UnixNano() < n.settles.Load() }

// expelled stops a node that others take for dead.
func (n *Node) expelled(err error) {
	n.log.Error("the node was expelled from its cluster", "error", err)
	n.expel(err)
}

// others are the ids of the other nodes, sorted.
func (n *Node) others() []string {
	n.peers.mu.RLock()
	defer n.peers.mu.RUnlock()
	ids := make([]string, 0, len(n.peers.byID))
	for id := range n.peers.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (n *Node) peer(id string) *actor.PID {
	n.peers.mu.RLock()
	defer n.peers.mu.RUnlock()
	if p := n.peers.byID[id]; p != nil {
		return p.pid
	}
	return nil
}

// toPeer sends a message to another node, behind what was sent to it on the
// lane before. It reports false if there is no such node.
func (n *Node) toPeer(id string, lane link.Lane, class actors.Class, msg any) bool {
	pid := n.peer(id)
	if pid == nil {
		return false
	}
	marks := marksOf(msg)
	msg, span := n.tracing.linked(msg, id)
	data, err := codec.Marshal(msg)
	if err != nil {
		n.log.Error("a message cannot cross nodes", "error", err)
		return true
	}
	n.send(pid, &outgoing{lane, class, data, span, marks})
	return true
}

// received takes a batch from the carrier.
func (n *Node) received(batch []byte) {
	from, to, err := link.Ends(batch)
	if err != nil || to != n.id {
		return // for a process that was at this address before
	}
	if pid := n.peer(from); pid != nil {
		n.send(pid, &incoming{batch})
	}
}

// linkActor drives the link to one peer.
type linkActor struct {
	node   *Node
	peer   Peer
	queued *atomic.Int64 // bytes that wait; set by Receive

	// Owned by Receive.
	self      *actor.PID
	machine   *link.Machine
	spent     [2]int // by lane: what was consumed on arrival
	alarms    [3]alarm
	flushing  bool
	spans     []trace.Span // of messages that the next flush transmits, or keeps until the peer takes more
	missed    []emitMark   // what the peer may not have, and is not announced yet
	numbered  uint64       // the last number of what every node is sent that was handed to the machine
	restarted bool         // a session has ended since the last announcement
}

type (
	outgoing struct {
		lane  link.Lane
		class actors.Class
		data  []byte
		span  trace.Span // of its time in the link, if it is traced
		marks []emitMark // of what it emits
	}
	incoming struct{ batch []byte }
	peerGone struct{}

	// consumed says that something that arrived is off this node's hands.
	consumed struct {
		session uint64
		cost    int
	}

	// nodeLost says that whatever was under way to or from a node is lost. It
	// follows everything that arrived from it before.
	nodeLost struct{ node string }
)

func (n *Node) startLink(p Peer) *peer {
	l := &linkActor{node: n, peer: p, queued: new(atomic.Int64)}
	limits := link.Limits{
		Batch: MaxBatch, Window: n.cfg.Links.Window, Queue: n.cfg.Links.Queue, Volatile: n.cfg.Links.Volatile, Message: n.cfg.Links.Message,
		ResendAfter: n.cfg.Links.ResendAfter, GiveUpAfter: n.cfg.Links.GiveUpAfter,
		Linger: n.cfg.Links.Linger,
	}
	l.machine = link.New(time.Now(), link.Config{Self: n.id, Peer: p.ID, Limits: limits, Effects: l})
	return &peer{p, n.spawn(func() actor.Actor { return l }), l.queued}
}

// Receive implements actor.Actor.
func (l *linkActor) Receive(ctx actor.Context) {
	now := time.Now()
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		l.self = ctx.Self()
		return
	case *outgoing:
		if msg.span != nil {
			l.spans = append(l.spans, msg.span)
		}
		l.mark(msg.marks)
		err := l.send(now, msg)
		if errors.Is(err, link.ErrTooLarge) {
			l.node.log.Error("a message is too large for a node link", "peer", l.peer.ID, "bytes", len(msg.data))
		}
		if err != nil {
			l.missed = append(l.missed, msg.marks...)
		}
	case *incoming:
		if err := l.machine.Receive(now, msg.batch); err != nil {
			l.node.log.Error("a node link was reset", "error", err)
		}
		for lane, cost := range l.spent {
			if cost > 0 {
				l.machine.Consumed(now, l.machine.Session(), link.Lane(lane), cost)
			}
		}
		l.spent = [2]int{}
	case consumed:
		l.machine.Consumed(now, msg.session, link.Data, msg.cost)
	case wake:
		for i := range l.alarms {
			if a := &l.alarms[i]; !a.at.After(now) {
				a.at = time.Time{}
			}
		}
		l.machine.Wake(now)
	case flush:
		l.flushing = false
		l.machine.Flush(now)
		l.queued.Store(int64(l.machine.Stats().Queued))
		for i, span := range l.spans {
			end(span, nil)
			l.spans[i] = nil
		}
		l.spans = l.spans[:0]
		l.arm(now)
		return
	case peerGone:
		l.node.lost(l.peer.ID)
		ctx.Stop(l.self)
		return
	case *actor.Stopped:
		for _, a := range l.alarms {
			if a.timer != nil {
				a.timer.Stop()
			}
		}
		return
	default:
		return
	}
	l.announce(now)
	if !l.flushing { // behind what waits, so that it travels in one batch
		l.flushing = true
		ctx.Send(l.self, flush{})
	}
}

func (l *linkActor) send(now time.Time, msg *outgoing) error {
	if msg.marks == nil {
		return l.machine.Send(now, msg.lane, msg.class, msg.data)
	}
	return l.machine.SendMarked(now, msg.lane, msg.class, msg.data, msg.marks)
}

// alarm is a timer, and when it goes off; the zero Time if it does not.
type alarm struct {
	timer *time.Timer
	at    time.Time
}

// arm sees to it that the machine is woken when it says. A wake that is too
// early does no harm. A timer that is running is put forward only if all are: the
// runtime would look through the timers of the whole process for it, each time,
// and the machine has something to do soon and something to do later by turns.
func (l *linkActor) arm(now time.Time) {
	next := l.machine.NextWake()
	if next.IsZero() {
		return
	}
	free := &l.alarms[0]
	for i := range l.alarms {
		a := &l.alarms[i]
		if !a.at.IsZero() && !next.Before(a.at) {
			return
		}
		if a.at.IsZero() {
			free = a
		}
	}
	free.at = next
	if free.timer == nil {
		free.timer = time.AfterFunc(next.Sub(now), func() { l.node.send(l.self, wake{}) })
	} else {
		free.timer.Reset(next.Sub(now))
	}
}

// Transmit implements link.Effects.
func (l *linkActor) Transmit(batch []byte) { l.node.cfg.Carrier.Send(l.peer, batch) }

// Deliver implements link.Effects.
func (l *linkActor) Deliver(lane link.Lane, data []byte, cost int) {
	msg, err := codec.Unmarshal(data)
	if err != nil {
		l.node.log.Error("a message of another node was not understood", "peer", l.peer.ID, "error", err)
	}
	held := err == nil && lane == link.Data && l.node.arrived(l.peer.ID, msg, receipt{l.self, consumed{l.machine.Session(), cost}})
	if !held {
		if lane == link.Control && err == nil {
			l.node.arrivedControl(l.peer.ID, msg)
		}
		l.spent[lane] += cost
	}
}

// Lost implements link.Effects.
func (l *linkActor) Lost(why link.Loss, marks []any) {
	l.node.log.Warn("what was under way to another node is lost", "peer", l.peer.ID, "reason", string(why))
	l.restarted = true
	for _, m := range marks {
		l.missed = append(l.missed, m.([]emitMark)...)
	}
	l.spent = [2]int{}
	l.node.linksLost.Add(1)
	l.node.lost(l.peer.ID)
}
