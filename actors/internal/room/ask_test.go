package room

import (
	"fmt"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/internal/wire"
)

// asking notes answers as member=args or member!code, after the time.
func asking(got *[]string, to ...actors.MemberID) *script {
	return &script{on: on{"ask": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
		e := t.All()
		if len(to) > 0 {
			e = t.To(to...)
		}
		e.Except("x").Ask(time.Second, func(t *actors.Turn, answers []actors.Answer) {
			text := fmt.Sprint(t.Now().Sub(start))
			for _, a := range answers {
				if a.Err != nil {
					text += fmt.Sprintf(" %s!%s", a.Member, actors.AsError(a.Err).Code)
				} else {
					text += fmt.Sprintf(" %s=%s", a.Member, a.Args.List)
				}
			}
			*got = append(*got, text)
		}, "ready?", 1)
		return nil, nil
	}}}
}

func TestAskGathersEveryAnswer(t *testing.T) {
	type clients = map[string]*client
	for name, c := range map[string]struct {
		to     []actors.MemberID
		then   func(*world, clients)
		want   string
		config actors.KindConfig
	}{
		"all answer": {then: func(w *world, c clients) {
			c["b"].ack(1, `["yes",2]`)
			c["a"].ack(1, `[]`)
			c["c"].ack(1, `[null]`)
		}, want: `0s b=["yes" 2] a=[] c=[null]`},
		"one is late": {then: func(w *world, c clients) {
			c["c"].ack(1, `[1]`)
			w.advance(time.Second)
			c["a"].ack(1, `[1]`)
		}, want: `1s c=[1] a!timeout b!timeout`},
		"one leaves": {then: func(w *world, c clients) {
			c["a"].ack(1, `[1]`)
			c["b"].ack(1, `[1]`)
			c["c"].leave(actors.ReasonClientLeft)
		}, want: `0s a=[1] b=[1] c!not_found`},
		"one answers twice, for others, with nonsense": {then: func(w *world, c clients) {
			c["a"].ack(1, `nonsense`)
			c["a"].ack(1, `[1]`)
			c["a"].ack(1, `[2]`)
			c["a"].ack(2, `[1]`)
			w.m.Ack(w.now, &wire.Ack{Room: ref, Conn: c["a"].conn, Member: "b", ID: 1, Data: actors.Raw{JSON: []byte(`[1]`)}})
			w.advance(time.Second)
		}, want: `1s a=[1] b!timeout c!timeout`},
		"some are asked": {to: []actors.MemberID{"c", "a", "c", "gone", "x"}, then: func(w *world, c clients) {
			c["b"].ack(1, `[1]`)
			c["a"].ack(1, `[1]`)
			c["c"].ack(1, `[1]`)
		}, want: `0s a=[1] c=[1]`},
		"one is asked twice and is late": {to: []actors.MemberID{"c", "a", "c"}, then: func(w *world, c clients) {
			c["a"].ack(1, `[1]`)
		}, want: `1s a=[1] c!timeout`},
		"nobody is there": {to: []actors.MemberID{"gone"}, then: func(w *world, c clients) { w.advance(0) }, want: `0s`},
		"one is away and is not asked": {config: resumable(actors.KindConfig{}), to: []actors.MemberID{"d", "a"}, then: func(w *world, c clients) {
			c["a"].ack(1, `[1]`)
		}, want: `0s a=[1]`},
		"one returns and answers": {config: resumable(actors.KindConfig{}), to: []actors.MemberID{"a"}, then: func(w *world, c clients) {
			c["a"].leave(actors.ReasonTransportClosed)
			c["a"].back("").ack(1, `[1]`)
		}, want: `0s a=[1]`},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			w := asking(&got, c.to...).open(t, c.config)
			all := clients{}
			for _, id := range []string{"a", "b", "c", "d"} {
				all[id] = w.join()
			}
			all["d"].leave(actors.ReasonTransportClosed)
			all["a"].tell(`["ask"]`)
			c.then(w, all)
			w.advance(time.Minute)
			w.same(got, []string{c.want})
			if len(w.m.asks) != 0 || w.m.userTimers != 0 {
				t.Errorf("%d questions and %d timers are left", len(w.m.asks), w.m.userTimers)
			}
		})
	}
}

func TestAnAskOfNobodyIsAnswered(t *testing.T) {
	asked := 0
	s := &script{on: on{"ask": func(_ *hall, t *actors.Turn, _ actors.Args) (any, error) {
		t.To().Ask(time.Hour, func(_ *actors.Turn, answers []actors.Answer) { asked += 1 + len(answers) }, "x")
		t.All().Ask(time.Hour, func(_ *actors.Turn, answers []actors.Answer) { asked += 1 + len(answers) }, "x")
		return nil, nil
	}}}
	w := s.open(t, actors.KindConfig{})
	w.call(1, "ask", `[]`)
	w.advance(0)
	if asked != 2 {
		t.Errorf("%d answers", asked)
	}
}

// Whoever leaves answers several questions at once: in the order in which
// they were asked.
func TestQuestionsEndInTheOrderTheyWereAsked(t *testing.T) {
	var got []string
	s := &script{on: on{"ask": func(_ *hall, t *actors.Turn, in actors.Args) (any, error) {
		name := string(in.List[0])
		t.To("b").Ask(time.Hour, func(*actors.Turn, []actors.Answer) { got = append(got, name) }, "x")
		return nil, nil
	}}}
	w := s.open(t, actors.KindConfig{})
	a, b := w.join(), w.join()
	var want []string
	for i := range 50 {
		a.tell(fmt.Sprintf(`["ask",%d]`, i))
		want = append(want, fmt.Sprint(i))
	}
	b.leave(actors.ReasonClientLeft)
	w.same(got, want)
}
