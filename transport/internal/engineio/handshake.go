package engineio

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

// Handshake is what an Open packet tells the client.
type Handshake struct {
	// SID names the session.
	SID string

	// Upgrades names the transports the client may move to: "websocket" for a
	// polling handshake, none otherwise.
	Upgrades []string

	// PingInterval and PingTimeout have millisecond resolution on the wire.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// MaxPayload is the longest message or payload the server takes, in bytes.
	// Clients split what they POST by it.
	MaxPayload int
}

// ErrHandshake says that the data of an Open packet is not a handshake.
var ErrHandshake = errors.New("engineio: malformed handshake")

// handshakeJSON fixes the keys and their order, which some clients' tests compare.
type handshakeJSON struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int64    `json:"pingInterval"`
	PingTimeout  int64    `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

// Packet returns h as an Open packet, with the keys sid, upgrades, pingInterval,
// pingTimeout and maxPayload in this order, as engine.io 6.6 writes them.
func (h Handshake) Packet() Packet {
	upgrades := h.Upgrades
	if upgrades == nil {
		upgrades = []string{}
	}
	return Packet{Type: Open, Data: marshal(handshakeJSON{
		SID:          h.SID,
		Upgrades:     upgrades,
		PingInterval: h.PingInterval.Milliseconds(),
		PingTimeout:  h.PingTimeout.Milliseconds(),
		MaxPayload:   h.MaxPayload,
	})}
}

// ParseHandshake reads the data of an Open packet, as a client does. Unknown
// keys are ignored. It returns ErrHandshake for what is not a JSON object of
// these types, names no session, or has an interval that is negative or longer
// than a day.
func ParseHandshake(data []byte) (Handshake, error) {
	var j handshakeJSON
	if json.Unmarshal(data, &j) != nil || j.SID == "" || !sane(j.PingInterval) || !sane(j.PingTimeout) || j.MaxPayload < 0 {
		return Handshake{}, ErrHandshake
	}
	return Handshake{
		SID:          j.SID,
		Upgrades:     j.Upgrades,
		PingInterval: time.Duration(j.PingInterval) * time.Millisecond,
		PingTimeout:  time.Duration(j.PingTimeout) * time.Millisecond,
		MaxPayload:   j.MaxPayload,
	}, nil
}

func sane(millis int64) bool {
	return millis >= 0 && millis <= (24*time.Hour).Milliseconds()
}

// marshal is JSON as JSON.stringify writes it: `<`, `>` and `&` stay.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // the types above always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
