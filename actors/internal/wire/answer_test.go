package wire

import (
	"errors"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("boom") }

type broken struct{}

func (broken) MarshalJSON() ([]byte, error) { return nil, errors.New("broken") }

// What an error carries runs code of the program's author when it is encoded.
func TestAnErrorWhoseDataCannotBeEncodedIsToldWithoutIt(t *testing.T) {
	for name, c := range map[string]struct {
		data                    any
		ack, exception, connect string
	}{
		"a value": {
			7, `[{"error":{"code":"no_tea","message":"none","data":7}}]`,
			`["exception",{"status":"error","code":"no_tea","message":"none","data":7,"event":"e"}]`,
			`{"message":"none","data":{"code":"no_tea","detail":7}}`,
		},
		"it panics": {
			explosive{}, `[{"error":{"code":"no_tea","message":"none"}}]`,
			`["exception",{"status":"error","code":"no_tea","message":"none","event":"e"}]`,
			`{"message":"none","data":{"code":"no_tea"}}`,
		},
		"it fails": {
			broken{}, `[{"error":{"code":"no_tea","message":"none"}}]`,
			`["exception",{"status":"error","code":"no_tea","message":"none","event":"e"}]`,
			`{"message":"none","data":{"code":"no_tea"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := &actors.Error{Code: "no_tea", Message: "none", Data: c.data}
			if got := string(ErrorAck(err).JSON); got != c.ack {
				t.Errorf("ErrorAck: %s", got)
			}
			if got := string(Exception(err, "e").JSON); got != c.exception {
				t.Errorf("Exception: %s", got)
			}
			if got := string(ConnectError(err)); got != c.connect {
				t.Errorf("ConnectError: %s", got)
			}
		})
	}
}
