package lasting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// How a scribe behaves.
const (
	everyLine   = 10 * time.Millisecond // pause before a line: this much, to twice of it
	answerTime  = 10 * time.Second      // without an answer the command is sent again
	connectTime = 10 * time.Second
)

// scribe is one client, over all its connections. It writes its lines one
// after the other, each until it is acknowledged, and checks what it is told.
type scribe struct {
	// Set before live, read-only afterwards.
	url, room, name, token string
	transport              transporttest.Transport
	onAck                  func()          // called for each line that was acknowledged
	enough                 <-chan struct{} // closed when no further line is to be begun
	finished               chan struct{}   // closed when the last line was acknowledged
	lossy                  bool            // its server's store may be rolled back

	drops *rand.Rand // owned by live: when it lets its connection drop

	mu       sync.Mutex // guards the following
	pid      string
	offset   string
	acked    []acknowledged // each of its lines
	sent     bool           // the line after those has been sent before
	told     int            // the last line it was told of; -1 if that may be any
	count    int            // of lines, as the state it was shown has it
	heard    map[int]line
	resent   int
	resumed  int // stays that went on
	began    int // stays that began because no answer had come to tell it of the one before
	cuts     int // times it was told that it missed something
	problems []string
}

// acknowledged is what a scribe was answered to a line.
type acknowledged struct {
	at    int // where it stands
	when  time.Time
	doubt bool // it has been told since that it missed something, or came back without having heard of the line
}

// doubts takes what was answered so far, for all lines from one on, to be as
// the store has it: lost, perhaps.
func (s *scribe) doubts(from int) {
	for i := range s.acked {
		if s.acked[i].at >= from {
			s.acked[i].doubt = true
		}
	}
}

func (s *scribe) problem(format string, args ...any) {
	s.problems = append(s.problems, s.name+" "+fmt.Sprintf(format, args...))
}

// live keeps the scribe connected until ctx ends.
func (s *scribe) live(ctx context.Context) {
	for ctx.Err() == nil {
		s.visit(ctx)
		testenv.Pause(ctx, 20*time.Millisecond+time.Duration(s.drops.Int64N(int64(40*time.Millisecond))))
	}
}

// visit is one connection: it lasts until that ends.
func (s *scribe) visit(ctx context.Context) {
	dial, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	client, err := transporttest.Dial(dial, s.url, transporttest.Options{Transport: s.transport, Queue: 20_000})
	if err != nil {
		return // nobody serves at the moment
	}
	defer client.Abort()
	s.mu.Lock()
	auth := map[string]string{"token": s.token}
	if s.pid != "" {
		auth["pid"], auth["offset"] = s.pid, s.offset
	}
	s.mu.Unlock()
	ns, err := client.Connect(dial, s.room, auth)
	if err != nil {
		var refused *transporttest.ConnectError
		if errors.As(err, &refused) && !mayRetry(refused.Code()) {
			s.mu.Lock()
			s.problem("is refused: %v", refused)
			s.mu.Unlock()
		}
		return
	}
	s.mu.Lock()
	s.admitted(ns.PID())
	s.mu.Unlock()
	work, end := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer end()
	wait.Go(func() { s.write(work, ns) })
	s.listen(ctx, ns)
}

func mayRetry(code string) bool { return code == "unavailable" || code == "overloaded" }

// admitted notes how it was taken in: its pid says whether its stay goes on.
func (s *scribe) admitted(pid string) {
	switch s.pid {
	case "":
		s.began++
		s.told = -1
	case pid:
		s.resumed++
		s.doubts(s.told + 1)
	default: // what it knows of the room is past
		s.cuts++
		s.told, s.count, s.heard = -1, 0, make(map[int]line)
		s.doubts(0)
	}
	s.pid = pid
}

// write writes lines until the connection ends, or enough is closed and the
// last one was acknowledged.
func (s *scribe) write(ctx context.Context, ns *transporttest.Namespace) {
	for testenv.Pause(ctx, everyLine+rand.N(everyLine)) {
		n, ok := s.next()
		if !ok {
			return
		}
		meta := map[string]any{"$parlor": map[string]string{"cid": fmt.Sprintf("%s-%d", s.name, n)}}
		try, cancel := context.WithTimeout(ctx, answerTime)
		answer, err := ns.EmitAck(try, "write", line{s.name, n}, meta)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded): // it is sent again
		case err != nil:
			return // it is sent again on the next connection
		default:
			s.answered(n, answer)
		}
	}
}

