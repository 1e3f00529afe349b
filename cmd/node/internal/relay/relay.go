// Package relay makes room kinds from configuration: rooms that pass on what
// their members send, without a line of Go. docs/protocol.md, section 7, is
// what clients see.
//
// An event that a member sends goes to all members but the sender, with the
// sender's stamp behind its one argument; the sender is given the same stamp
// as the acknowledgement, so that it can put its own event in the order of the
// others. A kept event becomes the synced entry of its sender instead. The
// synced field members says who is there.
//
// Rooms live in memory: their history ends when they have been empty for
// Config.IdleAfter.
package relay

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/parlor-rooms/parlor/actors"
)

const (
	membersField   = "members"
	maxProfileText = 64 // bytes
)

// Stamp is what the room says of a relayed event.
type Stamp struct {
	From actors.MemberID `json:"from"`           // member id of the sender
	User string          `json:"user,omitempty"` // its user id
	At   int64           `json:"at"`             // milliseconds since 1970
	Seq  uint64          `json:"seq,omitempty"`  // among the reliable relayed events of the room, from 1
}

// Entry is what the synced field members says of one member.
type Entry struct {
	User    string            `json:"user,omitempty"`
	At      int64             `json:"at"` // when it was admitted, milliseconds since 1970
	Profile map[string]string `json:"profile,omitempty"`
}

// room is one relay room.
type room struct {
	Members actors.Map[actors.MemberID, Entry]            `room:"members,synced"`
	Kept    actors.Maps[actors.MemberID, json.RawMessage] `room:"*,synced"`

	config *Config

	seq  uint64 // of the last reliable relayed event
	past history
}

// New returns a kind of relay rooms. c has passed its Check; what is wrong all
// the same is reported by the Err of the kind.
func New(name string, c Config) actors.Behavior {
	var kept []string
	for event, e := range c.Events {
		if e.Keep {
			kept = append(kept, event)
		}
	}
	slices.Sort(kept) // the index of a field is the same in every room
	k := actors.NewKind(name, func() *room {
		r := &room{config: &c}
		r.Kept.Define(kept...)
		return r
	}, actors.KindConfig{
		SyncEvery:    c.SyncEvery,
		MaxMembers:   c.MaxMembers,
		ResumeWithin: c.ResumeWithin,
		IdleAfter:    c.IdleAfter,
		Create:       c.policy(),
		Rooms:        c.Rooms,
	})
	for event, e := range c.Events {
		handle := (*room).relay
		if e.Keep {
			handle = (*room).keep
		}
		actors.OnAck(k, event, func(r *room, t *actors.Turn, args actors.Args) (Stamp, error) {
			payload, err := onePayload(args, e.MaxBytes)
			if err != nil {
				return Stamp{}, err
			}
			return handle(r, t, event, payload)
		})
	}
	return k
}

// policy says for whom rooms begin. auto that nobody has resolved is granted.
func (c *Config) policy() actors.CreatePolicy {
	switch c.Create {
	case "", "auto":
		return actors.CreateGranted
	}
	return actors.CreatePolicy(c.Create)
}

// onePayload returns the one argument of an event.
func onePayload(args actors.Args, limit int) (actors.Raw, error) {
	if len(args.List) != 1 {
		return actors.Raw{}, actors.Errorf(actors.CodeBadPayload, "an event has exactly one argument, not %d", len(args.List))
	}
	payload := args.At(0)
	size := len(payload.JSON)
	for _, a := range payload.Attachments {
		size += len(a)
	}
	if size > limit {
		return actors.Raw{}, actors.Errorf(actors.CodeTooLarge, "the payload has %d bytes; at most %d are allowed", size, limit)
	}
	return payload, nil
}

func stamp(t *actors.Turn) Stamp {
	m := t.Member()
	return Stamp{From: m.ID, User: m.UserID, At: t.Now().UnixMilli()}
}

