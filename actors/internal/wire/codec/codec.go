// Package codec turns the messages of package wire into bytes for a node link
// and back. The schema is proto/parlor/link/v1/link.proto; linkpb is generated
// from it by make proto. JSON of users and clients passes as the bytes it is.
package codec

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/parlor-rooms/parlor/actors/internal/wire"
	pb "github.com/parlor-rooms/parlor/actors/internal/wire/codec/linkpb"
)

// Marshal encodes a message that crosses nodes: *wire.Join, *wire.Event and so
// on. It returns an error for anything else, and for an error whose Data
// cannot be JSON.
func Marshal(msg any) ([]byte, error) {
	if b, ok := frequent(msg); ok {
		return b, nil
	}
	return marshal(msg)
}

// marshal encodes any message, by way of linkpb.
func marshal(msg any) ([]byte, error) {
	m := &pb.Message{}
	switch msg := msg.(type) {
	case *wire.Join:
		j, err := join(msg)
		if err != nil {
			return nil, err
		}
		m.Body = &pb.Message_Join{Join: j}
	case *wire.Event:
		m.Body = &pb.Message_Event{Event: &pb.Event{
			Room: room(msg.Room), Conn: conn(msg.Conn), Member: text(msg.Member), Link: msg.Link,
			Id: msg.ID, HasId: msg.HasID, Data: raw(msg.Data), Trace: trace(msg.Trace),
		}}
	case *wire.Ack:
		m.Body = &pb.Message_Ack{Ack: &pb.Ack{
			Room: room(msg.Room), Conn: conn(msg.Conn), Member: text(msg.Member), Id: msg.ID, Data: raw(msg.Data),
		}}
	case *wire.Renew:
		id, err := identity(msg.Identity)
		if err != nil {
			return nil, err
		}
		m.Body = &pb.Message_Renew{Renew: &pb.Renew{Room: room(msg.Room), Conn: conn(msg.Conn), Member: text(msg.Member), Identity: id}}
	case *wire.Leave:
		m.Body = &pb.Message_Leave{Leave: &pb.Leave{
			Room: room(msg.Room), Conn: conn(msg.Conn), Member: text(msg.Member), Why: text(msg.Why),
		}}
	case *wire.Deliver:
		d, err := deliver(msg)
		if err != nil {
			return nil, err
		}
		m.Body = &pb.Message_Deliver{Deliver: d}
	case *wire.Delivered:
		m.Body = &pb.Message_Delivered{Delivered: &pb.Delivered{Room: room(msg.Room), Epoch: msg.Epoch, Node: text(msg.Node), Unheard: msg.Unheard}}
	default:
		if err := marshalRest(m, msg); err != nil {
			return nil, err
		}
	}
	return proto.Marshal(m)
}

// marshalRest encodes answers to connections, and what calls and gateways say.
func marshalRest(m *pb.Message, msg any) error {
	switch msg := msg.(type) {
	case *wire.Joined:
		m.Body = &pb.Message_Joined{Joined: &pb.Joined{
			Room: room(msg.Room), Conn: conn(msg.Conn), Member: text(msg.Member), Asked: text(msg.Asked),
			Epoch: msg.Epoch, Pid: text(msg.PID), Link: msg.Link,
		}}
	case *wire.Refused:
		m.Body = &pb.Message_Refused{Refused: &pb.Refused{Room: room(msg.Room), Conn: conn(msg.Conn), Asked: text(msg.Asked), Err: failure(msg.Err)}}
	case *wire.Gone:
		m.Body = &pb.Message_Gone{Gone: &pb.Gone{Room: room(msg.Room), Conn: conn(msg.Conn), Member: text(msg.Member), Epoch: msg.Epoch}}
	case *wire.Credit:
		m.Body = &pb.Message_Credit{Credit: &pb.Credit{
			Room: room(msg.Room), Conn: conn(msg.Conn), Member: text(msg.Member), Link: msg.Link, Epoch: msg.Epoch,
		}}
	case *wire.Moved:
		m.Body = &pb.Message_Moved{Moved: &pb.Moved{Room: room(msg.Room), Conn: conn(msg.Conn), Member: text(msg.Member), Trace: trace(msg.Trace)}}
	case *wire.Call:
		c, err := call(msg)
		m.Body = &pb.Message_Call{Call: c}
		return err
	case *wire.Answer:
		m.Body = &pb.Message_Answer{Answer: &pb.Answer{
			Id: msg.ID, Moved: msg.Moved, Result: raw(msg.Result), Done: hubDone(msg.Done), Moves: session(msg.Moves), Err: failure(msg.Err),
		}}
	case *wire.HubSend:
		m.Body = &pb.Message_HubSend{HubSend: hubSend(msg)}
	case *wire.HubMissed:
		m.Body = &pb.Message_HubMissed{HubMissed: hubSend(&msg.HubSend)}
	case *wire.HubGone:
		m.Body = &pb.Message_HubGone{HubGone: &pb.HubGone{Room: room(msg.Room)}}
	case *wire.GateDeliver:
		d, err := gateDeliver(msg)
		m.Body = &pb.Message_GateDeliver{GateDeliver: d}
		return err
	case *wire.Asked:
		m.Body = &pb.Message_Asked{Asked: &pb.Asked{Ask: msg.Ask, Node: text(msg.Node), Shards: uint32(msg.Shards), Clients: texts(msg.Clients)}}
	case *wire.Answered:
		a := &pb.Answered{Ask: msg.Ask, Client: text(msg.Client), Err: failure(msg.Err), Attachments: msg.Args.Attachments}
		for _, arg := range msg.Args.List {
			a.Args = append(a.Args, arg)
		}
		m.Body = &pb.Message_Answered{Answered: a}
	default:
		return fmt.Errorf("codec: %T does not cross nodes", msg)
	}
	return nil
}

