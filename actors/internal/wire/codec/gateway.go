package codec

import (
	"fmt"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
	pb "github.com/parlor-rooms/parlor/actors/internal/wire/codec/linkpb"
)

func call(c *wire.Call) (*pb.Call, error) {
	p := &pb.Call{
		Id: c.ID, From: text(c.From), Room: room(c.Room), Event: text(c.Event), Payload: raw(c.Payload), Trace: trace(c.Trace),
	}
	switch op := c.Op.(type) {
	case nil:
	case *wire.HubEnter:
		p.Op = &pb.Call_Enter{Enter: &pb.HubEnter{Client: text(op.Client), Conn: conn(op.Conn), User: text(op.User), Data: op.Data, Had: hubPos(op.Had)}}
	case *wire.HubExit:
		p.Op = &pb.Call_Exit{Exit: &pb.HubExit{Client: text(op.Client), Conn: conn(op.Conn)}}
	case *wire.HubEmit:
		p.Op = &pb.Call_Emit{Emit: hubEmit(op)}
	case *wire.HubList:
		p.Op = &pb.Call_List{List: &pb.HubList{}}
	case *wire.RoomDue:
		p.Op = &pb.Call_RoomDue{RoomDue: &pb.RoomDue{}}
	case *wire.RoomHere:
		p.Op = &pb.Call_RoomHere{RoomHere: &pb.RoomHere{Room: room(op.Room)}}
	case *wire.ClientsList:
		p.Op = &pb.Call_ClientsList{ClientsList: &pb.ClientsList{Namespace: text(op.Namespace), Ids: texts(op.IDs), All: op.All}}
	case *wire.ClientsMove:
		p.Op = &pb.Call_ClientsMove{ClientsMove: &pb.ClientsMove{
			Namespace: text(op.Namespace), Ids: texts(op.IDs), Join: texts(op.Join), Leave: texts(op.Leave),
		}}
	case *wire.ClientsEnd:
		p.Op = &pb.Call_ClientsEnd{ClientsEnd: &pb.ClientsEnd{Namespace: text(op.Namespace), Ids: texts(op.IDs), Close: op.Close}}
	case *wire.ServerEvent:
		p.Op = &pb.Call_ServerEvent{ServerEvent: &pb.ServerEvent{Namespace: text(op.Namespace), Event: text(op.Event), Args: raw(op.Args)}}
	case *wire.ClientTake:
		p.Op = &pb.Call_ClientTake{ClientTake: &pb.ClientTake{Namespace: text(op.Namespace), Pid: text(op.PID)}}
	case *wire.ClientHand:
		p.Op = &pb.Call_ClientHand{ClientHand: clientHand(op)}
	default:
		return nil, fmt.Errorf("codec: operation %T does not cross nodes", op)
	}
	return p, nil
}

func callOf(p *pb.Call) (*wire.Call, error) {
	c := &wire.Call{
		ID: p.Id, From: str(p.From), Room: roomOf(p.Room), Event: str(p.Event), Payload: rawOf(p.Payload), Trace: traceOf(p.Trace),
	}
	switch op := p.Op.(type) {
	case nil:
	case *pb.Call_Enter:
		e := op.Enter
		c.Op = &wire.HubEnter{Client: str(e.Client), Conn: connOf(e.Conn), User: str(e.User), Data: e.Data, Had: hubPosOf(e.Had)}
	case *pb.Call_Exit:
		c.Op = &wire.HubExit{Client: str(op.Exit.Client), Conn: connOf(op.Exit.Conn)}
	case *pb.Call_Emit:
		e := hubEmitOf(op.Emit)
		c.Op = &e
	case *pb.Call_List:
		c.Op = &wire.HubList{}
	case *pb.Call_RoomDue:
		c.Op = &wire.RoomDue{}
	case *pb.Call_RoomHere:
		c.Op = &wire.RoomHere{Room: roomOf(op.RoomHere.Room)}
	case *pb.Call_ClientsList:
		c.Op = &wire.ClientsList{Namespace: str(op.ClientsList.Namespace), IDs: strs(op.ClientsList.Ids), All: op.ClientsList.All}
	case *pb.Call_ClientsMove:
		o := op.ClientsMove
		c.Op = &wire.ClientsMove{Namespace: str(o.Namespace), IDs: strs(o.Ids), Join: strs(o.Join), Leave: strs(o.Leave)}
	case *pb.Call_ClientsEnd:
		o := op.ClientsEnd
		c.Op = &wire.ClientsEnd{Namespace: str(o.Namespace), IDs: strs(o.Ids), Close: o.Close}
	case *pb.Call_ServerEvent:
		o := op.ServerEvent
		c.Op = &wire.ServerEvent{Namespace: str(o.Namespace), Event: str(o.Event), Args: rawOf(o.Args)}
	case *pb.Call_ClientTake:
		o := op.ClientTake
		c.Op = &wire.ClientTake{Namespace: str(o.Namespace), PID: str(o.Pid)}
	case *pb.Call_ClientHand:
		c.Op = clientHandOf(op.ClientHand)
	default:
		return nil, errUnknown
	}
	return c, nil
}

func hubEmit(e *wire.HubEmit) *pb.HubEmit {
	return &pb.HubEmit{
		Except: texts(e.Except), Data: raw(e.Data), Volatile: e.Volatile, EmitId: e.EmitID, AskId: e.AskID,
		Local: text(e.Local), From: conn(e.From), Trace: trace(e.Trace), AskFor: int64(e.AskFor),
	}
}

