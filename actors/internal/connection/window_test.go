package connection

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// creditEvery is how many events a room may keep to itself, at the most.
const creditEvery = 8

func TestPacketsBeyondTheWindowWaitForTheRoom(t *testing.T) {
	f := open()
	f.connect(ns)
	f.joined("m1", "m1")
	const sent = 3 * windowPerStay
	for i := range sent {
		f.event(ns, i)
	}
	for done := 0; done <= sent; done++ {
		f.credit("m1", uint64(done))
		if want := min(1+done+windowPerStay, 1+sent); f.released != want {
			t.Fatalf("after %d of %d events %d packets were released, want %d", done, sent, f.released, want)
		}
	}
	f.credit("m1", 1) // out of date
	f.credit("m1", 1<<60)
	if f.released != sent+1 {
		t.Errorf("%d packets were released of %d", f.released, sent+1)
	}
	for i := range windowPerStay + 1 { // a room that claims too much gets no more than others
		f.event(ns, i)
	}
	if f.released != sent+1+windowPerStay {
		t.Errorf("%d packets were released, want %d", f.released, sent+1+windowPerStay)
	}
}

func TestLeavingLetsInWhatWasHeld(t *testing.T) {
	for name, join := range map[string]func(*fixture){"joining": func(*fixture) {}, "joined": func(f *fixture) { f.joined("m1", "m1") }} {
		t.Run(name, func(t *testing.T) {
			f := open()
			f.connect(ns)
			join(f)
			for i := range 2 * windowPerStay {
				f.event(ns, i)
			}
			f.disconnect(ns)
			if want := 2 + 2*windowPerStay; f.released != want {
				t.Errorf("%d of %d packets were released", f.released, want)
			}
			if sp := f.spaces[ns]; sp != nil && sp.left.early != nil {
				t.Errorf("%d events of a stay that is over are kept", len(sp.left.early))
			}
		})
	}
}

func TestClosedLetsInWhatWasHeld(t *testing.T) {
	f := open()
	f.connect(ns)
	f.joined("m1", "m1")
	f.connect("/b/2")
	for i := range 2 * windowPerStay {
		f.event(ns, i)
		f.event("/b/2", i)
	}
	f.Closed(actors.ReasonTransportClosed)
	if want := 2 + 4*windowPerStay; f.released != want {
		t.Errorf("%d of %d packets were released", f.released, want)
	}
	f.credit("m1", 2*windowPerStay)
	f.event(ns, 0)
	if want := 3 + 4*windowPerStay; f.released != want {
		t.Errorf("afterwards %d of %d packets were released", f.released, want)
	}
}

// A room that keeps at most creditEvery-1 finished events to itself lets every
// packet in, however many the driver lets in at once.
func TestTheWindowCannotDeadLock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := open()
		f.connect(ns)
		f.joined("m1", "m1")
		driver := rapid.IntRange(1, 200).Draw(t, "driver's window")
		total := rapid.IntRange(0, 500).Draw(t, "events")
		sent, credited := 0, 0
		for sent < total || credited+creditEvery <= sent {
			burst := min(driver-(sent+1-f.released), total-sent, rapid.IntRange(0, 200).Draw(t, "burst"))
			for range burst {
				f.event(ns, sent)
				sent++
			}
			switch {
			case credited < sent && (credited+creditEvery <= sent || rapid.Bool().Draw(t, "early")):
				credited = rapid.IntRange(credited+1, sent).Draw(t, "credit")
				f.credit("m1", uint64(credited))
			case sent < total && sent+1-f.released >= driver && credited+creditEvery > sent:
				t.Fatalf("stuck: %d sent, %d credited, %d released", sent, credited, f.released)
			}
		}
		if f.released != total+1 {
			t.Fatalf("%d packets released, %d taken", f.released, total+1)
		}
	})
}

