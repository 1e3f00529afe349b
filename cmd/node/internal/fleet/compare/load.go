package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// load is what clients do to servers: members of rooms, spread over the servers
// in turn, some of which send events that go to the others of their room.
type load struct {
	rooms, members int
	senders        int     // of each room
	rate           float64 // events per second of each sender
}

// deliveries is how many per second the load comes to.
func (l load) deliveries() float64 {
	return float64(l.rooms*l.senders*(l.members-1)) * l.rate
}

// times of one measurement.
type times struct{ warm, measure time.Duration }

// cost is what one measurement found.
type cost struct {
	used       usage
	deliveries uint64
	took       time.Duration
	delays     []time.Duration
}

// perDelivery is processor time of all processes, in microseconds.
func (c cost) perDelivery() float64 { return micros(c.used.all(), c.deliveries) }

func micros(d time.Duration, n uint64) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(n) }

// tolerance is how far the deliveries of a measurement may be from those of
// its load: beyond, something did not keep up and the figure means nothing.
const tolerance = 0.03

// measure connects everybody, lets the load run warm and measures it.
func measure(s *servers, l load, t times, random *rand.Rand) (cost, error) {
	var sampling atomic.Bool
	crowd, err := connect(s, l, &sampling)
	if err != nil {
		return cost{}, errors.Join(err, closeAll(crowd))
	}
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() { failed <- publish(senders(crowd, l, random), l.rate, stop) }() // received below
	<-time.After(t.warm)
	sampling.Store(true)
	c, err := window(s, crowd, t.measure)
	sampling.Store(false)
	close(stop)
	if err := errors.Join(err, <-failed, closeAll(crowd)); err != nil {
		return cost{}, err
	}
	for _, member := range crowd {
		c.delays = append(c.delays, member.delays...)
	}
	want := l.deliveries() * c.took.Seconds()
	if off := float64(c.deliveries)/want - 1; off > tolerance || off < -tolerance {
		return cost{}, fmt.Errorf("%d deliveries in %v, where the load comes to %.0f: somebody does not keep up", c.deliveries, c.took, want)
	}
	return c, nil
}

// window is what is used and delivered in a stretch of time.
func window(s *servers, crowd []*client, length time.Duration) (cost, error) {
	used, err1 := s.usage()
	delivered, begun := total(crowd), time.Now()
	<-time.After(length)
	after, err2 := s.usage()
	return cost{used: after.minus(used), deliveries: total(crowd) - delivered, took: time.Since(begun)}, errors.Join(err1, err2)
}

func total(crowd []*client) (n uint64) {
	for _, c := range crowd {
		n += c.deliveries.Load()
	}
	return n
}

// atOnce is how many clients connect at the same time.
const atOnce = 32

// connect returns the members, room by room. On an error some are nil.
func connect(s *servers, l load, sampling *atomic.Bool) ([]*client, error) {
	crowd := make([]*client, l.rooms*l.members)
	errs := make([]error, len(crowd))
	var wait sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range crowd {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			room := fmt.Sprint("r", i/l.members)
			crowd[i], errs[i] = dial(s.addresses[i%l.members%len(s.addresses)], s.namespace(room), room, sampling)
		})
	}
	wait.Wait()
	return crowd, errors.Join(errs...)
}

// senders returns those who send, in an order that is not that of rooms.
func senders(crowd []*client, l load, random *rand.Rand) (some []*client) {
	for room := range l.rooms {
		some = append(some, crowd[room*l.members:][:l.senders]...)
	}
	random.Shuffle(len(some), func(i, k int) { some[i], some[k] = some[k], some[i] })
	return some
}

// publish lets everybody send at the rate, evenly spread, until stop is closed.
func publish(some []*client, rate float64, stop <-chan struct{}) error {
	pause := time.Duration(float64(time.Second) / rate / float64(len(some)))
	next := time.Now()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		case <-time.After(time.Until(next)):
		}
		if err := some[i%len(some)].publish(); err != nil {
			return err
		}
		next = next.Add(pause)
	}
}

// closeAll reports a client that the server had closed.
func closeAll(crowd []*client) error {
	var first error
	for _, c := range crowd {
		if c == nil {
			continue
		}
		if err := c.close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
