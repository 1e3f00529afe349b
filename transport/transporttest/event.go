package transporttest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/parlor-rooms/parlor/transport/internal/socketio"
)

// Event is an event that was received, or an acknowledgement, which has no Name.
type Event struct {
	Name string

	// Args are the arguments as JSON. Where an argument is binary stands
	// {"_placeholder":true,"num":n}; see Bytes.
	Args        []json.RawMessage
	Attachments [][]byte

	ns    *Namespace
	pid   string
	id    uint64
	hasID bool
}

// PID is the namespace's when the event came: another one than that of the
// event before if the server has told in between, in place, that something is
// missing.
func (e Event) PID() string { return e.pid }

// Decode decodes argument i.
func (e Event) Decode(i int, v any) error {
	if i >= len(e.Args) {
		return fmt.Errorf("event %q has %d arguments", e.Name, len(e.Args))
	}
	return json.Unmarshal(e.Args[i], v)
}

// Bytes is argument i if that is binary, nil otherwise.
func (e Event) Bytes(i int) []byte {
	var p struct {
		Placeholder bool `json:"_placeholder"`
		Num         int
	}
	if i >= len(e.Args) || json.Unmarshal(e.Args[i], &p) != nil || !p.Placeholder || p.Num >= len(e.Attachments) {
		return nil
	}
	return e.Attachments[p.Num]
}

// WantsAck reports whether the server waits for an acknowledgement.
func (e Event) WantsAck() bool { return e.hasID }

// Ack acknowledges the event with these arguments; see Emit for them.
func (e Event) Ack(args ...any) error {
	data, attachments, err := encode(nil, args)
	if err != nil {
		return err
	}
	return e.ns.client.send(socketio.Packet{
		Type: socketio.Ack, Namespace: e.ns.name, ID: e.id, HasID: true, Data: data, Attachments: attachments,
	})
}

// encode is args as a JSON array behind name, if there is one. A []byte becomes
// an attachment, everything else JSON.
func encode(name *string, args []any) (data []byte, attachments [][]byte, err error) {
	data = append(data, '[')
	if name != nil {
		b, err := json.Marshal(*name)
		if err != nil {
			return nil, nil, err
		}
		data = append(data, b...)
	}
	for i, arg := range args {
		if i > 0 || name != nil {
			data = append(data, ',')
		}
		switch arg := arg.(type) {
		case []byte:
			data = fmt.Appendf(data, `{"_placeholder":true,"num":%d}`, len(attachments))
			attachments = append(attachments, arg)
		case json.RawMessage:
			data = append(data, arg...)
		default:
			b, err := json.Marshal(arg)
			if err != nil {
				return nil, nil, err
			}
			data = append(data, b...)
		}
	}
	return append(data, ']'), attachments, nil
}

// Emit sends an event. An argument that is a []byte is sent as binary, a
// json.RawMessage as it stands, anything else as encoding/json has it. It
// blocks while the connection does not take it.
func (ns *Namespace) Emit(event string, args ...any) error {
	data, attachments, err := encode(&event, args)
	if err != nil {
		return fmt.Errorf("emit %s: %w", event, err)
	}
	return ns.client.send(socketio.Packet{Type: socketio.Event, Namespace: ns.name, Data: data, Attachments: attachments})
}

// EmitAck sends an event and waits for its acknowledgement, for ctx, or for the
// end of the namespace.
func (ns *Namespace) EmitAck(ctx context.Context, event string, args ...any) (Event, error) {
	data, attachments, err := encode(&event, args)
	if err != nil {
		return Event{}, fmt.Errorf("emit %s: %w", event, err)
	}
	answer := make(chan Event, 1)
	ns.mu.Lock()
	id := ns.next
	ns.next++
	if ns.acks == nil {
		ns.acks = make(map[uint64]chan Event)
	}
	ns.acks[id] = answer
	ns.mu.Unlock()
	defer func() {
		ns.mu.Lock()
		defer ns.mu.Unlock()
		delete(ns.acks, id)
	}()

	err = ns.client.send(socketio.Packet{
		Type: socketio.Event, Namespace: ns.name, ID: id, HasID: true, Data: data, Attachments: attachments,
	})
	if err != nil {
		return Event{}, fmt.Errorf("emit %s: %w", event, err)
	}
	select {
	case e := <-answer:
		return e, nil
	case <-ns.left:
		return Event{}, fmt.Errorf("emit %s: %w", event, ErrLeft)
	case <-ctx.Done():
		return Event{}, fmt.Errorf("emit %s: %w", event, ctx.Err())
	}
}

// EmitRaw sends the payload of an event, a JSON array with its name in front,
// as it stands. It allocates next to nothing.
func (ns *Namespace) EmitRaw(payload []byte) error {
	return ns.client.send(socketio.Packet{Type: socketio.Event, Namespace: ns.name, Data: payload})
}

// On has f called for every event of that name, on the client's reader, instead
// of queueing it for Next. f must not wait for the server.
func (ns *Namespace) On(event string, f func(Event)) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.handlers == nil {
		ns.handlers = make(map[string]func(Event))
	}
	ns.handlers[event] = f
}

// Next returns the next event that no handler takes. It waits for one until ctx
// ends or, with ErrLeft, the namespace does; what came before is still returned.
func (ns *Namespace) Next(ctx context.Context) (Event, error) {
	select {
	case e := <-ns.events:
		return e, nil
	default:
	}
	select {
	case e := <-ns.events:
		return e, nil
	case <-ns.left:
		select {
		case e := <-ns.events:
			return e, nil
		default:
			return Event{}, ErrLeft
		}
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// event hands an event on, on the reader.
func (ns *Namespace) event(p *socketio.Packet) error {
	name, args, err := socketio.SplitEvent(p.Data)
	if err != nil {
		return fmt.Errorf("event of %s: %w", ns.name, err)
	}
	ns.mu.Lock()
	e := Event{Name: name, Args: args, Attachments: p.Attachments, ns: ns, pid: ns.pid, id: p.ID, hasID: p.HasID}
	f := ns.handlers[name]
	ns.mu.Unlock()
	if f != nil {
		f(e)
		return nil
	}
	select { // behind an event that was dropped none is handed on
	case <-ns.left:
		return nil
	case <-ns.client.ending:
		return nil
	default:
	}
	select { // a full queue stops the reader, until nobody wants it any more
	case ns.events <- e:
	case <-ns.left:
	case <-ns.client.ending:
	}
	return nil
}

// acknowledged hands an acknowledgement on, on the reader.
func (ns *Namespace) acknowledged(p *socketio.Packet) {
	args, err := socketio.SplitArgs(append(json.RawMessage(nil), p.Data...))
	if err != nil {
		return // the decoder has checked it
	}
	ns.mu.Lock()
	answer := ns.acks[p.ID]
	delete(ns.acks, p.ID)
	ns.mu.Unlock()
	if answer != nil {
		answer <- Event{Args: args, Attachments: p.Attachments, ns: ns}
	}
}
