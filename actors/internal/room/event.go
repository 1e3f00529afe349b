package room

import (
	"encoding/json"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/rawjson"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// creditEvery is after how many events a connection is told that they are
// done. A connection's window must be larger.
const creditEvery = 8

// Event runs the turn of a member's event, unless it ran already or the member
// is not there any more.
func (m *Machine) Event(now time.Time, e *wire.Event) {
	m.step(now, func() {
		if m.phase == retiring {
			m.effect.Tell(e.Conn, &wire.Moved{Room: m.cfg.Ref, Conn: e.Conn})
			return
		}
		mem := m.members.byID[e.Member]
		if mem == nil || mem.conn != e.Conn || !mem.Connected || e.Link <= mem.link {
			return
		}
		mem.link = e.Link
		m.event(mem, e)
		m.credit(mem)
	})
}

// Overloaded refuses an event without a turn: too much waits for the room.
func (m *Machine) Overloaded(now time.Time, e *wire.Event) {
	m.step(now, func() {
		mem := m.members.byID[e.Member]
		if mem == nil || mem.conn != e.Conn || !mem.Connected || e.Link <= mem.link {
			return
		}
		mem.link = e.Link
		name, _, _ := rawjson.SplitEvent(e.Data.JSON)
		m.respond(mem, e, name, actors.Raw{}, actors.Errorf(actors.CodeOverloaded, "the room has too much to do; try again"))
		m.credit(mem)
	})
}

func (m *Machine) credit(mem *member) {
	if mem.link-mem.credited >= creditEvery && mem.Connected {
		mem.credited = mem.link
		m.effect.Tell(mem.conn, &wire.Credit{Room: m.cfg.Ref, Conn: mem.conn, Member: mem.ID, Link: mem.link})
	}
}

func (m *Machine) event(mem *member, e *wire.Event) {
	name, args, err := rawjson.SplitEvent(e.Data.JSON)
	if err != nil {
		m.respond(mem, e, "", actors.Raw{}, actors.Errorf(actors.CodeBadPayload, "not an event"))
		return
	}
	args, meta := wire.CutMetadata(args)
	switch {
	case m.phase != open:
		m.respond(mem, e, name, actors.Raw{}, actors.Errorf(actors.CodeUnavailable, "the room starts again; try again"))
		return
	case actors.ReservedEvent(name) || len(name) > actors.MaxEventName || !m.cfg.Behavior.HandlesEvent(name):
		m.respond(mem, e, name, actors.Raw{}, actors.Errorf(actors.CodeUnknownEvent, "no handler takes %q", wire.Clip(name)))
		return
	}
	if done, again := mem.commands.lookup(meta.CID); again {
		done.answer(func(ack actors.Raw, err *actors.Error) { m.respond(mem, e, name, ack, err) })
		return
	}
	cmd := mem.commands.begin(meta.CID)
	var answered *later
	reply := func(ack actors.Raw, err *actors.Error) {
		m.respond(mem, e, name, ack, err)
		cmd.finish(ack, err)
	}
	answered = &later{reply: reply}
	ev := &actors.Event{
		Name: name, Args: actors.Args{List: args, Attachments: e.Data.Attachments}, WantsAck: e.HasID,
		Answer: m.answerLater(answered),
	}
	var result actors.Result
	failed := m.doThen(actors.Cause{Member: mem.Member, Event: name}, func(t *actors.Turn) (err error) {
		result, err = m.inst.Handle(t, ev)
		return err
	}, func() {
		if result.Later {
			if !answered.done {
				m.laters[answered] = struct{}{}
			}
			return
		}
		answered.done = true
		reply(result.Ack, nil)
	})
	if failed != nil {
		answered.done = true
		cmd.forget(&mem.commands, meta.CID)
		m.respond(mem, e, name, actors.Raw{}, clientError(failed, actors.CodeInternal))
	}
}

// respond acknowledges e, or reports its failure as an exception if no
// acknowledgement was asked for. The member may have gone meanwhile.
func (m *Machine) respond(mem *member, e *wire.Event, event string, ack actors.Raw, err *actors.Error) {
	if !mem.Connected || mem.conn != e.Conn {
		return
	}
	n := m.node(mem.conn.Node)
	switch {
	case e.HasID && err != nil:
		n.send(wire.Reply{Member: mem.ID, ID: e.ID, Data: wire.ErrorAck(err)})
	case e.HasID:
		if len(ack.JSON) == 0 {
			ack.JSON = json.RawMessage("[]")
		}
		n.send(wire.Reply{Member: mem.ID, ID: e.ID, Data: ack})
	case err != nil:
		n.send(wire.Emit{Data: wire.Exception(err, event), To: []actors.MemberID{mem.ID}})
	}
}

// clientError is what a client sees of err; errors that are not meant for
// clients become code.
func clientError(err error, code actors.Code) *actors.Error {
	e := actors.AsError(err)
	if e.Code == actors.CodeInternal && code != actors.CodeInternal {
		return actors.Errorf(code, "refused")
	}
	return e
}
