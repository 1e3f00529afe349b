// Package governor keeps a process below its memory limit by doing less, in
// stages: it refuses new connections, then drops what may be dropped, then
// closes the clients that read slowest. The collector works ever harder as the
// limit comes near, so all of this happens before.
package governor

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/parlor-rooms/parlor/transport"
)

// Stage is how little memory is left.
type Stage int

// The stages. Each does what those before it do.
const (
	Normal Stage = iota
	Refuse       // 85 % of the limit: no connection is taken
	Shed         // 90 %: volatile packets are dropped, history is trimmed
	Close        // 95 %: at each look, those of the slowest readers that hold the most are closed
	stages
)

// String is the stage in logs.
func (s Stage) String() string { return [...]string{"normal", "refuse", "shed", "close"}[s] }

// percent is where a stage begins. It ends margin lower, so that a process that
// hovers at a border does not come and go.
var percent = [stages]uint64{Refuse: 85, Shed: 90, Close: 95}

const margin = 5

// next is the stage after stage s when so much of the limit is used.
func (s Stage) next(used, limit uint64) Stage {
	share := func(p uint64) bool { return float64(used) >= float64(limit)/100*float64(p) }
	for at := Close; at > Normal; at-- {
		if share(percent[at]) || at <= s && share(percent[at]-margin) {
			return at
		}
	}
	return Normal
}

const (
	// Every is how long the governor waits between two looks.
	Every = 500 * time.Millisecond

	// closeShare is the part of all sessions that one look may close.
	closeShare = 100
)

// Memory tells how much is used of how much, in bytes, not counting what a
// collection would free. It may run one.
type Memory interface {
	Read() (used, limit uint64)
}

// Clients are those that can be done less for. A *transport.Handler is it.
type Clients interface {
	Relieve(transport.Relief)
	CloseSlowest(n int) (closed int)
	Stats() transport.Stats
}

// Governor watches the memory of one process.
type Governor struct {
	Memory  Memory
	Clients Clients
	Trim    func() // trims what is kept for those who come back; nil does nothing
	Log     *slog.Logger

	// Owned by Run.
	stage Stage

	entered [stages]atomic.Uint64
	closed  atomic.Uint64
	used    atomic.Uint64
	limit   atomic.Uint64
	current atomic.Uint32 // stage
}

// Stats is what a governor saw and did.
type Stats struct {
	Stage   Stage
	Used    uint64            // bytes, at the last look
	Limit   uint64            // bytes; 2^63-1 without one
	Entered map[string]uint64 // how often each stage began, by name
	Closed  uint64            // sessions
}

// Stats may be called from any goroutine.
func (g *Governor) Stats() Stats {
	s := Stats{
		Stage: Stage(g.current.Load()), Used: g.used.Load(), Limit: g.limit.Load(),
		Entered: make(map[string]uint64), Closed: g.closed.Load(),
	}
	for stage := Refuse; stage < stages; stage++ {
		s.Entered[stage.String()] = g.entered[stage].Load()
	}
	return s
}

// Run looks at the memory until ctx ends. Then everything is as in stage Normal.
func (g *Governor) Run(ctx context.Context) {
	again := time.NewTicker(Every)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			g.look()
		case <-ctx.Done():
			g.Clients.Relieve(transport.ReliefNone)
			return
		}
	}
}

// look is one step.
func (g *Governor) look() {
	used, limit := g.Memory.Read()
	g.used.Store(used)
	g.limit.Store(limit)
	stage := g.stage.next(used, limit)
	if stage != g.stage {
		g.enter(stage, used, limit)
	}
	if stage >= Shed && g.Trim != nil {
		g.Trim()
	}
	if stage == Close {
		s := g.Clients.Stats()
		n := g.Clients.CloseSlowest(max(1, (s.Polling+s.WebSocket)/closeShare))
		g.closed.Add(uint64(n))
	}
}

func (g *Governor) enter(stage Stage, used, limit uint64) {
	g.Log.Warn("memory", "stage", stage.String(), "was", g.stage.String(), "used_mib", used>>20, "limit_mib", limit>>20)
	for s := g.stage + 1; s <= stage; s++ {
		g.entered[s].Add(1)
	}
	g.stage = stage
	g.current.Store(uint32(stage))
	relief := transport.ReliefNone
	switch stage {
	case Refuse:
		relief = transport.ReliefRefuse
	case Shed, Close:
		relief = transport.ReliefShed
	}
	g.Clients.Relieve(relief)
}