// next is the number of the line to send.
func (s *scribe) next() (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent {
		s.resent++
		return len(s.acked), true
	}
	select {
	case <-s.enough:
		select {
		case <-s.finished:
		default:
			close(s.finished)
		}
		return 0, false
	default:
	}
	s.sent = true
	return len(s.acked), true
}

func (s *scribe) answered(n int, answer transporttest.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var at int
	if err := answer.Decode(0, &at); err == nil {
		s.acked = append(s.acked, acknowledged{at: at, when: time.Now()})
		s.sent = false
		s.onAck()
		return
	}
	var failed []struct{ Error struct{ Code string } }
	if json.Unmarshal(joined(answer.Args), &failed) != nil || len(failed) == 0 || !mayRetry(failed[0].Error.Code) {
		s.problem("is answered %s to line %d", joined(answer.Args), n)
	}
}

func joined(args []json.RawMessage) []byte {
	b, _ := json.Marshal(args) // raw JSON
	return b
}

// listen checks what comes until the connection ends, or for a while: what has
// come by then and was not heard is lost with the client's memory of it.
func (s *scribe) listen(ctx context.Context, ns *transporttest.Namespace) {
	events := 50 + s.drops.IntN(1000)
	if s.drops.IntN(3) == 0 {
		events = s.drops.IntN(4) // it hears hardly what it missed
	}
	for range events {
		e, err := ns.Next(ctx)
		if err != nil {
			return
		}
		s.hear(e)
	}
}

func (s *scribe) hear(e transporttest.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.PID() != s.pid {
		s.admitted(e.PID()) // in place
	}
	var offset string
	if len(e.Args) > 0 && json.Unmarshal(e.Args[len(e.Args)-1], &offset) == nil {
		s.offset = offset // as stock clients do
	}
	switch e.Name {
	case "room:state", "room:patch":
		s.shown(e)
	case "written":
		var w written
		if err := e.Decode(0, &w); err != nil {
			s.problem("is told %s", joined(e.Args))
			return
		}
		s.toldOf(w)
	default:
		s.problem("receives %s %s", e.Name, joined(e.Args))
	}
}

// shown takes over the state. It never goes back, except where the store was
// rolled back and another whole state takes the place of one whose events the
// scribe has not heard: its connection had ended in between.
func (s *scribe) shown(e transporttest.Event) {
	var state struct {
		Fields, Set struct{ Count *int }
	}
	if err := e.Decode(0, &state); err != nil {
		s.problem("is shown %s", joined(e.Args))
		return
	}
	for _, count := range []*int{state.Fields.Count, state.Set.Count} {
		if count == nil {
			continue
		}
		replaced := s.lossy && e.Name == "room:state" && *count > s.told
		if *count < s.count && !replaced {
			s.problem("is shown %d lines after %d, told of %d, in %s", *count, s.count, s.told, e.Name)
		}
		s.count = *count
	}
}

func (s *scribe) toldOf(w written) {
	if s.told >= 0 && w.At != s.told+1 {
		s.problem("is told of line %d after %d, and nobody said that it missed something", w.At, s.told)
	}
	if before, ok := s.heard[w.At]; ok && before != w.line {
		s.problem("is told that line %d is %v, before it was %v", w.At, w.line, before)
	}
	if s.count <= w.At {
		s.problem("is told of line %d, and the state has %d lines", w.At, s.count)
	}
	s.heard[w.At] = w.line
	s.told = w.At
}

// knowsOf reports whether it was told of a line, or began behind it.
func (s *scribe) knowsOf(at int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told >= at || s.told < 0 && s.count > at
}

// status is one line for a test that waits in vain.
func (s *scribe) status() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%s in %s: %d acknowledged, told of %d, %d resumed %s", s.name, s.room, len(s.acked), s.told, s.resumed, strings.Join(s.problems, "; "))
}
