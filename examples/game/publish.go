package main

import "github.com/parlor-rooms/parlor/actors"

// publish makes the tagged fields the picture of the world. Only what differs
// from the last picture becomes part of a patch.
func (a *Arena) publish() {
	a.Clock.Set(a.world.Tick)
	a.Round.Set(RoundState(a.world.Round))
	seq := make(map[int]int, len(a.crew))
	pilots := make(map[int]Pilot, seats)
	for id, c := range a.crew {
		s := &a.world.Ships[c.seat]
		seq[c.seat] = c.controls.last.Seq
		pilots[c.seat] = Pilot{ID: id, Name: c.name, Away: s.Away}
		a.Secrets.Set(id, Secret{Ammo: s.Ammo, Mark: s.Mark})
	}
	for seat := range a.world.Ships {
		s := &a.world.Ships[seat]
		if !s.Taken {
			a.Ships.Delete(Seat(seat))
			a.Pilots.Delete(Seat(seat))
			a.Scores.Delete(Seat(seat))
			continue
		}
		if s.Robot {
			pilots[seat] = Pilot{Name: robotNames[seat], Robot: true}
		}
		a.Ships.Set(Seat(seat), shipState(s, seq[seat]))
		a.Pilots.Set(Seat(seat), pilots[seat])
		a.Scores.Set(Seat(seat), s.Score)
	}
	mirrorList(&a.Shots, a.world.Shots, func(s Shot) (int, ShotState) { return s.ID, shotState(s) })
	mirrorList(&a.Pickups, a.world.Pickups, func(p Pickup) (int, PickupState) { return p.ID, pickupState(p) })
}

// mirrorList makes m hold exactly what list holds.
func mirrorList[T, V any](m *actors.Map[int, V], list []T, entry func(T) (int, V)) {
	keep := make(map[int]bool, len(list))
	for _, item := range list {
		id, v := entry(item)
		keep[id] = true
		m.Set(id, v)
	}
	for id := range m.All() {
		if !keep[id] {
			m.Delete(id)
		}
	}
}
