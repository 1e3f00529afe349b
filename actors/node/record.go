package node

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// recordEvery is how often the record of a client that lives is written again.
// It lasts for as long and for the time in which the client may recover, so that
// nothing is left of one whose node has died.
const recordEvery = time.Hour

// restoreWithin is how long it is tried to restore a record.
const restoreWithin = 10 * time.Second

// maxPID bounds the pids that are looked for, in bytes.
const maxPID = 64

// whereabouts is the record of where a client that may recover is. It is
// written when the client has connected, and its version is the fence: of the
// nodes that want a client, one takes it.
type whereabouts struct {
	Node      string `json:"node"`
	Namespace string `json:"namespace"`
	Subject   string `json:"subject,omitempty"`
}

// clientRecord is what a client knows of its own.
type clientRecord struct {
	version uint64 // zero: there is none
	timer   *time.Timer
}

func recordKey(pid string) string { return "session/" + pid }

// remember writes the record of a client that has connected. Where that fails,
// the client recovers on this node only, until what keeps the records is back.
func (c *client) remember() {
	if c.pid == "" || !c.gw.node.clustered() {
		return
	}
	c.writeRecord(0)
	c.refreshRecord()
}

func (c *client) writeRecord(ifVersion uint64) {
	ctx, cancel := context.WithTimeout(c.gw.node.ctx, keepWithin)
	defer cancel()
	version, err := c.gw.writeRecord(ctx, c.details.Namespace, c.pid, c.details.Identity.Subject, ifVersion)
	if err != nil && !errors.Is(err, actors.ErrVersion) {
		c.gw.node.log.Warn("a client can recover on this node only", "namespace", c.details.Namespace, "client", c.id, "error", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil || c.record.version == ifVersion { // otherwise it was restored meanwhile
		c.record.version = version
	}
}

// refreshRecord has the record written again in time.
func (c *client) refreshRecord() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.record.version == 0 || c.state == clientLeaving {
		return
	}
	if c.record.timer != nil {
		c.record.timer.Stop()
	}
	c.record.timer = time.AfterFunc(recordEvery, func() {
		c.gw.node.beside.Go(func() {
			c.mu.Lock()
			version := c.record.version
			c.mu.Unlock()
			if version == 0 { // it has left, or another node has taken it
				return
			}
			c.writeRecord(version)
			c.refreshRecord()
		})
	})
}

// restoreRecords writes the records of this node's clients that there are none
// of: where they could not be written, or all that are lost.
func (n *Node) restoreRecords(lost bool) {
	var writes sync.WaitGroup
	defer writes.Wait()
	n.clients.Range(func(_, v any) bool {
		c := v.(*client)
		if !c.lacksRecord(lost) {
			return true
		}
		select {
		case n.reclaims <- struct{}{}:
		case <-n.ctx.Done():
			return false
		}
		writes.Go(func() {
			defer func() { <-n.reclaims }()
			c.restoreRecord()
		})
		return true
	})
}

// lacksRecord reports whether there is no record, or may be none, of a client
// that is here to stay.
func (c *client) lacksRecord(lost bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid != "" && c.stays() && (lost || c.record.version == 0)
}

// stays reports whether the client is here, and is not about to leave. mu is held.
func (c *client) stays() bool { return c.state == clientLive || c.state == clientAway }

// restoreRecord writes the record unless there is one. One that names another
// node, after a roll-back, stays as it is.
func (c *client) restoreRecord() {
	ctx, cancel := context.WithTimeout(c.gw.node.ctx, restoreWithin)
	defer cancel()
	var version uint64
	err := c.gw.node.again(ctx, func(ctx context.Context) (err error) {
		version, err = c.gw.writeRecord(ctx, c.details.Namespace, c.pid, c.details.Identity.Subject, 0)
		if errors.Is(err, actors.ErrVersion) { // perhaps of an earlier try
			version, err = c.gw.ownRecord(ctx, c.pid)
		}
		return err
	})
	if err != nil || version == 0 {
		return
	}
	c.mu.Lock()
	stays := c.stays()
	if stays {
		c.record.version = version
	}
	c.mu.Unlock()
	if !stays { // it has left meanwhile
		c.gw.deleteRecord(c.pid, version)
		return
	}
	c.refreshRecord()
}

// forgetRecord deletes the record, unless another node has taken the client.
func (c *client) forgetRecord() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.record.timer != nil {
		c.record.timer.Stop()
	}
	if version := c.record.version; version != 0 {
		c.record.version = 0
		c.gw.deleteRecord(c.pid, version)
	}
}

func (g *gateway) writeRecord(ctx context.Context, namespace, pid, subject string, ifVersion uint64) (uint64, error) {
	value, err := json.Marshal(whereabouts{Node: g.node.id, Namespace: namespace, Subject: subject})
	if err != nil {
		return 0, err
	}
	return g.node.store.Write(ctx, recordKey(pid), value, ifVersion, recordEvery+g.config.RecoverWithin+takeWithin)
}

// ownRecord returns the version of a record that names this node; zero if it
// names another, or there is none.
func (g *gateway) ownRecord(ctx context.Context, pid string) (uint64, error) {
	value, version, err := g.node.store.Read(ctx, recordKey(pid))
	var w whereabouts
	if err == nil && value != nil {
		err = json.Unmarshal(value, &w)
	}
	if w.Node != g.node.id {
		version = 0
	}
	return version, err
}

// deleteRecord deletes a record of this version, beside the caller.
func (g *gateway) deleteRecord(pid string, version uint64) {
	g.node.beside.Go(func() {
		ctx, cancel := context.WithTimeout(g.node.ctx, keepWithin)
		defer cancel()
		_, err := g.node.store.Write(ctx, recordKey(pid), nil, version, 0)
		if err != nil && !errors.Is(err, actors.ErrVersion) && g.node.ctx.Err() == nil {
			g.node.log.Warn("the record of a client lasts until its time is over", "error", err)
		}
	})
}

// fence makes this node the one where the client of a join is, and returns the
// node where it was and the version of its record; an empty one if it is on no
// other node that lives, or not this subject's.
func (g *gateway) fence(ctx context.Context, namespace string, j *wire.Join) (from string, version uint64) {
	if len(j.PID) > maxPID {
		return "", 0
	}
	value, version, err := g.node.store.Read(ctx, recordKey(j.PID))
	var w whereabouts
	if err == nil && value != nil {
		err = json.Unmarshal(value, &w)
	}
	if err != nil {
		g.node.log.Warn("where a client was is not known", "namespace", namespace, "error", err)
		return "", 0
	}
	if w.Namespace != namespace || w.Subject != j.Identity.Subject || g.node.peer(w.Node) == nil {
		return "", 0
	}
	version, err = g.writeRecord(ctx, namespace, j.PID, j.Identity.Subject, version)
	if err != nil {
		return "", 0
	}
	return w.Node, version
}
