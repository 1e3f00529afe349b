package lasting

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// witness is one client of a ledger that asks one thing after the other, loses
// its connection in the middle of some, and notes what it was answered.
type witness struct {
	history *history
	id      int
	room    string
	servers []string // most often the first
	read    string   // the event that reads all lines
	rnd     *rand.Rand
	pace    time.Duration // pause before a question: up to this much
	token   string        // for servers that ask for one

	n      int
	client *transporttest.Client // nil: not connected
	ns     *transporttest.Namespace
	pid    string
}

// How a call ended, other than with an answer.
var (
	errRefused = errors.New("it was not done")
	errLost    = errors.New("nobody knows whether it was done")
)

// live asks ops things. It ends early, with an error, if ctx does or the
// server answers what it must not.
func (w *witness) live(ctx context.Context, ops int) error {
	defer w.drop()
	for range ops {
		testenv.Pause(ctx, time.Duration(w.rnd.Int64N(int64(w.pace)+1)))
		in := asked{room: w.room}
		if w.rnd.IntN(3) > 0 {
			in.write, in.line = true, line{fmt.Sprint("w", w.id), w.n}
		}
		w.n++
		if err := w.ask(ctx, in, w.rnd.IntN(3) > 0); err != nil {
			return err
		}
	}
	return nil
}

// ask asks for one thing: until it is answered if it has a command id, and
// otherwise once.
func (w *witness) ask(ctx context.Context, in asked, withID bool) error {
	cid := ""
	if withID {
		cid = fmt.Sprintf("%d-%d", w.id, w.n)
	}
	call := w.history.now()
	for ctx.Err() == nil {
		out, err := w.try(ctx, in, cid)
		switch {
		case err == nil:
			w.history.add(w.id, call, in, out)
			return nil
		case errors.Is(err, errLost) && !withID:
			w.history.add(w.id, call, in, answer{})
			return nil
		case errors.Is(err, errRefused) && !withID:
			return nil
		case !errors.Is(err, errLost) && !errors.Is(err, errRefused):
			return err
		}
		testenv.Pause(ctx, time.Duration(w.rnd.Int64N(int64(5*time.Millisecond))))
	}
	return ctx.Err()
}

// try sends it, and drops the connection if the answer is late or its number
// is up.
func (w *witness) try(ctx context.Context, in asked, cid string) (answer, error) {
	if err := w.connect(ctx); err != nil {
		return answer{}, err
	}
	within := answerTime
	if w.rnd.IntN(4) == 0 {
		within = time.Duration(w.rnd.Int64N(int64(5 * time.Millisecond)))
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	event, arg := w.read, any(0)
	if in.write {
		event, arg = "write", in.line
	}
	args := []any{arg}
	if cid != "" {
		args = append(args, map[string]any{"$parlor": map[string]string{"cid": cid}})
	}
	e, err := w.ns.EmitAck(ctx, event, args...)
	if err != nil {
		w.drop()
		return answer{}, fmt.Errorf("%w: %w", errLost, err)
	}
	return decode(in, e)
}

func decode(in asked, e transporttest.Event) (answer, error) {
	out := answer{known: true}
	into := any(&out.lines)
	if in.write {
		into = &out.at
	}
	err := e.Decode(0, into)
	if err == nil {
		return out, nil
	}
	var failed struct{ Error struct{ Code string } }
	if e.Decode(0, &failed) == nil && mayRetry(failed.Error.Code) {
		return answer{}, errRefused
	}
	return answer{}, fmt.Errorf("%+v is answered %s", in, joined(e.Args))
}

// connect enters the room, in a seat of before or in another, unless the
// witness is there. It does so at the first server, and now and then at
// another: where servers take rooms from each other, little else is done while
// there are members at both.
func (w *witness) connect(ctx context.Context) error {
	for w.client == nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		auth := map[string]string{"name": fmt.Sprint("w", w.id), "token": w.token}
		if w.pid != "" && w.rnd.IntN(2) == 0 {
			auth["pid"] = w.pid
		}
		at := 0
		if w.rnd.IntN(8) == 0 {
			at = w.rnd.IntN(len(w.servers))
		}
		if err := w.enter(ctx, w.servers[at], auth); err != nil {
			return err
		}
	}
	return nil
}

// enter tries to enter; that nobody is there, or that it was asked to come
// again, is no error.
func (w *witness) enter(ctx context.Context, server string, auth map[string]string) error {
	dial, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	client, err := transporttest.Dial(dial, server, transporttest.Options{
		Skip: func(m []byte) bool { return len(m) > 0 && m[0] == '2' }, // events: they are the scribes' affair
	})
	if err != nil {
		testenv.Pause(ctx, 10*time.Millisecond)
		return nil
	}
	ns, err := client.Connect(dial, w.room, auth)
	if err == nil {
		w.client, w.ns, w.pid = client, ns, ns.PID()
		return nil
	}
	client.Abort()
	var refused *transporttest.ConnectError
	if errors.As(err, &refused) && !mayRetry(refused.Code()) {
		return err
	}
	testenv.Pause(ctx, 10*time.Millisecond)
	return nil
}

func (w *witness) drop() {
	if w.client != nil {
		w.client.Abort()
		w.client = nil
	}
}
