package room

import (
	"context"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// maxQueued is how many functions given to Turn.Go wait for others to end;
// one more fails with CodeOverloaded.
const maxQueued = 16_384

// workState holds what runs beside the room.
type workState struct {
	nextID  uint64
	running map[uint64]func(*failure)                  // by id: what to do with the result
	calls   map[uint64]func(actors.Raw, *actors.Error) // by id, which no work has
	user    int                                        // functions given to Turn.Go that run
	queued  []func()                                   // those that wait for others to end
}

func (w *workState) init() {
	w.running = make(map[uint64]func(*failure))
	w.calls = make(map[uint64]func(actors.Raw, *actors.Error))
}

func (w *workState) busy() bool {
	return len(w.running) > 0 || len(w.calls) > 0 || len(w.queued) > 0
}

// run runs work, which is user code, beside the room and then then, within a
// step.
func (m *Machine) run(work func(context.Context) error, then func(*failure)) {
	m.work.nextID++
	m.work.running[m.work.nextID] = keepTrace(m, then)
	m.effect.Run(m.work.nextID, func(ctx context.Context) error {
		if failed := attempt(func() error { return work(ctx) }); failed != nil {
			return failed
		}
		return nil
	})
}

// WorkDone brings back the result of Effects.Run.
func (m *Machine) WorkDone(now time.Time, id uint64, err error) {
	m.step(now, func() {
		then := m.work.running[id]
		delete(m.work.running, id)
		if then == nil || m.phase == retiring || m.phase == draining {
			return
		}
		failed, _ := err.(*failure) //nolint:errorlint // run made it, and nobody wraps it
		if failed == nil && err != nil {
			failed = &failure{cause: err, public: public(err), text: err.Error()}
		}
		then(failed)
	})
}

// startWork runs what Turn.Go was given, at most MaxWork at a time.
func (m *Machine) startWork(life int, work func(context.Context) error, then func(*actors.Turn, error)) {
	if life != m.life {
		return // the instance that asked for it is gone
	}
	start := func() {
		m.work.user++
		m.run(work, func(failed *failure) { m.workDone(life, failed, then) })
	}
	switch {
	case m.work.user < m.kind.MaxWork:
		start()
	case len(m.work.queued) < maxQueued:
		m.work.queued = append(m.work.queued, start)
	default:
		err := actors.Errorf(actors.CodeOverloaded, "the room has too much to do; try again")
		m.after(0, true, func() { m.continueWith(life, func(t *actors.Turn) { then(t, err) }) })
	}
}

func (m *Machine) workDone(life int, failed *failure, then func(*actors.Turn, error)) {
	m.work.user--
	if len(m.work.queued) > 0 {
		next := m.work.queued[0]
		m.work.queued[0] = nil
		m.work.queued = m.work.queued[1:]
		next()
	}
	var err error
	if failed != nil {
		err = failed.cause
		if failed.stack != nil {
			m.logPanic("work panicked", failed)
			err = failed
		}
	}
	m.continueWith(life, func(t *actors.Turn) { then(t, err) })
}
