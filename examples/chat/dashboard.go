package main

import (
	"context"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
)

// Numbers are what the dashboard shows.
type Numbers struct {
	Connections int64 `json:"connections"`
	Messages    int64 `json:"messages"` // since the program started
	PerMinute   int64 `json:"perMinute"`
	Packets     int64 `json:"packets"` // written in the latest interval
}

// NewDashboard returns the gateway "/dashboard": nobody sends anything there.
func NewDashboard() *actors.Gateway[struct{}] {
	return actors.NewGateway[struct{}]("/dashboard", actors.GatewayConfig{})
}

// tick emits the numbers every interval until ctx ends. Numbers are volatile:
// who lags gets later ones.
func tick(ctx context.Context, every time.Duration, g *actors.Gateway[struct{}], stats func() node.Stats, sent func() int64) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	minute := make([]int64, int(time.Minute/every)) // messages so far, at each tick of the latest minute
	var packets int64
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		s, total := stats(), sent()
		n := Numbers{
			Connections: s.Connections, Messages: total,
			PerMinute: total - minute[i%len(minute)], Packets: int64(s.Packets) - packets,
		}
		minute[i%len(minute)], packets = total, int64(s.Packets)
		if err := g.All().Volatile().Emit("numbers", n); err != nil {
			return err
		}
	}
}
