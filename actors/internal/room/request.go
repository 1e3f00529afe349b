package room

import (
	"encoding/json"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// request is one event that is to be answered, of a member or of a Call.
type request struct {
	m    *Machine
	mem  *member      // nil for a Call
	conn wire.ConnRef // of the member when it sent the event
	id   uint64       // of the acknowledgement, if ack, or of the Call
	ack  bool         // the member asked for an acknowledgement
	cmd  *command     // nil if the event had no command id

	event    actors.Event
	args     [4]json.RawMessage // where the payload was split
	result   actors.Result
	answered bool
}

// handle runs the handler of the event and answers, unless the handler wants
// to answer later. It reports the handler's failure, which is not answered.
func (r *request) handle(c actors.Cause, cid string) *failure {
	r.event.Answer = r.answerLater
	failed := r.m.doThen(c, func(t *actors.Turn) (err error) {
		r.m.turn.cid = cid
		r.result, err = r.m.inst.Handle(t, &r.event)
		return err
	}, func() {
		if r.mem != nil {
			r.cmd = r.mem.commands.remember(cid)
		}
		if r.result.Later {
			r.await()
		} else {
			r.answer(r.result.Ack, nil)
		}
	})
	if failed != nil {
		r.answered = true // whoever kept Event.Answer keeps nothing
	}
	return failed
}

// await notes that the request will be answered later.
func (r *request) await() {
	if r.mem != nil {
		r.mem.laters.add(r, maxLaters)
	} else {
		r.m.laters.add(r, maxLaterCalls)
	}
}

// answer answers the request, once. It takes the answer of a member's event
// to mind, so that the same command is answered the same.
func (r *request) answer(ack actors.Raw, err *actors.Error) {
	if r.answered {
		return
	}
	r.answered = true
	r.cmd.note(ack, err)
	r.deliver(ack, err)
	r.cmd.finish(ack, err)
}

// refuse answers a request that has no turn. It tells nothing of the room and
// passes by what is held.
func (r *request) refuse(err *actors.Error) {
	r.answered = true
	r.respond(actors.Raw{}, err)
}

// fail answers a request whose turn has failed: behind what it depends on, as
// a failure tells of the room; at once if the gate was full, which does not.
func (r *request) fail(failed *failure) {
	if failed.refused && failed.public.Code == actors.CodeUnavailable {
		r.refuse(failed.public)
		return
	}
	r.m.depending(failed.on, func() { r.deliver(actors.Raw{}, failed.public) })
}

// deliver sends an answer, behind what is held.
func (r *request) deliver(ack actors.Raw, err *actors.Error) {
	if !r.m.shut() {
		r.respond(ack, err)
		return
	}
	h := held{bytes: rawSize(ack), leave: func() { r.respond(ack, err) }}
	if r.mem == nil {
		h.lost = func() { r.m.effect.Answer(r.id, actors.Raw{}, ErrMoved) }
	}
	r.m.hold(h)
}

// respond acknowledges a member's event, or reports its failure, err.Data
// encoded, as an exception if no acknowledgement was asked for. The member may
// have gone meanwhile.
func (r *request) respond(ack actors.Raw, err *actors.Error) {
	mem := r.mem
	if mem == nil {
		r.m.effect.Answer(r.id, ack, err)
		return
	}
	if r.m.tables[mem.ID] != r.conn {
		return
	}
	n := r.m.node(r.conn.Node)
	switch {
	case r.ack && err != nil:
		n.send(wire.Reply{Member: mem.ID, ID: r.id, Data: wire.ErrorAck(err)})
	case r.ack:
		if len(ack.JSON) == 0 {
			ack.JSON = json.RawMessage("[]")
		}
		n.send(wire.Reply{Member: mem.ID, ID: r.id, Data: ack})
	case err != nil:
		n.send(wire.Emit{Data: wire.Exception(err, r.event.Name), To: []actors.MemberID{mem.ID}})
	}
}

// answerLater is what an actors.Ack calls, within a turn: the answer leaves if
// that turn succeeds.
func (r *request) answerLater(t *actors.Turn, ack actors.Raw, err error) {
	if t.Room() != r.m.cfg.Ref { // panics if the turn is over
		panic("actors: an acknowledgement belongs to the room whose handler was given it")
	}
	failed := public(err)
	(*host)(r.m).whenDone(func() { r.answer(ack, failed) })
}

// So many events of one member, and so many calls, wait for an answer that a
// handler gives later. Beyond it the oldest is answered with CodeTimeout: it
// may have taken effect.
const (
	maxLaters     = 1024
	maxLaterCalls = 16_384
)

// laterList holds requests that are answered later, oldest first. Those that
// were answered stay in it until it is full.
type laterList struct{ list []*request }

func (l *laterList) add(r *request, most int) {
	if len(l.list) >= most {
		l.tidy()
	}
	if len(l.list) >= most {
		l.list[0].answer(actors.Raw{}, actors.Errorf(actors.CodeTimeout, "too many events wait for an answer"))
		l.tidy()
	}
	l.list = append(l.list, r)
}

// tidy lets go of those that were answered.
func (l *laterList) tidy() {
	kept := l.list[:0]
	for _, r := range l.list {
		if !r.answered {
			kept = append(kept, r)
		}
	}
	clear(l.list[len(kept):])
	l.list = kept
}

// fail answers everybody: nobody else will. A command that was not answered
// may be tried again, unless what it did is durable.
func (l *laterList) fail(err *actors.Error) {
	list := l.list
	l.list = nil
	for _, r := range list {
		switch {
		case r.answered:
		case r.cmd.stored():
			r.answer(actors.Raw{}, errAnswerLost())
		default:
			r.cmd.forget()
			r.answer(actors.Raw{}, err)
		}
	}
}

// abandon has the calls made again: what they did never happened.
func (l *laterList) abandon() {
	for _, r := range l.list {
		if !r.answered {
			r.answered = true
			r.respond(actors.Raw{}, ErrMoved)
		}
	}
	l.list = nil
}

// failLaters answers everybody who waits for the instance.
func (m *Machine) failLaters() {
	for mem := range m.members.all() {
		mem.laters.fail(errEnded())
	}
	m.laters.fail(errEnded())
}

func errAnswerLost() *actors.Error {
	return actors.Errorf(actors.CodeTimeout, "the command has taken effect; its answer is lost")
}

func errEnded() *actors.Error {
	return actors.Errorf(actors.CodeUnavailable, "the room ended before it answered")
}
