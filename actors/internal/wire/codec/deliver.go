package codec

import (
	"fmt"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
	pb "github.com/parlor-rooms/parlor/actors/internal/wire/codec/linkpb"
)

func deliver(d *wire.Deliver) (*pb.Deliver, error) {
	p := &pb.Deliver{
		Room: room(d.Room), Namespace: text(d.Namespace), Epoch: d.Epoch, From: text(d.From), Adopts: d.Adopts, Yields: d.Yields, Confirm: d.Confirm, Trace: trace(d.Trace), Links: traces(d.Links),
		Items: make([]*pb.Item, 0, len(d.Items)),
	}
	for _, i := range d.Items {
		one, err := item(i)
		if err != nil {
			return nil, err
		}
		p.Items = append(p.Items, one)
	}
	return p, nil
}

func deliverOf(p *pb.Deliver) (*wire.Deliver, error) {
	d := &wire.Deliver{
		Room: roomOf(p.Room), Namespace: str(p.Namespace), Epoch: p.Epoch, From: str(p.From), Adopts: p.Adopts, Yields: p.Yields, Confirm: p.Confirm, Trace: traceOf(p.Trace), Links: tracesOf(p.Links),
		Items: make([]wire.Item, 0, len(p.Items)),
	}
	for _, i := range p.Items {
		one, err := itemOf(i)
		if err != nil {
			return nil, err
		}
		d.Items = append(d.Items, one)
	}
	return d, nil
}

func item(i wire.Item) (*pb.Item, error) {
	switch i := i.(type) {
	case wire.Admit:
		a := &pb.Admit{Conn: conn(i.Conn), Member: text(i.Member), Answer: i.Answer, Resumed: i.Resumed, Since: i.Since, Quiet: i.Quiet, Offset: text(i.Offset)}
		for _, e := range i.Replay {
			a.Replay = append(a.Replay, emit(&e))
		}
		return &pb.Item{Item: &pb.Item_Admit{Admit: a}}, nil
	case wire.Emit:
		return &pb.Item{Item: &pb.Item_Emit{Emit: emit(&i)}}, nil
	case wire.Reply:
		return &pb.Item{Item: &pb.Item_Reply{Reply: &pb.Reply{Member: text(i.Member), Id: i.ID, Data: raw(i.Data)}}}, nil
	case wire.Mirror:
		m := &pb.Mirror{Version: i.Version, Offset: text(i.Offset), Entries: changes(i.Entries)}
		for _, f := range i.Fields {
			m.Fields = append(m.Fields, &pb.Field{
				Name: text(f.Name), Durable: f.Durable, Synced: f.Synced, Single: f.Single, Audience: uint32(f.Audience),
			})
		}
		return &pb.Item{Item: &pb.Item_Mirror{Mirror: m}}, nil
	case wire.Sync:
		return &pb.Item{Item: &pb.Item_Sync{Sync: &pb.Sync{Version: i.Version, Offset: text(i.Offset), Changes: changes(i.Changes)}}}, nil
	case wire.Remove:
		return &pb.Item{Item: &pb.Item_Remove{Remove: &pb.Remove{Member: text(i.Member), Disconnect: i.Disconnect, Close: text(i.Close)}}}, nil
	case wire.End:
		return &pb.Item{Item: &pb.Item_End{End: &pb.End{}}}, nil
	}
	return nil, fmt.Errorf("codec: item %T does not cross nodes", i)
}

func itemOf(p *pb.Item) (wire.Item, error) {
	switch i := p.GetItem().(type) {
	case *pb.Item_Admit:
		p := i.Admit
		a := wire.Admit{Conn: connOf(p.Conn), Member: member(p.Member), Answer: p.Answer, Resumed: p.Resumed, Since: p.Since, Quiet: p.Quiet, Offset: str(p.Offset)}
		for _, e := range p.Replay {
			a.Replay = append(a.Replay, emitOf(e))
		}
		return a, nil
	case *pb.Item_Emit:
		return emitOf(i.Emit), nil
	case *pb.Item_Reply:
		return wire.Reply{Member: member(i.Reply.Member), ID: i.Reply.Id, Data: rawOf(i.Reply.Data)}, nil
	case *pb.Item_Mirror:
		p := i.Mirror
		m := wire.Mirror{Version: p.Version, Offset: str(p.Offset), Entries: changesOf(p.Entries)}
		for _, f := range p.Fields {
			m.Fields = append(m.Fields, actors.FieldSpec{
				Name: str(f.GetName()), Durable: f.GetDurable(), Synced: f.GetSynced(), Single: f.GetSingle(), Audience: actors.Audience(f.GetAudience()),
			})
		}
		return m, checked(m.Fields, m.Entries)
	case *pb.Item_Sync:
		return wire.Sync{Version: i.Sync.Version, Offset: str(i.Sync.Offset), Changes: changesOf(i.Sync.Changes)}, nil
	case *pb.Item_Remove:
		return wire.Remove{Member: member(i.Remove.Member), Disconnect: i.Remove.Disconnect, Close: reason(i.Remove.Close)}, nil
	case *pb.Item_End:
		return wire.End{}, nil
	}
	return nil, errUnknown
}

// checked reports an entry of a field that is not there.
func checked(fields []actors.FieldSpec, entries []actors.Change) error {
	for _, c := range entries {
		if c.Field < 0 || c.Field >= len(fields) {
			return fmt.Errorf("codec: an entry of field %d among %d", c.Field, len(fields))
		}
	}
	return nil
}

func emit(e *wire.Emit) *pb.Emit {
	return &pb.Emit{
		Data: raw(e.Data), Some: e.To != nil, To: texts(e.To), Except: texts(e.Except),
		Volatile: e.Volatile, AckId: e.AckID, HasAck: e.HasAck,
	}
}

func emitOf(p *pb.Emit) wire.Emit {
	e := wire.Emit{
		Data: rawOf(p.GetData()), To: members(p.GetTo()), Except: members(p.GetExcept()),
		Volatile: p.GetVolatile(), AckID: p.GetAckId(), HasAck: p.GetHasAck(),
	}
	if p.GetSome() && e.To == nil {
		e.To = []actors.MemberID{}
	}
	return e
}

func changes(list []actors.Change) []*pb.Change {
	out := make([]*pb.Change, 0, len(list))
	for _, c := range list {
		out = append(out, &pb.Change{Field: int32(c.Field), Key: text(c.Key), Value: c.Value})
	}
	return out
}

func changesOf(list []*pb.Change) []actors.Change {
	out := make([]actors.Change, 0, len(list))
	for _, c := range list {
		out = append(out, actors.Change{Field: int(c.GetField()), Key: str(c.GetKey()), Value: c.GetValue()})
	}
	return out
}
