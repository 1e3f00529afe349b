package codec

import (
	"github.com/parlor-rooms/parlor/actors/internal/wire"
	pb "github.com/parlor-rooms/parlor/actors/internal/wire/codec/linkpb"
)

func clientHand(h *wire.ClientHand) *pb.ClientHand {
	return &pb.ClientHand{Client: text(h.Client), To: text(h.To), Offset: text(h.Offset), Heard: heard(h.Heard)}
}

func heard(list []wire.Heard) (all []*pb.Heard) {
	for _, one := range list {
		all = append(all, &pb.Heard{Node: text(one.Node), Pos: one.Pos})
	}
	return all
}

func heardOf(list []*pb.Heard) (all []wire.Heard) {
	for _, one := range list {
		all = append(all, wire.Heard{Node: str(one.GetNode()), Pos: one.GetPos()})
	}
	return all
}

func clientHandOf(p *pb.ClientHand) *wire.ClientHand {
	return &wire.ClientHand{Client: str(p.Client), To: str(p.To), Offset: str(p.Offset), Heard: heardOf(p.Heard)}
}

// session encodes a client that moves; nil for most answers.
func session(s *wire.Session) *pb.Session {
	if s == nil {
		return nil
	}
	p := &pb.Session{
		Client: text(s.Client), Generation: text(s.Generation), Rooms: texts(s.Rooms), Data: s.Data, Seq: s.Seq,
		Heard: heard(s.Heard),
	}
	for _, e := range s.Events {
		r := raw(e)
		if r == nil {
			r = &pb.Raw{} // an element of a list
		}
		p.Events = append(p.Events, r)
	}
	for _, ids := range s.Seen {
		p.Seen = append(p.Seen, &pb.SeenIDs{Node: text(ids.Node), Top: ids.Top, Bits: ids.Bits})
	}
	return p
}

func sessionOf(p *pb.Session) *wire.Session {
	if p == nil {
		return nil
	}
	s := &wire.Session{
		Client: str(p.Client), Generation: str(p.Generation), Rooms: strs(p.Rooms), Data: p.Data, Seq: p.Seq,
		Heard: heardOf(p.Heard),
	}
	for _, e := range p.Events {
		s.Events = append(s.Events, rawOf(e))
	}
	for _, ids := range p.Seen {
		s.Seen = append(s.Seen, wire.SeenIDs{Node: str(ids.GetNode()), Top: ids.GetTop(), Bits: ids.GetBits()})
	}
	return s
}
