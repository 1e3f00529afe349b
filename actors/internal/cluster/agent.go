package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// AgentConfig describes an Agent.
type AgentConfig struct {
	Membership MembershipConfig // Effects is the agent's
	Registry   Registry

	// Ask asks a peer when it last had an answer of the registry: it has the
	// peer's Agent.Heard called and returns what that returned. It blocks
	// until ctx ends at the latest and may be called from several goroutines.
	Ask func(ctx context.Context, peer Member) Said

	// Changed is told every view whose members or data set differ from those
	// of the one before, from one goroutine, the first one included. It does
	// not block.
	Changed func(*View)
	// Lost is called once, from that goroutine, if the node must end.
	Lost func(why string)
}

// Agent drives a Membership: it beats, asks and watches. Its methods may be
// called from any goroutine.
type Agent struct {
	cfg     AgentConfig
	machine *Membership // owned by Run

	inputs chan func(now time.Time)
	over   chan struct{} // closed when Run ends
	beside sync.WaitGroup
	ctx    context.Context // of Run

	serve atomic.Pointer[time.Time]
	last  atomic.Pointer[time.Time] // Membership.LastAnswer

	mu     sync.Mutex // guards the following
	view   *View
	looked chan struct{} // closed and replaced with every view
}

// ErrOver is returned for what is asked of a membership that has ended.
var ErrOver = errors.New("cluster: this node is not a member any more")

// NewAgent returns an agent that does nothing before Run.
func NewAgent(cfg AgentConfig) *Agent {
	a := &Agent{cfg: cfg, inputs: make(chan func(time.Time)), over: make(chan struct{}), view: &View{}, looked: make(chan struct{})}
	a.cfg.Membership.Effects = (*agentEffects)(a)
	a.machine = NewMembership(a.cfg.Membership)
	return a
}

// Run joins and stays a member until ctx ends, or the membership is lost. Then
// the lease is given up, which others see at once; leaving bounds that. It
// returns once no goroutine of the agent is left. It is called once.
func (a *Agent) Run(ctx context.Context, leaving time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	a.ctx = ctx
	a.beside.Go(func() {
		a.cfg.Registry.Watch(ctx, func() { a.post((*Membership).Changed) })
	})
	a.machine.Start(time.Now())
	a.loop(ctx)
	close(a.over)
	cancel()
	a.beside.Wait()
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), leaving)
	defer cancel()
	_ = a.cfg.Registry.Expire(ctx, a.cfg.Membership.Self.ID) // otherwise its lease ends
}

// loop ends with ctx or the membership.
func (a *Agent) loop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !a.machine.Over() {
		wait := time.Hour
		if next := a.machine.NextWake(); !next.IsZero() {
			wait = time.Until(next)
		}
		timer.Reset(wait)
		select {
		case input := <-a.inputs:
			input(time.Now())
		case <-timer.C:
			a.machine.Wake(time.Now())
		case <-ctx.Done():
			a.machine.Leave()
		}
		last := a.machine.LastAnswer()
		a.last.Store(&last)
	}
}

// post hands an input to the loop, unless it has ended.
func (a *Agent) post(input func(*Membership, time.Time)) {
	select {
	case a.inputs <- func(now time.Time) { input(a.machine, now) }:
	case <-a.over:
	}
}

// Drain tells the others that no room starts here any more.
func (a *Agent) Drain() { a.post((*Membership).Drain) }

// Suspect says that the link to a peer broke.
func (a *Agent) Suspect(id string) {
	a.post(func(m *Membership, now time.Time) { m.Suspect(now, id) })
}

// Heard is a peer's question. It returns how long ago the heart-beat was sent
// that the registry answered last.
func (a *Agent) Heard(peer string) time.Duration {
	a.post(func(m *Membership, now time.Time) { m.Heard(now, peer) })
	return time.Since(a.LastAnswer())
}

// LastAnswer is when the heart-beat was sent that the registry answered last;
// zero if none was. It does not block.
func (a *Agent) LastAnswer() time.Time {
	if last := a.last.Load(); last != nil {
		return *last
	}
	return time.Time{}
}

// Serving reports whether this node may serve. It does not block.
func (a *Agent) Serving() bool {
	until := a.serve.Load()
	return until != nil && time.Now().Before(*until)
}

// View returns the latest view.
func (a *Agent) View() *View {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.view
}

// Refresh blocks until there is a view for which the registry was asked after
// since, and returns it. It returns an error if ctx or the membership ends
// first.
func (a *Agent) Refresh(ctx context.Context, since time.Time) (*View, error) {
	asked := false
	for {
		a.mu.Lock()
		view, looked := a.view, a.looked
		a.mu.Unlock()
		if view.AsOf.After(since) {
			return view, nil
		}
		if !asked {
			asked = true
			a.post((*Membership).Refresh)
		}
		select {
		case <-looked:
		case <-a.over:
			return nil, ErrOver
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// agentEffects is what the machine has the agent do.
type agentEffects Agent

func (e *agentEffects) run(timeout time.Duration, f func(ctx context.Context)) {
	a := (*Agent)(e)
	a.beside.Go(func() {
		ctx, cancel := context.WithTimeout(a.ctx, timeout)
		defer cancel()
		f(ctx)
	})
}

func (e *agentEffects) Beat(b Beat) {
	e.run(e.machine.cfg.BeatTimeout, func(ctx context.Context) {
		roll, err := e.cfg.Registry.Beat(ctx, b)
		(*Agent)(e).post(func(m *Membership, now time.Time) {
			if err != nil {
				m.BeatFailed(now, err)
			} else {
				m.Beaten(now, roll)
			}
		})
	})
}

func (e *agentEffects) Expire(id string) {
	e.run(e.machine.cfg.BeatTimeout, func(ctx context.Context) { _ = e.cfg.Registry.Expire(ctx, id) })
}

func (e *agentEffects) Ask(peer Member) {
	e.run(e.machine.cfg.AskTimeout, func(ctx context.Context) {
		said := e.cfg.Ask(ctx, peer)
		(*Agent)(e).post(func(m *Membership, now time.Time) { m.Answered(now, peer.ID, said) })
	})
}

func (e *agentEffects) Publish(v *View) {
	e.mu.Lock()
	before := e.view
	e.view = v
	close(e.looked)
	e.looked = make(chan struct{})
	e.mu.Unlock()
	if before.Data != v.Data || !slices.EqualFunc(before.Members, v.Members, Member.equal) {
		e.cfg.Changed(v)
	}
}

func (e *agentEffects) Serve(until time.Time) { e.serve.Store(&until) }
func (e *agentEffects) Lost(why string)       { e.cfg.Lost(why) }
