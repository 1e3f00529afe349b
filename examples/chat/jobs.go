package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// Job is a summary that somebody asked for.
type Job struct {
	User     string
	Room     string
	Messages []Said
}

// Notification is what a user is told of a finished job.
type Notification struct {
	Title string `json:"title"`
	Text  string `json:"text"`
	At    int64  `json:"at"`
}

// Jobs is a queue that is worked off in the background. It knows nothing of
// gateways: whoever runs it says how users are told.
type Jobs struct {
	queue chan Job
	takes time.Duration // how long one job takes, at least
}

// NewJobs returns an empty queue.
func NewJobs(takes time.Duration) *Jobs { return &Jobs{make(chan Job, 64), takes} }

// Add queues a job. It does not block; it fails with CodeOverloaded.
func (j *Jobs) Add(job Job) error {
	select {
	case j.queue <- job:
		return nil
	default:
		return actors.Errorf(actors.CodeOverloaded, "too many summaries are being made")
	}
}

// Run works until ctx ends.
func (j *Jobs) Run(ctx context.Context, notify func(user string, n Notification) error) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case job := <-j.queue:
			pause.Reset(j.takes)
			select {
			case <-ctx.Done():
				return nil
			case <-pause.C:
			}
			if err := notify(job.User, summary(job)); err != nil {
				return fmt.Errorf("notify %s: %w", job.User, err)
			}
		}
	}
}

func summary(job Job) Notification {
	words, people := 0, make(map[string]bool)
	for _, m := range job.Messages {
		words += len(strings.Fields(m.Text))
		people[m.User.ID] = true
	}
	return Notification{
		Title: "Summary of " + job.Room,
		Text:  fmt.Sprintf("%d messages, %d words, %d people", len(job.Messages), words, len(people)),
		At:    time.Now().UnixMilli(),
	}
}
