package actors_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/parlor-rooms/parlor/actors"
)

// player plays a client and the node for one room: it sends events and prints
// what a client would be answered, and what the turn changed.
type player struct {
	host *fakeHost
	room actors.Instance
}

func play(b actors.Behavior) *player {
	if err := b.Err(); err != nil {
		panic(err)
	}
	p := &player{new(fakeHost), b.NewRoom()}
	p.room.Open()
	return p
}

// emit sends an event with one argument.
func (p *player) emit(event, payload string) {
	ev := &actors.Event{Name: event, WantsAck: true, Args: actors.Args{List: []json.RawMessage{[]byte(payload)}}, Answer: p.answer}
	p.turn(func(t *actors.Turn) error {
		result, err := p.room.Handle(t, ev)
		if err == nil && !result.Later {
			p.answer(t, result.Ack, nil)
		}
		return err
	})
}

func (p *player) answer(_ *actors.Turn, ack actors.Raw, err error) {
	if err != nil {
		fmt.Println("refused:", actors.AsError(err))
		return
	}
	fmt.Println("answered:", string(ack.JSON))
}

func (p *player) turn(f func(*actors.Turn) error) {
	p.room.Begin()
	t := newTurn(p.host)
	err := f(t)
	t.End()
	if err != nil {
		p.room.Rollback()
		p.answer(nil, actors.Raw{}, err)
		return
	}
	for _, c := range p.room.Commit() {
		name := p.room.Fields()[c.Field].Name
		if c.Value == nil {
			fmt.Println("removed:", name, c.Key)
		} else {
			fmt.Println("changed:", name, c.Key, string(c.Value))
		}
	}
	jobs, works := p.host.jobs, p.host.works
	p.host.jobs, p.host.works = nil, nil
	for i, job := range jobs {
		failed := job(context.Background())
		p.turn(func(t *actors.Turn) error { works[i](t, failed); return nil })
	}
}
