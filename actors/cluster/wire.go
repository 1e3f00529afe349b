package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/parlor-rooms/parlor/actors/internal/cluster"
)

// Two things are said between nodes besides what links carry, over HTTP on the
// node listener: when a node last had an answer of the registry, and, by a
// request that is never answered in full, that its process runs. When that
// request ends, something is wrong with the process or with the way to it.
const (
	leasePath = "/parlor/cluster/lease"
	wirePath  = "/parlor/cluster/wire"
)

// lease answers leasePath.
type lease struct {
	Node    string `json:"node"`
	SinceMS int64  `json:"since_ms"`
}

// Handler serves other nodes. Whoever mounts it sees to it that nobody else
// gets here, and goes on serving until Leave has returned.
func (c *Cluster) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+leasePath, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-c.joined:
		default:
			http.Error(w, "this node has not joined yet", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		since := c.agent.Heard(r.FormValue("from"))
		_ = json.NewEncoder(w).Encode(lease{c.self, since.Milliseconds()})
	})
	mux.HandleFunc("GET "+wirePath, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-c.ctx.Done():
		}
	})
	return mux
}

func (c *Cluster) url(peer cluster.Member, path, from string) string {
	u := url.URL{Scheme: "http", Host: peer.Web, Path: path, RawQuery: url.Values{"from": {from}}.Encode()}
	if c.cfg.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}

// get begins a request; the caller closes the body.
func (c *Cluster) get(ctx context.Context, url string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(r)
	if err == nil && resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return resp, err
}

// ask implements AgentConfig.Ask. That another process answers at the address,
// or that nobody listens there, says that the peer's process has ended.
func (c *Cluster) ask(ctx context.Context, self string, peer cluster.Member) cluster.Said {
	resp, err := c.get(ctx, c.url(peer, leasePath, self))
	if errors.Is(err, syscall.ECONNREFUSED) {
		return cluster.Said{Outcome: cluster.OutcomeRefused}
	}
	if err != nil {
		return cluster.Said{}
	}
	defer func() { _ = resp.Body.Close() }()
	var l lease
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1024)).Decode(&l); err != nil {
		return cluster.Said{}
	}
	if l.Node != peer.ID {
		return cluster.Said{Outcome: cluster.OutcomeRefused}
	}
	return cluster.Said{Outcome: cluster.OutcomeAnswer, Since: time.Duration(l.SinceMS) * time.Millisecond}
}

// rewire keeps a wire to every other member.
func (c *Cluster) rewire(v *cluster.View, self string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, cut := range c.wires {
		if !v.Has(id) {
			cut()
			delete(c.wires, id)
		}
	}
	for _, peer := range v.Members {
		if peer.ID == self || c.wires[peer.ID] != nil || c.ctx.Err() != nil {
			continue
		}
		ctx, cut := context.WithCancel(c.ctx)
		c.wires[peer.ID] = cut
		c.holders.Go(func() { c.hold(ctx, self, peer) })
	}
}

// hold keeps a wire until ctx ends, and has the peer suspected whenever it
// breaks.
func (c *Cluster) hold(ctx context.Context, self string, peer cluster.Member) {
	for ctx.Err() == nil {
		resp, err := c.get(ctx, c.url(peer, wirePath, self))
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // until it breaks
			_ = resp.Body.Close()
		}
		if ctx.Err() != nil {
			return
		}
		c.agent.Suspect(peer.ID)
		pause := time.NewTimer(wirePause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}
