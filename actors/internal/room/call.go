package room

import (
	"encoding/json"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// startCall sends an event to another room.
func (m *Machine) startCall(life int, c OutCall, then func(*actors.Turn, actors.Raw, error)) {
	if life != m.life {
		return // the instance that asked for it is gone
	}
	m.work.nextID++
	id := m.work.nextID
	deadline := m.after(c.Timeout, false, func() {
		m.callDone(id, actors.Raw{}, actors.Errorf(actors.CodeTimeout, "no answer within %v", c.Timeout))
	})
	m.work.calls[id] = func(result actors.Raw, err *actors.Error) {
		m.cancelTimer(deadline)
		m.continueWith(life, func(t *actors.Turn) {
			if err != nil {
				then(t, actors.Raw{}, err)
				return
			}
			then(t, firstValue(result), nil)
		})
	}
	m.effect.Call(id, c)
}

// CallDone brings back the answer to Effects.Call. Only the first one counts,
// and none after the timeout.
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
func firstValue(r actors.Raw) actors.Raw {
	value := actors.Raw{JSON: json.RawMessage("null"), Attachments: r.Attachments}
	if elems, err := rawjson.Split(r.JSON); err == nil && len(elems) > 0 {
		value.JSON = elems[0]
	}
	return value
}

// Call is an event from Go code or from another room: a turn without a
// member. Its answer goes through Effects.Answer, once: ErrMoved if the room
// has left memory.
func (m *Machine) Call(now time.Time, id uint64, event string, payload actors.Raw) {
	r := &request{m: m, id: id, event: actors.Event{Name: event, WantsAck: true}}
	m.step(now, func() {
		m.stir()
		m.whenOpen(waiter{
			func() { m.call(r, payload) },
			func(err *actors.Error) { r.answer(actors.Raw{}, err) },
		})
	})
}

func (m *Machine) call(r *request, payload actors.Raw) {
	args, err := rawjson.AppendSplit(r.args[:0], payload.JSON)
	switch {
	case err != nil:
		r.refuse(actors.Errorf(actors.CodeBadPayload, "payload: want an array of arguments"))
		return
	case m.admin(r, args):
		return
	case !m.cfg.Behavior.HandlesEvent(r.event.Name):
		r.refuse(actors.Errorf(actors.CodeUnknownEvent, "no handler takes %q", wire.Clip(r.event.Name)))
		return
	case m.full() && m.gate.durable.has(r.event.Name):
		r.refuse(errFull())
		return
	}
	r.event.Args = actors.Args{List: args, Attachments: payload.Attachments}
	if failed := r.handle(actors.Cause{Event: r.event.Name}, ""); failed != nil {
		r.fail(failed)
		return
	}
	m.begun()
}
