package room

import (
	"context"
	"encoding/json"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// workState holds what runs beside the room.
type workState struct {
	nextID  uint64
	running map[uint64]func(error) // by id: what to do with the result
	calls   map[uint64]func(actors.Raw, *actors.Error)
	user    int      // functions given to Turn.Go that run
	queued  []func() // functions given to Turn.Go that wait for others to end
}

func (w *workState) busy() bool {
	return len(w.running) > 0 || len(w.calls) > 0 || len(w.queued) > 0
}

// run runs work beside the room and then then, within a step.
func (m *Machine) run(work func(context.Context) error, then func(error)) {
	m.work.nextID++
	m.work.running[m.work.nextID] = then
	m.effect.Run(m.work.nextID, func(ctx context.Context) error {
		return safely(func() error { return work(ctx) })
	})
}

// WorkDone brings back the result of Effects.Run.
func (m *Machine) WorkDone(now time.Time, id uint64, err error) {
	m.step(now, func() {
		then := m.work.running[id]
		delete(m.work.running, id)
		if then != nil && m.phase != retiring {
			then(err)
		}
	})
}

// startWork runs what Turn.Go was given.
func (m *Machine) startWork(work func(context.Context) error, then func(*actors.Turn, error)) {
	start := func() {
		m.work.user++
		life := m.life
		m.run(work, func(err error) {
			m.work.user--
			if len(m.work.queued) > 0 {
				next := m.work.queued[0]
				m.work.queued = m.work.queued[1:]
				next()
			}
			if p, ok := err.(*panicError); ok {
				m.log.Error("work panicked", "room", m.cfg.Ref.String(), "panic", p.Error(), "stack", string(p.stack))
			}
			if life == m.life && m.phase == open {
				_ = m.do(actors.Cause{}, func(t *actors.Turn) error { then(t, err); return nil })
			}
		})
	}
	if m.work.user >= m.kind.MaxWork {
		m.work.queued = append(m.work.queued, start)
		return
	}
	start()
}

// startCall sends an event to another room.
func (m *Machine) startCall(c OutCall, then func(*actors.Turn, json.RawMessage, error)) {
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if m.work.calls == nil {
		m.work.calls = make(map[uint64]func(actors.Raw, *actors.Error))
	}
	m.work.nextID++
	id, life := m.work.nextID, m.life
	deadline := m.after(c.Timeout, false, func() {
		m.callDone(id, actors.Raw{}, actors.Errorf(actors.CodeTimeout, "no answer within %v", c.Timeout))
	})
	m.work.calls[id] = func(result actors.Raw, err *actors.Error) {
		m.cancel(deadline)
		if life != m.life || m.phase != open {
			return
		}
		_ = m.do(actors.Cause{}, func(t *actors.Turn) error {
			if err != nil {
				then(t, nil, err)
				return nil
			}
			then(t, firstValue(result), nil)
			return nil
		})
	}
	m.effect.Call(id, c)
}

// CallDone brings back the answer to Effects.Call.
func (m *Machine) CallDone(now time.Time, id uint64, result actors.Raw, err *actors.Error) {
	m.step(now, func() { m.callDone(id, result, err) })
}

func (m *Machine) callDone(id uint64, result actors.Raw, err *actors.Error) {
	then := m.work.calls[id]
	delete(m.work.calls, id)
	if then != nil {
		then(result, err)
	}
}

// firstValue is the value of an acknowledgement.
func firstValue(r actors.Raw) json.RawMessage {
	elems, err := rawjson.Split(r.JSON)
	if err != nil || len(elems) == 0 {
		return json.RawMessage("null")
	}
	return elems[0]
}

// ErrMoved answers a call that came too late: resolve the room and call again.
// It never reaches a client.
var ErrMoved = actors.Errorf("moved", "the room has left memory")

// Call is an event from Go code or from another room: a turn without a
// member. Its answer goes through Effects.Answer.
func (m *Machine) Call(now time.Time, id uint64, event string, payload actors.Raw) {
	answer := func(r actors.Raw, err *actors.Error) { m.effect.Answer(id, r, err) }
	m.step(now, func() {
		m.whenOpen(func() { m.call(event, payload, answer) }, func(err *actors.Error) { answer(actors.Raw{}, err) })
	})
}

func (m *Machine) call(event string, payload actors.Raw, answer func(actors.Raw, *actors.Error)) {
	if m.phase == retiring {
		answer(actors.Raw{}, ErrMoved)
		return
	}
	args, err := rawjson.Split(payload.JSON)
	if err != nil || !m.cfg.Behavior.HandlesEvent(event) {
		answer(actors.Raw{}, actors.Errorf(actors.CodeUnknownEvent, "no handler takes %q", wire.Clip(event)))
		return
	}
	l := &later{reply: answer}
	ev := &actors.Event{Name: event, Args: actors.Args{List: args, Attachments: payload.Attachments}, WantsAck: true, Answer: m.answerLater(l)}
	var result actors.Result
	failed := m.doThen(actors.Cause{Event: event}, func(t *actors.Turn) (err error) {
		result, err = m.inst.Handle(t, ev)
		return err
	}, func() {
		if result.Later {
			if !l.done {
				m.laters[l] = struct{}{}
			}
			return
		}
		l.done = true
		answer(result.Ack, nil)
	})
	if failed != nil {
		l.done = true
		answer(actors.Raw{}, clientError(failed, actors.CodeInternal))
	}
}

// later is an acknowledgement that a handler gives in a later turn.
type later struct {
	reply func(actors.Raw, *actors.Error)
	done  bool
}

// answerLater returns what actors.Ack calls, from within a turn: the answer
// leaves if that turn succeeds.
func (m *Machine) answerLater(l *later) func(*actors.Turn, actors.Raw, error) {
	return func(t *actors.Turn, r actors.Raw, err error) {
		t.Now() // panics if the turn is over
		(*host)(m).later(func() {
			if l.done {
				return
			}
			l.done = true
			delete(m.laters, l)
			if err != nil {
				l.reply(actors.Raw{}, clientError(err, actors.CodeInternal))
				return
			}
			l.reply(r, nil)
		})
	}
}

// failLaters answers everybody who still waits: nobody else will.
func (m *Machine) failLaters() {
	for l := range m.laters {
		l.done = true
		l.reply(actors.Raw{}, actors.Errorf(actors.CodeUnavailable, "the room ended before it answered"))
	}
	clear(m.laters)
}
