package actors

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// On registers the handler of an event. In is the type of the event's first
// argument: anything encoding/json decodes, []byte or Binary for an
// attachment, Raw for the value as it stands, Args for all arguments as they
// stand, or struct{} if the event needs none. A client that asked for an
// acknowledgement gets an empty one.
//
// A payload that does not fit is refused with CodeBadPayload before the
// handler runs; as everywhere in encoding/json, null fits every type and
// unknown keys are ignored. If In or *In has a method Validate() error it is
// called then: an error refuses the event, an *Error as it is and any other
// with CodeInvalid and its text, which the client sees.
func On[S, In any](k *Kind[S], event string, h func(*S, *Turn, In)) {
	decode, done := newDecoder[In](), Result{Ack: noArguments()}
	k.register(event, h == nil, checkIn[In](), func(s *S, t *Turn, ev *Event) (Result, error) {
		in, err := decode(ev)
		if err != nil {
			return Result{}, err
		}
		h(s, t, in)
		return done, nil
	})
}

func noArguments() Raw { return Raw{JSON: json.RawMessage{'[', ']'}} }

// OnAck registers a handler whose result is the acknowledgement: the client's
// callback receives it as its one argument, or {"error":{code,message}} if the
// handler returned an error, which also undoes the turn. The result is encoded
// as an argument of Emit is; one that cannot be is an error. See On.
func OnAck[S, In, Out any](k *Kind[S], event string, h func(*S, *Turn, In) (Out, error)) {
	decode := newDecoder[In]()
	k.register(event, h == nil, errors.Join(checkIn[In](), checkOut[Out]()), func(s *S, t *Turn, ev *Event) (Result, error) {
		in, err := decode(ev)
		if err != nil {
			return Result{}, err
		}
		out, err := h(s, t, in)
		if err != nil {
			return Result{}, err
		}
		raw, err := EncodeArgs(nil, out)
		return Result{Ack: raw}, err
	})
}

// Ack is an acknowledgement that is given later, from any later turn of the
// same room. Only the first answer counts; if the room ends without one, the
// client gets CodeUnavailable. The answer leaves if the turn t succeeds. The
// zero Ack answers nobody.
type Ack[Out any] struct{ answer func(*Turn, Raw, error) }

// Reply answers with out. It panics, which fails the turn, if out cannot be
// encoded.
func (a Ack[Out]) Reply(t *Turn, out Out) {
	t.live()
	raw, err := EncodeArgs(nil, out)
	if err != nil {
		panic("actors: acknowledgement: " + err.Error())
	}
	if a.answer != nil {
		a.answer(t, raw, nil)
	}
}

// Fail answers with err, which must not be nil. It undoes nothing.
func (a Ack[Out]) Fail(t *Turn, err error) {
	t.live()
	if err == nil {
		panic("actors: Ack.Fail without an error: use Reply")
	}
	if a.answer != nil {
		a.answer(t, Raw{}, err)
	}
}

// OnLater registers a handler that answers when it can: it keeps ack, goes
// off with Turn.Go, Turn.Call or Turn.After, and answers in the turn that
// follows. See On.
func OnLater[S, In, Out any](k *Kind[S], event string, h func(*S, *Turn, In, Ack[Out])) {
	decode := newDecoder[In]()
	k.register(event, h == nil, errors.Join(checkIn[In](), checkOut[Out]()), func(s *S, t *Turn, ev *Event) (Result, error) {
		in, err := decode(ev)
		if err != nil {
			return Result{}, err
		}
		h(s, t, in, Ack[Out]{ev.Answer})
		return Result{Later: true}, nil
	})
}

