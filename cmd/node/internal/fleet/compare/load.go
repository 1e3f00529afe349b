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
	late       uint64 // about; only while they are sampled
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
func measure(s *servers, l load, t times, random *rand.Rand) (c cost, err error) {
	var all []*client
	err = under(s, l, random, func(crowd []*client, sampling *atomic.Bool, _ func(float64)) error {
		all = crowd
		<-time.After(t.warm)
		sampling.Store(true)
		c, err = window(s, crowd, t.measure)
		sampling.Store(false)
		return errors.Join(err, l.held(c))
	})
	for _, member := range all {
		c.delays = append(c.delays, member.delays...)
	}
	return c, err
}

// best is the most that servers hold of a load, as a multiple of its rate: it
// grows by a quarter until they do not keep up, or more than one delivery of a
// hundred takes longer than patience.
func best(s *servers, l load, t times, random *rand.Rand) (most float64, err error) {
	err = under(s, l, random, func(crowd []*client, sampling *atomic.Bool, set func(rate float64)) error {
		sampling.Store(true)
		for more := 1.0; ; more *= 1.25 {
			faster := l
			faster.rate *= more
			set(faster.rate)
			<-time.After(t.warm)
			c, err := window(s, crowd, t.measure)
			switch {
			case err != nil:
				return err
			case faster.held(c) == nil && c.late*100 <= c.deliveries:
				most = more
			case most == 0:
				return errors.Join(faster.held(c), fmt.Errorf("not even the load itself is held: %d of %d deliveries are late", c.late, c.deliveries))
			default:
				return nil
			}
		}
	})
	return most, err
}

// under does something while a load runs, whose rate it may set.
func under(s *servers, l load, random *rand.Rand, do func(crowd []*client, sampling *atomic.Bool, set func(rate float64)) error) error {
	var sampling atomic.Bool
	crowd, err := connect(s, l, &sampling)
	if err != nil {
		return errors.Join(err, closeAll(crowd))
	}
	var rate atomic.Value
	rate.Store(l.rate)
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() { // received below
		failed <- publish(senders(crowd, l, random), func() float64 { return rate.Load().(float64) }, stop)
	}()
	err = do(crowd, &sampling, func(r float64) { rate.Store(r) })
	close(stop)
	return errors.Join(err, <-failed, closeAll(crowd))
}

// held reports an error if less or more was delivered than the load comes to.
func (l load) held(c cost) error {
	want := l.deliveries() * c.took.Seconds()
	if off := float64(c.deliveries)/want - 1; off > tolerance || off < -tolerance {
		return fmt.Errorf("%d deliveries in %v, where the load comes to %.0f: somebody does not keep up", c.deliveries, c.took, want)
	}
	return nil
}

// window is what is used and delivered in a stretch of time.
func window(s *servers, crowd []*client, length time.Duration) (cost, error) {
	used, err1 := s.usage()
	delivered, late := total(crowd)
	begun := time.Now()
	<-time.After(length)
	after, err2 := s.usage()
	c := cost{used: after.minus(used), took: time.Since(begun)}
	c.deliveries, c.late = total(crowd)
	c.deliveries, c.late = c.deliveries-delivered, c.late-late
	return c, errors.Join(err1, err2)
}

// total returns how much was delivered so far, and about how much of it late.
func total(crowd []*client) (all, late uint64) {
	for _, c := range crowd {
		all += c.deliveries.Load()
		late += c.late.Load() * sampled
	}
	return all, late
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
// What it is late with it does not make up for beyond a tenth of a second.
func publish(some []*client, rate func() float64, stop <-chan struct{}) error {
	next := time.Now()
	for i := 0; ; i++ {
		wait := time.Until(next)
		if wait < -time.Second/10 {
			next = time.Now()
		}
		if wait > 0 {
			select {
			case <-stop:
				return nil
			case <-time.After(wait):
			}
		} else {
			select {
			case <-stop:
				return nil
			default:
			}
		}
		if err := some[i%len(some)].publish(); err != nil {
			return err
		}
		next = next.Add(time.Duration(float64(time.Second) / rate() / float64(len(some))))
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
