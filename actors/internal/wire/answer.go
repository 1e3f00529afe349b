package wire

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/parlor-rooms/parlor/actors"
)

// errorBody is an error as clients see it, docs/protocol.md section 3.
type errorBody struct {
	Code    actors.Code `json:"code"`
	Message string      `json:"message"`
	Data    any         `json:"data,omitempty"`
}

// withData calls encode with what a client sees of err, and again without
// err.Data if that cannot be encoded. To encode it runs code of the program's
// author, which may panic.
func withData(err *actors.Error, encode func(errorBody) (actors.Raw, error)) actors.Raw {
	raw, failed := try(encode, errorBody{err.Code, err.Message, err.Data})
	if failed != nil {
		raw, _ = encode(errorBody{err.Code, err.Message, nil})
	}
	return raw
}

func try(encode func(errorBody) (actors.Raw, error), b errorBody) (raw actors.Raw, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return encode(b)
}

// ErrorAck is the ACK payload of an event that failed.
func ErrorAck(err *actors.Error) actors.Raw {
	return withData(err, func(b errorBody) (actors.Raw, error) {
		return actors.EncodeArgs(nil, map[string]errorBody{"error": b})
	})
}

// Exception is the EVENT payload that reports the failure of an event whose
// sender asked for no acknowledgement.
func Exception(err *actors.Error, event string) actors.Raw {
	type body struct {
		Status string `json:"status"`
		errorBody
		Event string `json:"event"`
	}
	name := "exception"
	return withData(err, func(b errorBody) (actors.Raw, error) {
		return actors.EncodeArgs(&name, body{"error", b, Clip(event)})
	})
}

// ConnectError is the payload of a CONNECT_ERROR.
func ConnectError(err *actors.Error) []byte {
	type data struct {
		Code   actors.Code `json:"code"`
		Detail any         `json:"detail,omitempty"`
	}
	raw := withData(err, func(b errorBody) (actors.Raw, error) {
		return actors.EncodeArgs(nil, struct {
			Message string `json:"message"`
			Data    data   `json:"data"`
		}{b.Message, data{b.Code, b.Data}})
	})
	return raw.JSON[1 : len(raw.JSON)-1] // the one element of the array
}

// ConnectAnswer is the payload of a CONNECT answer; pid is left out if empty.
func ConnectAnswer(sid, pid string) []byte {
	b, _ := json.Marshal(struct {
		SID string `json:"sid"`
		PID string `json:"pid,omitempty"`
	}{sid, pid})
	return b
}

// Clip shortens a name that a client chose to what may be told back.
func Clip(s string) string {
	if len(s) <= actors.MaxEventName {
		return s
	}
	return strings.ToValidUTF8(s[:actors.MaxEventName], "") + "…"
}
