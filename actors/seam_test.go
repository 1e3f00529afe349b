package actors_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func TestAPacketIsEncodedOncePerSlot(t *testing.T) {
	p := &actors.Packet{Type: actors.PacketEvent}
	calls := 0
	for slot := range 4 {
		for range 3 {
			got := p.Encoded(slot, func(q *actors.Packet) any {
				if q != p {
					t.Error("another packet is encoded")
				}
				calls++
				return fmt.Sprint("slot ", slot)
			})
			wantEqual(t, "encoded", got, any(fmt.Sprint("slot ", slot)))
		}
	}
	wantEqual(t, "calls", calls, 4)
	if got := p.Encoded(0, nil); got != "slot 0" {
		t.Errorf("asked again: %v", got)
	}
}

func TestARaceForAPacketEndsInOneResult(t *testing.T) {
	p := new(actors.Packet)
	var results [8]any
	var all, encoding sync.WaitGroup
	encoding.Add(len(results))
	for i := range results {
		all.Go(func() {
			results[i] = p.Encoded(0, func(*actors.Packet) any {
				encoding.Done()
				encoding.Wait() // until everybody is at it
				return i
			})
		})
	}
	all.Wait()
	for _, r := range results {
		if r != results[0] {
			t.Fatalf("several results: %v", results)
		}
	}
}

func TestANilEncodingIsAResultToo(t *testing.T) {
	p := new(actors.Packet)
	calls := 0
	for range 2 {
		if got := p.Encoded(1, func(*actors.Packet) any { calls++; return nil }); got != nil {
			t.Errorf("got %v", got)
		}
	}
	wantEqual(t, "calls", calls, 1)
}
