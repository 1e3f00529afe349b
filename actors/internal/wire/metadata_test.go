package wire_test

import (
	"testing"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

func TestAClientsTraceContextIsReadWhereTheProtocolSays(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for name, c := range map[string]struct {
		kind actors.PacketType
		data string
		has  bool
	}{
		"event":                      {actors.PacketEvent, `["say",{"text":"x"},{"$parlor":{"cid":"1","traceparent":"` + parent + `"}}]`, true},
		"event without arguments":    {actors.PacketEvent, `["say",{"$parlor":{"traceparent":"` + parent + `"}}]`, true},
		"not the last argument":      {actors.PacketEvent, `["say",{"$parlor":{"traceparent":"` + parent + `"}},1]`, false},
		"beside another key":         {actors.PacketEvent, `["say",{"$parlor":{"traceparent":"` + parent + `"},"x":1}]`, false},
		"inside a string":            {actors.PacketEvent, `["say","{\"$parlor\":{\"traceparent\":\"` + parent + `\"}}"]`, false},
		"in the event's name":        {actors.PacketEvent, `[{"$parlor":{"traceparent":"` + parent + `"}}]`, false},
		"malformed":                  {actors.PacketEvent, `["say",{"$parlor":{"traceparent":"` + parent[1:] + `"}}]`, false},
		"not a string":               {actors.PacketEvent, `["say",{"$parlor":{"traceparent":7}}]`, false},
		"metadata that is no object": {actors.PacketEvent, `["say",{"$parlor":"` + parent + `"}]`, false},
		"connect":                    {actors.PacketConnect, `{"token":"x","$parlor":{"traceparent":"` + parent + `"}}`, true},
		"connect without":            {actors.PacketConnect, `{"token":"x"}`, false},
		"acknowledgement":            {actors.PacketAck, `[{"$parlor":{"traceparent":"` + parent + `"}}]`, false},
		"nothing":                    {actors.PacketConnect, ``, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, has := wire.Traceparent(&actors.Packet{Type: c.kind, Data: []byte(c.data)})
			if has != c.has || has && got.String() != parent {
				t.Errorf("got %v, %v", got, has)
			}
		})
	}
}

func TestPacketsWithoutTraceContextCostNothingToAsk(t *testing.T) {
	p := &actors.Packet{Type: actors.PacketEvent, Data: []byte(`["cursor",{"x":1,"y":2},{"meta":{"traceparent":"no"}}]`)}
	if n := testing.AllocsPerRun(1000, func() { wire.Traceparent(p) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
