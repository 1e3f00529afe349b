package codec_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
	"github.com/parlor-rooms/parlor/actors/internal/wire/codec"
)

// crossing are the messages that cross nodes, and what their interfaces hold.
var crossing = []any{
	wire.Join{}, wire.Event{}, wire.Ack{}, wire.Renew{}, wire.Leave{}, wire.Joined{}, wire.Refused{}, wire.Gone{}, wire.Credit{}, wire.Moved{},
	wire.Deliver{}, wire.Delivered{}, wire.Call{}, wire.Answer{}, wire.HubSend{}, wire.HubMissed{}, wire.HubGone{}, wire.GateDeliver{},
	wire.Asked{}, wire.Answered{},
}

var holds = map[reflect.Type][]any{
	reflect.TypeFor[wire.Item]():     {wire.Admit{}, wire.Emit{}, wire.Reply{}, wire.Mirror{}, wire.Sync{}, wire.Remove{}, wire.End{}},
	reflect.TypeFor[wire.GateItem](): {wire.GateEnter{}, wire.GateExit{}, wire.GateGap{}, wire.GateEmit{}},
	reflect.TypeFor[any](): {
		&wire.HubEnter{}, &wire.HubExit{}, &wire.HubEmit{}, &wire.HubList{}, &wire.RoomDue{}, &wire.RoomHere{},
		&wire.ClientsList{}, &wire.ClientsMove{}, &wire.ClientsEnd{}, &wire.ServerEvent{}, &wire.ClientTake{}, &wire.ClientHand{},
	},
}

// filler fills values so that no field is zero: one that the codec forgets
// comes back different.
type filler struct {
	*rand.Rand
	turn int // which of the things that an interface may hold is next
}

func (f *filler) fill(v reflect.Value) {
	switch v.Interface().(type) {
	case json.RawMessage:
		v.SetBytes([]byte(`{"n":` + strings.Repeat("1", 1+f.IntN(5)) + `}`))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(0, 1+f.Int64())))
		return
	case *actors.Grants:
		g, err := actors.NewGrants(actors.Grant{Pattern: "board/q3", Ops: []actors.Op{actors.OpJoin}})
		if err != nil {
			panic(err)
		}
		v.Set(reflect.ValueOf(g))
		return
	case *actors.Packet: // made where the item arrives
		return
	case wire.Sync: // here an index is not held to anything
		v.Set(reflect.ValueOf(wire.Sync{Version: 1 + f.Uint64N(9), Offset: "o\xff", Changes: []actors.Change{{Field: 1 + f.IntN(9), Key: "\xff", Value: []byte("1")}, {Key: "k"}}}))
		return
	case actors.Error:
		v.Set(reflect.ValueOf(actors.Error{Code: "a_code", Message: "a \xff message", Data: json.RawMessage(`{"k":1}`)}))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Interface:
		all := holds[v.Type()]
		f.turn++
		one := reflect.ValueOf(all[f.turn%len(all)])
		filled := reflect.New(one.Type()).Elem()
		f.fill(filled)
		v.Set(filled)
	case reflect.Slice:
		n := 1 + f.IntN(3)
		if v.Type().Elem().Kind() == reflect.Interface {
			n = len(holds[v.Type().Elem()])
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 3 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key)
			f.fill(value)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(string([]byte{byte('a' + f.IntN(26)), byte(f.IntN(256)), 0xff}))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(uint64(1 + f.IntN(2)))
	case reflect.Uint64:
		v.SetUint(f.Uint64() | 1)
	case reflect.Int64:
		v.SetInt(1 + f.Int64N(1000))
	case reflect.Int: // of Change.Field, which indexes fields; other ints are set by the test
	default:
		panic("a kind of field that the test cannot fill: " + v.Type().String())
	}
}

// TestEveryFieldCrosses fills every field of every message, so that one that
// is added to package wire and not to the codec fails here.
func TestEveryFieldCrosses(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	f := &filler{Rand: rand.New(rand.NewPCG(seed, 0))}
	for _, zero := range crossing {
		for range 12 { // more than an interface may hold
			msg := reflect.New(reflect.TypeOf(zero))
			f.fill(msg.Elem())
			if a, ok := msg.Interface().(*wire.Asked); ok {
				a.Shards = 1 + f.IntN(8)
			}
			checkCrossing(t, msg.Interface())
		}
		checkCrossing(t, reflect.New(reflect.TypeOf(zero)).Interface())
	}
}