// Whatever the client sends and whatever rooms answer, each packet is released
// exactly once: at once, when it may be, or at the latest with Closed.
func TestEveryPacketIsReleasedExactlyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &house{}
		f := open(func(c *Config) { c.Authenticates = rapid.Bool().Draw(t, "authenticates") }, h.in)
		packets, handedOver := 0, 0
		asked := func(sp *space) []*stay { return []*stay{sp.stay, sp.left} }
		check := func() {
			held := 0
			for _, sp := range f.spaces {
				for _, s := range asked(sp) {
					if s != nil {
						held += s.held
						if s.held != s.beyond() && s.ending == "" && f.spaces[s.namespace].stay == s {
							t.Fatalf("%d held, %d beyond the window", s.held, s.beyond())
						}
					}
				}
			}
			if f.released+held+handedOver != packets {
				t.Fatalf("%d packets: %d released, %d held, %d handed over", packets, f.released, held, handedOver)
			}
			if n := h.users["u"]; n < 0 || n > 1 || f.closed && n != 0 {
				t.Fatalf("the connection is counted %d times for its user", n)
			}
			if len(f.late.names) > f.late.limit || len(f.spaces) > f.cfg.MaxNamespaces {
				t.Fatalf("%d namespaces, %d late ones", len(f.spaces), len(f.late.names))
			}
		}
		names := rapid.SampledFrom([]string{"/b/1", "/b/2", gateway, "/nobody"})
		refs := rapid.SampledFrom([]actors.RoomRef{room, {Kind: "b", ID: "2"}})
		member := func(t *rapid.T) actors.MemberID {
			for _, sp := range f.spaces {
				for _, s := range asked(sp) {
					if s != nil && rapid.Bool().Draw(t, "this one") {
						return s.join.Member
					}
				}
			}
			return actors.MemberID(fmt.Sprintf("m%d", rapid.IntRange(1, 20).Draw(t, "member")))
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { check() },
			"packet": func(t *rapid.T) {
				kind := actors.PacketType(rapid.SampledFrom([]int{0, 0, 1, 2, 2, 2, 2, 3, 4}).Draw(t, "type"))
				if kind == actors.PacketConnectError && rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
					kind = actors.PacketEvent
				}
				for range rapid.IntRange(1, 20).Draw(t, "times") {
					packets++
					before := len(f.log)
					data := ""
					if kind == actors.PacketEvent && rapid.IntRange(0, 3).Draw(t, "renews") == 0 {
						data = `["auth:renew",{"token":"x"}]`
					}
					f.Packet(packet(kind, names.Draw(t, "namespace"), data))
					for _, line := range f.log[before:] {
						if len(line) > 12 && line[:12] == "client event" {
							handedOver++
						}
					}
				}
			},
			"answer": func(t *rapid.T) {
				ref, m := refs.Draw(t, "room"), member(t)
				switch rapid.IntRange(0, 7).Draw(t, "answer") {
				case 0, 1:
					f.Joined(&wire.Joined{Room: ref, Asked: m, Member: m})
				case 2:
					f.Refused(&wire.Refused{Room: ref, Asked: m, Err: full})
				case 3:
					f.Moved(&wire.Moved{Room: ref})
				case 4:
					f.Unreachable(ref, full)
				case 5:
					f.Gone(&wire.Gone{Room: ref, Member: m})
				case 6:
					f.ClientGone(gateway)
				case 7:
					var err error
					if rapid.Bool().Draw(t, "fails") {
						err = full
					}
					f.Authenticated(m, actors.Identity{Subject: "u", Expires: f.now.Add(time.Minute)}, err)
				}
			},
			"credit": func(t *rapid.T) {
				f.Credit(&wire.Credit{Room: refs.Draw(t, "room"), Member: member(t), Link: rapid.Uint64Range(0, 80).Draw(t, "link")})
			},
			"time":    func(t *rapid.T) { f.advance(time.Duration(rapid.IntRange(0, 70).Draw(t, "s")) * time.Second) },
			"recheck": func(t *rapid.T) { h.revoked[""] = rapid.Bool().Draw(t, "revoked"); f.Recheck() },
			"closed": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
					f.Closed(actors.ReasonTransportClosed)
					if f.released+handedOver != packets {
						t.Fatalf("after Closed: %d packets, %d released, %d handed over", packets, f.released, handedOver)
					}
				}
			},
		})
	})
}