// OnAny registers the handler of every event that has none of its own. Its
// result is the acknowledgement, as with OnAck; nil is an empty one. Reserved
// events never reach it.
func OnAny[S any](k *Kind[S], h func(s *S, t *Turn, event string, args Args) (any, error)) {
	if h == nil {
		k.fail(errors.New("OnAny: the handler is nil"))
	}
	if k.any != nil {
		k.fail(errors.New("OnAny is registered twice"))
	}
	k.any = func(s *S, t *Turn, ev *Event) (Result, error) {
		out, err := h(s, t, ev.Name, ev.Args)
		if err != nil {
			return Result{}, err
		}
		if out == nil {
			return Result{Ack: noArguments()}, nil
		}
		raw, err := EncodeArgs(nil, out)
		return Result{Ack: raw}, err
	}
}

// register adds the handler of an event. mistake is what is wrong with its
// types, or nil.
func (k *Kind[S]) register(event string, missing bool, mistake error, h handler[S]) {
	k.fail(checkHandler(event, k.handlers[event] != nil, missing, mistake))
	k.handlers[event] = h
}

func checkHandler(event string, taken, missing bool, mistake error) error {
	if err := checkEventName(event); err != nil {
		return err
	}
	switch {
	case taken:
		return fmt.Errorf("event %q is registered twice", event)
	case missing:
		return fmt.Errorf("event %q: the handler is nil", event)
	case mistake != nil:
		return fmt.Errorf("event %q: %w", event, mistake)
	}
	return nil
}

// decoder turns the arguments of an event into what its handler wants.
type decoder[In any] func(ev *Event) (In, error)

func newDecoder[In any]() decoder[In] {
	validate := validatorOf[In]()
	return func(ev *Event) (In, error) {
		var in In
		switch p := any(&in).(type) {
		case *Args:
			*p = ev.Args
			return in, nil
		case *Raw:
			*p = ev.Args.At(0)
			return in, nil
		case *struct{}:
			return in, nil
		}
		if err := ev.Args.Decode(0, &in); err != nil || validate == nil {
			return in, err
		}
		return in, refusal(validate(&in))
	}
}

type validator interface{ Validate() error }

// validatorOf returns what calls Validate, or nil if there is none.
func validatorOf[In any]() func(*In) error {
	t, want := reflect.TypeFor[In](), reflect.TypeFor[validator]()
	switch {
	case t.Kind() == reflect.Pointer && t.Implements(want):
		return func(in *In) error {
			if reflect.ValueOf(*in).IsNil() {
				return nil
			}
			return any(*in).(validator).Validate()
		}
	case reflect.PointerTo(t).Implements(want):
		return func(in *In) error { return any(in).(validator).Validate() }
	}
	return nil
}

// refusal is what the client is told of an error of Validate.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) && known != nil {
		return known
	}
	return &Error{Code: CodeInvalid, Message: clip(err.Error(), maxReason)}
}

// checkIn reports what is wrong with In as the payload of an event.
func checkIn[In any]() error {
	t := reflect.TypeFor[In]()
	if !hasJSON(t) {
		return fmt.Errorf("%v cannot be decoded from JSON", t)
	}
	want := reflect.TypeFor[func() error]()
	for _, t := range []reflect.Type{t, reflect.PointerTo(t)} {
		if m, has := t.MethodByName("Validate"); has && t.Kind() != reflect.Interface && withoutReceiver(m.Type) != want {
			return fmt.Errorf("method Validate of %v does not fit: want %v, have %v", t, want, withoutReceiver(m.Type))
		}
	}
	return nil
}

// checkOut reports what is wrong with Out as a result.
func checkOut[Out any]() error {
	t := reflect.TypeFor[Out]()
	if t.Kind() != reflect.Interface && !hasJSON(t) {
		return fmt.Errorf("%v cannot be encoded as JSON", t)
	}
	return nil
}

// hasJSON is false for types that encoding/json never takes.
func hasJSON(t reflect.Type) bool {
	if encodesItself(t) || encodesItself(reflect.PointerTo(t)) {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return t.Elem() == t || hasJSON(t.Elem())
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return false
	}
	return true
}
