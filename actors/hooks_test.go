package actors_test

import (
	"context"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

// hooked has every hook and notes which ran.
type hooked struct{ ran []string }

func (h *hooked) Load(context.Context, actors.RoomRef) error {
	h.ran = append(h.ran, "Load")
	return nil
}
func (h *hooked) Opened(*actors.Turn) error { h.ran = append(h.ran, "Opened"); return nil }
func (h *hooked) Admit(*actors.Turn, *actors.JoinRequest) error {
	h.ran = append(h.ran, "Admit")
	return nil
}
func (h *hooked) Joined(*actors.Turn, actors.Member) { h.ran = append(h.ran, "Joined") }
func (h *hooked) Dropped(*actors.Turn, actors.Member, actors.LeaveReason) {
	h.ran = append(h.ran, "Dropped")
}
func (h *hooked) Resumed(*actors.Turn, actors.Member, bool)            { h.ran = append(h.ran, "Resumed") }
func (h *hooked) Left(*actors.Turn, actors.Member, actors.LeaveReason) { h.ran = append(h.ran, "Left") }
func (h *hooked) Tick(*actors.Turn, actors.Tick)                       { h.ran = append(h.ran, "Tick") }
func (h *hooked) Closing(*actors.Turn)                                 { h.ran = append(h.ran, "Closing") }

func TestEveryHookIsFoundAndRunsOnItsRoom(t *testing.T) {
	r, i := room[hooked](t)
	h := i.Hooks()
	_ = h.Load(t.Context(), actors.RoomRef{})
	_ = h.Opened(nil)
	_ = h.Admit(nil, nil)
	h.Joined(nil, actors.Member{})
	h.Dropped(nil, actors.Member{}, "")
	h.Resumed(nil, actors.Member{}, true)
	h.Left(nil, actors.Member{}, "")
	h.Tick(nil, actors.Tick{})
	h.Closing(nil)
	if got := strings.Join(r.ran, " "); got != "Load Opened Admit Joined Dropped Resumed Left Tick Closing" {
		t.Errorf("ran %s", got)
	}
}

func TestARoomWithoutHooksHasNone(t *testing.T) {
	_, i := room[board](t)
	if h := *i.Hooks(); h.Load != nil || h.Opened != nil || h.Admit != nil || h.Joined != nil || h.Dropped != nil ||
		h.Resumed != nil || h.Left != nil || h.Tick != nil || h.Closing != nil {
		t.Errorf("%+v", h)
	}
}

type valueHook struct{ n *int }

func (v valueHook) Closing(*actors.Turn) { *v.n++ }

type promotedHook struct{ valueHook }

func TestHooksMayBeOnTheValueOrPromoted(t *testing.T) {
	n := 0
	k := actors.NewKind("v", func() *promotedHook { return &promotedHook{valueHook{&n}} }, actors.KindConfig{})
	awake(t, k).Hooks().Closing(nil)
	wantEqual(t, "runs", n, 1)
}

type wrongLoad struct{}
type wrongOpened struct{}
type wrongAdmit struct{}
type wrongJoined struct{}
type wrongDropped struct{}
type wrongResumed struct{}
type wrongLeft struct{}
type wrongTick struct{}
type wrongClosing struct{}

func (*wrongLoad) Load(*actors.Turn) error                       { return nil }
func (*wrongOpened) Opened(*actors.Turn)                         {}
func (*wrongAdmit) Admit(*actors.Turn, actors.JoinRequest) error { return nil }
func (*wrongJoined) Joined(*actors.Turn, *actors.Member)         {}
func (*wrongDropped) Dropped(*actors.Turn, actors.Member)        {}
func (wrongResumed) Resumed(...*actors.Turn)                     {}
func (*wrongLeft) Left(*actors.Turn, actors.Member)              {}
func (*wrongTick) Tick(*actors.Turn)                             {}
func (*wrongClosing) Closing(*actors.Turn) error                 { return nil }

func TestAMethodNamedLikeAHookThatDoesNotFitIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		want, have string
	}{
		"Load":    {errOf[wrongLoad](), "func(context.Context, actors.RoomRef) error", "func(*actors.Turn) error"},
		"Opened":  {errOf[wrongOpened](), "func(*actors.Turn) error", "func(*actors.Turn)"},
		"Admit":   {errOf[wrongAdmit](), "func(*actors.Turn, *actors.JoinRequest) error", "func(*actors.Turn, actors.JoinRequest) error"},
		"Joined":  {errOf[wrongJoined](), "func(*actors.Turn, actors.Member)", "func(*actors.Turn, *actors.Member)"},
		"Dropped": {errOf[wrongDropped](), "func(*actors.Turn, actors.Member, actors.LeaveReason)", "func(*actors.Turn, actors.Member)"},
		"Resumed": {errOf[wrongResumed](), "func(*actors.Turn, actors.Member, bool)", "func(...*actors.Turn)"},
		"Left":    {errOf[wrongLeft](), "func(*actors.Turn, actors.Member, actors.LeaveReason)", "func(*actors.Turn, actors.Member)"},
		"Tick":    {errOf[wrongTick](), "func(*actors.Turn, actors.Tick)", "func(*actors.Turn)"},
		"Closing": {errOf[wrongClosing](), "func(*actors.Turn)", "func(*actors.Turn) error"},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, c.err, "method "+name+" does not fit the hook: want "+c.want+", have "+c.have)
			if lines := strings.Count(c.err.Error(), "\n"); lines != 0 {
				t.Errorf("one mistake and yet:\n%v", c.err)
			}
		})
	}
}

type wrongTwice struct {
	wrongTick
	wrongLeft
}

func TestEveryHookThatDoesNotFitIsNamed(t *testing.T) {
	wantError(t, errOf[wrongTwice](), "method Left does not fit", "method Tick does not fit")
}
