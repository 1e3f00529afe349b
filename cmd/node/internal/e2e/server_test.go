package e2e

import (
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/cmd/node/internal/loopback"
)

// serve starts a node that ends with the test.
func serve(t *testing.T, cfg node.Config) *loopback.Server {
	t.Helper()
	return loopback.Serve(t, loopback.Config{Node: cfg})
}

// transports are the three ways a stock client connects.
var transports = []string{"websocket", "polling", "upgrade"}

// lab is a room that offers one handler per thing a client can do.
type lab struct {
	Notes  actors.Map[string, string]            `room:"notes,synced,durable"`
	Places actors.Map[actors.MemberID, place]    `room:"places,synced"`
	Hands  actors.Map[actors.MemberID, []string] `room:"hands,synced,member"`
	Count  actors.Value[int]                     `room:"count,synced"`
}

type place struct {
	X int `json:"x"`
	Y int `json:"y"`
}

func (l *lab) Admit(_ *actors.Turn, r *actors.JoinRequest) error {
	var auth struct{ Name string }
	if err := r.Bind(&auth); err != nil {
		return err
	}
	if auth.Name == "mallory" {
		return &actors.Error{Code: actors.CodeForbidden, Message: "not you", Data: map[string]string{"name": auth.Name}}
	}
	return nil
}

func (l *lab) Joined(t *actors.Turn, m actors.Member) {
	l.Hands.Set(m.ID, []string{"ace of " + string(m.ID)})
	l.Count.Set(l.Count.Get() + 1)
}

func (l *lab) Left(t *actors.Turn, m actors.Member, why actors.LeaveReason) {
	l.Places.Delete(m.ID)
	l.Hands.Delete(m.ID)
	l.Count.Set(l.Count.Get() - 1)
	t.Broadcast("left", m.ID, why)
}

type addNote struct {
	Key  string `json:"key"`
	Text string `json:"text"`
}

func (l *lab) Add(t *actors.Turn, in addNote) (string, error) {
	l.Notes.Set(in.Key, in.Text)
	if in.Text == "" {
		return "", actors.Errorf(actors.CodeInvalid, "a note needs a text")
	}
	t.Broadcast("added", in.Key)
	return in.Key, nil
}

func (l *lab) Place(t *actors.Turn, in place) { l.Places.Set(t.Member().ID, in) }

func (l *lab) Echo(_ *actors.Turn, in actors.Raw) (actors.Raw, error) { return in, nil }

func (l *lab) Boom(*actors.Turn, struct{}) { l.Notes.Set("boom", "never"); panic("boom") }

func (l *lab) Tell(t *actors.Turn, in actors.Raw) { t.All().Except(t.Member().ID).Emit("told", in) }

func (l *lab) Kick(t *actors.Turn, id actors.MemberID) { t.Kick(id, "out") }

func (l *lab) Destroy(t *actors.Turn, _ struct{}) { t.Destroy() }

// AskAll asks every member and answers with how many said what.
func (l *lab) AskAll(t *actors.Turn, _ struct{}, ack actors.Ack[map[string]int]) {
	t.All().Ask(500*time.Millisecond, func(t *actors.Turn, answers []actors.Answer) {
		count := make(map[string]int)
		for _, a := range answers {
			if a.Err != nil {
				count[string(actors.AsError(a.Err).Code)]++
			} else {
				count[string(a.Args.List[0])]++
			}
		}
		ack.Reply(t, count)
	}, "question")
}

func labKind(c actors.KindConfig) *actors.Kind[lab] {
	k := actors.NewKind("lab", func() *lab { return new(lab) }, c)
	actors.OnAck(k, "add", (*lab).Add)
	actors.On(k, "place", (*lab).Place)
	actors.OnAck(k, "echo", (*lab).Echo)
	actors.On(k, "boom", (*lab).Boom)
	actors.On(k, "tell", (*lab).Tell)
	actors.On(k, "kick", (*lab).Kick)
	actors.On(k, "destroy", (*lab).Destroy)
	actors.OnLater(k, "askAll", (*lab).AskAll)
	return k
}