func hubEmitOf(p *pb.HubEmit) wire.HubEmit {
	return wire.HubEmit{
		Except: strs(p.GetExcept()), Data: rawOf(p.GetData()), Volatile: p.GetVolatile(), EmitID: p.GetEmitId(), AskID: p.GetAskId(),
		Local: str(p.GetLocal()), From: connOf(p.GetFrom()), Trace: traceOf(p.GetTrace()), AskFor: time.Duration(p.GetAskFor()),
	}
}

func hubSend(s *wire.HubSend) *pb.HubSend {
	return &pb.HubSend{Room: room(s.Room), Emit: hubEmit(&s.Emit), Wakes: s.Wakes}
}

func hubSendOf(p *pb.HubSend) *wire.HubSend {
	return &wire.HubSend{Room: roomOf(p.Room), Emit: hubEmitOf(p.Emit), Wakes: p.Wakes}
}

func hubDone(d *wire.HubDone) *pb.HubDone {
	if d == nil {
		return nil
	}
	p := &pb.HubDone{Nodes: texts(d.Nodes)}
	for _, m := range d.Members {
		p.Members = append(p.Members, &pb.Client{Id: text(m.ID), User: text(m.UserID), Rooms: texts(m.Rooms), Data: m.Data, Node: text(m.Node)})
	}
	return p
}

func hubDoneOf(p *pb.HubDone) *wire.HubDone {
	if p == nil {
		return nil
	}
	d := &wire.HubDone{Nodes: strs(p.Nodes)}
	for _, m := range p.Members {
		d.Members = append(d.Members, actors.ClientInfo{
			ID: str(m.GetId()), UserID: str(m.GetUser()), Rooms: strs(m.GetRooms()), Data: m.GetData(), Node: str(m.GetNode()),
		})
	}
	return d
}

// gateDeliver encodes items from a hub, or for a client of another node. What
// a node says of its own clients stays there.
func gateDeliver(d *wire.GateDeliver) (*pb.GateDeliver, error) {
	p := &pb.GateDeliver{Namespace: text(d.Namespace), Trace: trace(d.Trace)}
	for _, item := range d.Items {
		i := &pb.GateItem{}
		switch item := item.(type) {
		case wire.GateEnter:
			i.Item = &pb.GateItem_Enter{Enter: &pb.GateEnter{Client: text(item.Client), Room: text(item.Room), Pos: item.Pos, Epoch: item.Epoch}}
		case wire.GateExit:
			i.Item = &pb.GateItem_Exit{Exit: &pb.GateExit{Client: text(item.Client), Room: text(item.Room), Epoch: item.Epoch}}
		case wire.GateGap:
			i.Item = &pb.GateItem_Gap{Gap: &pb.GateGap{Room: text(item.Room), Epoch: item.Epoch}}
		case wire.GateEmit:
			i.Item = &pb.GateItem_Emit{Emit: &pb.GateEmit{
				Scope: uint32(item.Scope), Room: text(item.Room), Pos: item.Pos, Except: texts(item.Except), Data: raw(item.Data),
				Volatile: item.Volatile, EmitId: item.EmitID, AskId: item.AskID, From: text(item.From), AskFor: int64(item.AskFor), Epoch: item.Epoch,
			}}
		default:
			return nil, fmt.Errorf("codec: item %T does not cross nodes", item)
		}
		p.Items = append(p.Items, i)
	}
	return p, nil
}

func gateDeliverOf(p *pb.GateDeliver) (*wire.GateDeliver, error) {
	d := &wire.GateDeliver{Namespace: str(p.Namespace), Trace: traceOf(p.Trace)}
	for _, item := range p.Items {
		switch i := item.GetItem().(type) {
		case *pb.GateItem_Enter:
			d.Items = append(d.Items, wire.GateEnter{Client: str(i.Enter.Client), Room: str(i.Enter.Room), HubPos: wire.HubPos{Epoch: i.Enter.Epoch, Pos: i.Enter.Pos}})
		case *pb.GateItem_Exit:
			d.Items = append(d.Items, wire.GateExit{Client: str(i.Exit.Client), Room: str(i.Exit.Room), Epoch: i.Exit.Epoch})
		case *pb.GateItem_Gap:
			d.Items = append(d.Items, wire.GateGap{Room: str(i.Gap.Room), Epoch: i.Gap.Epoch})
		case *pb.GateItem_Emit:
			e := i.Emit
			d.Items = append(d.Items, wire.GateEmit{
				Scope: wire.Scope(e.Scope), Room: str(e.Room), Pos: e.Pos, Except: strs(e.Except), Data: rawOf(e.Data),
				Volatile: e.Volatile, EmitID: e.EmitId, AskID: e.AskId, From: str(e.From), AskFor: time.Duration(e.AskFor), Epoch: e.Epoch,
			})
		default:
			return nil, errUnknown
		}
	}
	return d, nil
}

func hubPos(h *wire.HubPos) *pb.HubPos {
	if h == nil {
		return nil
	}
	return &pb.HubPos{Epoch: h.Epoch, Pos: h.Pos}
}

func hubPosOf(p *pb.HubPos) *wire.HubPos {
	if p == nil {
		return nil
	}
	return &wire.HubPos{Epoch: p.Epoch, Pos: p.Pos}
}