func checkCrossing(t *testing.T, msg any) {
	t.Helper()
	data, err := codec.Marshal(msg)
	if err != nil {
		t.Fatalf("%T: %v", msg, err)
	}
	back, err := codec.Unmarshal(data)
	if err != nil {
		t.Fatalf("%T: %v", msg, err)
	}
	if !same(reflect.ValueOf(msg), reflect.ValueOf(back)) {
		t.Errorf("%T comes back different:\n%s\n%s", msg, show(msg), show(back))
	}
}

// same is DeepEqual, but an empty slice is as good as nil, except that one of
// Emit.To is nobody where nil is everybody.
func same(a, b reflect.Value) bool {
	if a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Struct:
		if at, ok := a.Interface().(time.Time); ok {
			return at.Equal(b.Interface().(time.Time))
		}
		if e, ok := a.Interface().(wire.Emit); ok && (e.To == nil) != (b.Interface().(wire.Emit).To == nil) {
			return false
		}
		for i := range a.NumField() {
			if !a.Type().Field(i).IsExported() {
				return reflect.DeepEqual(a.Interface(), b.Interface())
			}
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		if g, ok := a.Interface().(*actors.Grants); ok {
			return reflect.DeepEqual(g.List(), b.Interface().(*actors.Grants).List())
		}
		return same(a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func show(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// local are items that a node sends to itself only.
var local = []wire.GateItem{
	wire.GateAttach{}, wire.GateAccept{}, wire.GateRefuse{}, wire.GateReply{}, wire.GateDetach{}, wire.GateAway{}, wire.GateResume{},
	wire.GateTake{}, wire.GateHand{}, wire.GateKeep{}, wire.GateArrive{}, wire.GateInstall{},
}

// TestEveryMessageIsListed: a message or item that is added to package wire is
// in one of the lists above, or a part of one that is.
func TestEveryMessageIsListed(t *testing.T) {
	known := map[string]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		if typ.PkgPath() == reflect.TypeFor[wire.Join]().PkgPath() {
			known[typ.Name()] = true
		}
		switch typ.Kind() {
		case reflect.Struct:
			for i := range typ.NumField() {
				visit(typ.Field(i).Type)
			}
		case reflect.Pointer, reflect.Slice:
			visit(typ.Elem())
		}
	}
	for _, zero := range crossing {
		visit(reflect.TypeOf(zero))
	}
	for _, list := range holds {
		for _, zero := range list {
			visit(reflect.TypeOf(zero))
		}
	}
	for _, zero := range local {
		visit(reflect.TypeOf(zero))
	}
	files, err := filepath.Glob("../*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				if _, is := spec.Type.(*ast.StructType); is && !known[spec.Name.Name] {
					t.Errorf("%s: %s is in no list", name, spec.Name)
				}
			}
			return true
		})
	}
}

func TestNobodyIsNotEverybody(t *testing.T) {
	for _, to := range [][]actors.MemberID{nil, {}, {"a"}} {
		checkCrossing(t, &wire.Deliver{Items: []wire.Item{wire.Emit{To: to}}})
	}
}

func TestLocalItemsDoNotCross(t *testing.T) {
	for _, item := range local {
		if _, err := codec.Marshal(&wire.GateDeliver{Items: []wire.GateItem{item}}); err == nil {
			t.Errorf("%T crossed", item)
		}
	}
	if _, err := codec.Marshal("a string"); err == nil {
		t.Error("a string crossed")
	}
}

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("a user's marshaller") }

func TestAnErrorThatCannotBeEncodedCrossesWithoutItsData(t *testing.T) {
	for _, data := range []any{explosive{}, func() {}} {
		b, err := codec.Marshal(&wire.Refused{Err: &actors.Error{Code: "full", Message: "no seat", Data: data}})
		if err != nil {
			t.Fatal(err)
		}
		back, err := codec.Unmarshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if e := back.(*wire.Refused).Err; e.Code != "full" || e.Message != "no seat" || e.Data != nil {
			t.Errorf("came back as %+v", e)
		}
	}
}

// FuzzUnmarshal: whatever a peer sends is a message or an error.
func FuzzUnmarshal(f *testing.F) {
	fill := &filler{Rand: rand.New(rand.NewPCG(1, 2))}
	for _, zero := range crossing {
		msg := reflect.New(reflect.TypeOf(zero))
		fill.fill(msg.Elem())
		data, err := codec.Marshal(msg.Interface())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		msg, err := codec.Unmarshal(data)
		if err != nil {
			return
		}
		again, err := codec.Marshal(msg)
		if err != nil {
			t.Fatalf("%T was decoded and cannot be encoded: %v", msg, err)
		}
		back, err := codec.Unmarshal(again)
		if err != nil || !same(reflect.ValueOf(msg), reflect.ValueOf(back)) {
			t.Fatalf("%T is not what it was: %v", msg, err)
		}
	})
}