// relay passes an event on.
func (r *room) relay(t *actors.Turn, event string, payload actors.Raw) (Stamp, error) {
	e, s := r.config.Events[event], stamp(t)
	to := t.All().Except(s.From)
	if e.Volatile {
		to.Volatile().Emit(event, payload, s)
		return s, nil
	}
	s.Seq = r.seq + 1
	to.Emit(event, payload, s)
	if e.History > 0 {
		if err := r.past.remember(event, e.History, s.Seq, payload, s); err != nil {
			return Stamp{}, err
		}
	}
	r.seq = s.Seq // the last step: an error before it leaves no gap
	return s, nil
}

// keep makes a payload the sender's value of the synced field.
func (r *room) keep(t *actors.Turn, event string, payload actors.Raw) (Stamp, error) {
	s, field := stamp(t), r.Kept.Get(event)
	switch {
	case s.From == "":
		return Stamp{}, actors.Errorf(actors.CodeForbidden, "only a member has a kept value")
	case len(payload.Attachments) > 0:
		return Stamp{}, actors.Errorf(actors.CodeBadPayload, "a kept value is JSON without attachments")
	case string(bytes.TrimSpace(payload.JSON)) == "null":
		field.Delete(s.From)
	default:
		field.Set(s.From, bytes.Clone(payload.JSON)) // the packet it came in may be larger
	}
	return s, nil
}

// Admit implements actors.Admitter: the profile must be well-formed. Whoever is
// in the room sees its members, so that takes leave to see them.
func (r *room) Admit(_ *actors.Turn, req *actors.JoinRequest) error {
	if !req.Member.Permit.May(actors.OpPresence) {
		return actors.Errorf(actors.CodeForbidden, "the credential does not allow to see who is there")
	}
	_, err := readProfile(req.Member, r.config.Profile)
	return err
}

// readProfile takes the keys of a profile out of the CONNECT payload. It
// returns nil if there are none.
func readProfile(m actors.Member, keys []string) (map[string]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var auth map[string]json.RawMessage
	if err := m.Bind(&auth); err != nil {
		return nil, err
	}
	var profile map[string]string
	for _, key := range keys {
		var text *string
		if raw, ok := auth[key]; !ok {
			continue
		} else if json.Unmarshal(raw, &text) != nil || text != nil && len(*text) > maxProfileText {
			return nil, actors.Errorf(actors.CodeBadAuth, "%s: want a text of at most %d bytes", key, maxProfileText)
		}
		if text == nil || *text == "" {
			continue
		}
		if profile == nil {
			profile = make(map[string]string)
		}
		profile[key] = *text
	}
	return profile, nil
}

// Joined implements actors.Joiner.
func (r *room) Joined(t *actors.Turn, m actors.Member) {
	profile, _ := readProfile(m, r.config.Profile) // Admit has seen that it is well-formed
	r.Members.Set(m.ID, Entry{User: m.UserID, At: m.JoinedAt.UnixMilli(), Profile: profile})
	r.greet(t, m)
}

// Resumed implements actors.Resumer: who has missed more than was kept is told
// the past as a newcomer is.
func (r *room) Resumed(t *actors.Turn, m actors.Member, recovered bool) {
	if !recovered {
		r.greet(t, m)
	}
}

// greet tells a member the past, if it may know.
func (r *room) greet(t *actors.Turn, m actors.Member) {
	if !m.Permit.May(actors.OpHistory) {
		return
	}
	for _, part := range r.past.greeting() {
		actors.EmitReserved(t.To(m.ID), historyEvent, part)
	}
}

// Left implements actors.Leaver.
func (r *room) Left(_ *actors.Turn, m actors.Member, _ actors.LeaveReason) {
	r.Members.Delete(m.ID)
	for event, e := range r.config.Events {
		if e.Keep {
			r.Kept.Get(event).Delete(m.ID)
		}
	}
}