// Unmarshal decodes a message. The result shares nothing with data. Whatever
// data is, it does not panic; an error says that it is not a message, or one
// that this version does not know.
func Unmarshal(data []byte) (any, error) {
	if msg := frequentOf(data); msg != nil {
		return msg, nil
	}
	return unmarshal(data)
}

// unmarshal decodes any message, by way of linkpb.
func unmarshal(data []byte) (any, error) {
	var m pb.Message
	if err := proto.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("codec: %w", err)
	}
	switch b := m.Body.(type) {
	case *pb.Message_Join:
		return joinOf(b.Join)
	case *pb.Message_Event:
		e := b.Event
		return &wire.Event{
			Room: roomOf(e.Room), Conn: connOf(e.Conn), Member: member(e.Member), Link: e.Link,
			ID: e.Id, HasID: e.HasId, Data: rawOf(e.Data), Trace: traceOf(e.Trace),
		}, nil
	case *pb.Message_Ack:
		a := b.Ack
		return &wire.Ack{Room: roomOf(a.Room), Conn: connOf(a.Conn), Member: member(a.Member), ID: a.Id, Data: rawOf(a.Data)}, nil
	case *pb.Message_Renew:
		r := b.Renew
		id, err := identityOf(r.Identity)
		if err != nil {
			return nil, err
		}
		return &wire.Renew{Room: roomOf(r.Room), Conn: connOf(r.Conn), Member: member(r.Member), Identity: id}, nil
	case *pb.Message_Leave:
		l := b.Leave
		return &wire.Leave{Room: roomOf(l.Room), Conn: connOf(l.Conn), Member: member(l.Member), Why: reason(l.Why)}, nil
	case *pb.Message_Deliver:
		return deliverOf(b.Deliver)
	case *pb.Message_Delivered:
		d := b.Delivered
		return &wire.Delivered{Room: roomOf(d.Room), Epoch: d.Epoch, Node: str(d.Node), Unheard: d.Unheard}, nil
	}
	return unmarshalRest(&m)
}

func unmarshalRest(m *pb.Message) (any, error) {
	switch b := m.Body.(type) {
	case *pb.Message_Joined:
		j := b.Joined
		return &wire.Joined{
			Room: roomOf(j.Room), Conn: connOf(j.Conn), Member: member(j.Member), Asked: member(j.Asked),
			Epoch: j.Epoch, PID: str(j.Pid), Link: j.Link,
		}, nil
	case *pb.Message_Refused:
		r := b.Refused
		return &wire.Refused{Room: roomOf(r.Room), Conn: connOf(r.Conn), Asked: member(r.Asked), Err: failureOf(r.Err)}, nil
	case *pb.Message_Gone:
		g := b.Gone
		return &wire.Gone{Room: roomOf(g.Room), Conn: connOf(g.Conn), Member: member(g.Member), Epoch: g.Epoch}, nil
	case *pb.Message_Credit:
		c := b.Credit
		return &wire.Credit{Room: roomOf(c.Room), Conn: connOf(c.Conn), Member: member(c.Member), Link: c.Link, Epoch: c.Epoch}, nil
	case *pb.Message_Moved:
		v := b.Moved
		return &wire.Moved{Room: roomOf(v.Room), Conn: connOf(v.Conn), Member: member(v.Member), Trace: traceOf(v.Trace)}, nil
	case *pb.Message_Call:
		return callOf(b.Call)
	case *pb.Message_Answer:
		a := b.Answer
		return &wire.Answer{ID: a.Id, Moved: a.Moved, Result: rawOf(a.Result), Done: hubDoneOf(a.Done), Moves: sessionOf(a.Moves), Err: failureOf(a.Err)}, nil
	case *pb.Message_HubSend:
		return hubSendOf(b.HubSend), nil
	case *pb.Message_HubMissed:
		return &wire.HubMissed{HubSend: *hubSendOf(b.HubMissed)}, nil
	case *pb.Message_HubGone:
		return &wire.HubGone{Room: roomOf(b.HubGone.Room)}, nil
	case *pb.Message_GateDeliver:
		return gateDeliverOf(b.GateDeliver)
	case *pb.Message_Asked:
		a := b.Asked
		return &wire.Asked{Ask: a.Ask, Node: str(a.Node), Shards: int(a.Shards), Clients: strs(a.Clients)}, nil
	case *pb.Message_Answered:
		a := &wire.Answered{Ask: b.Answered.Ask, Client: str(b.Answered.Client), Err: failureOf(b.Answered.Err)}
		a.Args.Attachments = b.Answered.Attachments
		for _, arg := range b.Answered.Args {
			a.Args.List = append(a.Args.List, arg)
		}
		return a, nil
	}
	return nil, errUnknown
}
