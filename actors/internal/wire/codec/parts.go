package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unsafe"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
	pb "github.com/parlor-rooms/parlor/actors/internal/wire/codec/linkpb"
)

var errUnknown = errors.New("codec: not a message that this version knows")

// text is s as bytes, without a copy. It is only handed to the encoder, which
// does not write to it.
func text[S ~string](s S) []byte { return unsafe.Slice(unsafe.StringData(string(s)), len(s)) }

// str is b as a string, without a copy. The decoder has made b for this field
// alone, and nobody else has it.
func str(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func member(b []byte) actors.MemberID    { return actors.MemberID(str(b)) }
func reason(b []byte) actors.LeaveReason { return actors.LeaveReason(str(b)) }

func texts[S ~string](list []S) [][]byte {
	out := make([][]byte, 0, len(list))
	for _, s := range list {
		out = append(out, text(s))
	}
	return out
}

func strs(list [][]byte) []string {
	var out []string
	for _, b := range list {
		out = append(out, str(b))
	}
	return out
}

func members(list [][]byte) []actors.MemberID {
	var out []actors.MemberID
	for _, b := range list {
		out = append(out, member(b))
	}
	return out
}

func room(r actors.RoomRef) *pb.Room { return &pb.Room{Kind: text(r.Kind), Id: text(r.ID)} }

func roomOf(r *pb.Room) actors.RoomRef {
	return actors.RoomRef{Kind: str(r.GetKind()), ID: str(r.GetId())}
}

func conn(c wire.ConnRef) *pb.Conn { return &pb.Conn{Node: text(c.Node), Id: c.ID} }

func connOf(c *pb.Conn) wire.ConnRef { return wire.ConnRef{Node: str(c.GetNode()), ID: c.GetId()} }

func raw(r actors.Raw) *pb.Raw {
	if r.JSON == nil && r.Attachments == nil {
		return nil
	}
	return &pb.Raw{Json: r.JSON, Attachments: r.Attachments}
}

func rawOf(r *pb.Raw) actors.Raw {
	return actors.Raw{JSON: r.GetJson(), Attachments: r.GetAttachments()}
}

const traceLen = 25

// trace is 16 bytes of trace id, 8 of span id and the flags; nil for most.
func trace(t actors.Trace) []byte {
	if t == (actors.Trace{}) {
		return nil
	}
	b := make([]byte, 0, traceLen)
	b = append(append(b, t.TraceID[:]...), t.SpanID[:]...)
	return append(b, t.Flags)
}

func traceOf(b []byte) (t actors.Trace) {
	if len(b) == traceLen {
		copy(t.TraceID[:], b)
		copy(t.SpanID[:], b[16:])
		t.Flags = b[24]
	}
	return t
}

func traces(list []actors.Trace) (all [][]byte) {
	for _, t := range list {
		all = append(all, trace(t))
	}
	return all
}

func tracesOf(list [][]byte) (all []actors.Trace) {
	for _, b := range list {
		all = append(all, traceOf(b))
	}
	return all
}

// failure encodes what an error carries; data that cannot be JSON, or whose
// encoding panics, is left out: its author's code runs here.
func failure(e *actors.Error) (f *pb.Error) {
	if e == nil {
		return nil
	}
	f = &pb.Error{Code: text(e.Code), Message: text(e.Message)}
	defer func() { _ = recover() }()
	if e.Data != nil {
		if data, err := json.Marshal(e.Data); err == nil {
			f.Data = data
		}
	}
	return f
}

func failureOf(f *pb.Error) *actors.Error {
	if f == nil {
		return nil
	}
	e := &actors.Error{Code: actors.Code(str(f.Code)), Message: str(f.Message)}
	if f.Data != nil {
		e.Data = json.RawMessage(f.Data)
	}
	return e
}

// moment is a time to the nanosecond; nil for the zero Time.
func moment(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.UnixNano()
	return &n
}

func momentOf(n *int64) time.Time {
	if n == nil {
		return time.Time{}
	}
	return time.Unix(0, *n)
}

func identity(id actors.Identity) (*pb.Identity, error) {
	p := &pb.Identity{Subject: text(id.Subject), TokenId: text(id.TokenID), Issued: moment(id.Issued), Expires: moment(id.Expires), Claims: id.Claims}
	if id.Grants != nil {
		grants, err := json.Marshal(id.Grants)
		if err != nil {
			return nil, fmt.Errorf("codec: grants: %w", err)
		}
		p.Grants = grants
	}
	return p, nil
}

func identityOf(p *pb.Identity) (id actors.Identity, err error) {
	id = actors.Identity{Subject: str(p.GetSubject()), TokenID: str(p.GetTokenId()), Claims: p.GetClaims()}
	if p == nil {
		return id, nil
	}
	id.Issued, id.Expires = momentOf(p.Issued), momentOf(p.Expires)
	if p.Grants != nil {
		id.Grants = new(actors.Grants)
		if err := json.Unmarshal(p.Grants, id.Grants); err != nil {
			return id, fmt.Errorf("codec: grants: %w", err)
		}
	}
	return id, nil
}

func headers(h map[string][]string) []*pb.Header {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	list := make([]*pb.Header, 0, len(h))
	for _, name := range names {
		list = append(list, &pb.Header{Name: text(name), Values: texts(h[name])})
	}
	return list
}

func headersOf(list []*pb.Header) map[string][]string {
	if len(list) == 0 {
		return nil
	}
	h := make(map[string][]string, len(list))
	for _, one := range list {
		h[str(one.GetName())] = strs(one.GetValues())
	}
	return h
}

func handshake(h *actors.Handshake) *pb.Handshake {
	if h == nil {
		return nil
	}
	return &pb.Handshake{
		Time: moment(h.Time), Address: text(h.Address), Secure: h.Secure, Path: text(h.Path),
		Header: headers(h.Header), Query: headers(h.Query),
	}
}

func handshakeOf(p *pb.Handshake) *actors.Handshake {
	if p == nil {
		return nil
	}
	return &actors.Handshake{
		Time: momentOf(p.Time), Address: str(p.Address), Secure: p.Secure, Path: str(p.Path),
		Header: http.Header(headersOf(p.Header)), Query: url.Values(headersOf(p.Query)),
	}
}

func join(j *wire.Join) (*pb.Join, error) {
	id, err := identity(j.Identity)
	if err != nil {
		return nil, err
	}
	p := &pb.Join{
		Room: room(j.Room), Conn: conn(j.Conn), Member: text(j.Member), Identity: id, Auth: j.Auth,
		Address: text(j.Address), Handshake: handshake(j.Handshake), Pid: text(j.PID), Offset: text(j.Offset), Trace: trace(j.Trace),
	}
	if a := j.Again; a != nil {
		p.Again = &pb.Again{Member: text(a.Member), Link: a.Link, Restart: a.Restart}
	}
	return p, nil
}

func joinOf(p *pb.Join) (*wire.Join, error) {
	id, err := identityOf(p.Identity)
	if err != nil {
		return nil, err
	}
	j := &wire.Join{
		Room: roomOf(p.Room), Conn: connOf(p.Conn), Member: member(p.Member), Identity: id, Auth: p.Auth,
		Address: str(p.Address), Handshake: handshakeOf(p.Handshake), PID: str(p.Pid), Offset: str(p.Offset), Trace: traceOf(p.Trace),
	}
	if a := p.Again; a != nil {
		j.Again = &wire.Again{Member: member(a.Member), Link: a.Link, Restart: a.Restart}
	}
	return j, nil
}
