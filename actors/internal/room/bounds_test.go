package room

import (
	"fmt"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func TestARoomHasAtMostMaxAlarms(t *testing.T) {
	w := keep(newWorld(t, ringer(func(*ringing, *actors.Turn, string) {}, actors.KindConfig{})))
	a := w.join()
	for i := range actors.MaxAlarms {
		a.tell(fmt.Sprintf(`["set","%d",60]`, i))
	}
	stored := func() int { return len(w.kept.area(areaAlarm)) }
	if stored() != actors.MaxAlarms {
		t.Fatalf("%d alarms are stored", stored())
	}
	a.tell(`["set","one more",60]`)
	a.tell(fmt.Sprintf(`["set",%q,60]`, strings.Repeat("x", 65)))
	if stored() != actors.MaxAlarms {
		t.Errorf("%d alarms are stored", stored())
	}
	a.tell(`["set","0",30]`) // one that is there may be set anew
	a.tell(`["cancel","1"]`)
	a.tell(fmt.Sprintf(`["set",%q,60]`, strings.Repeat("x", 64)))
	if got := w.kept.area(areaAlarm); len(got) != actors.MaxAlarms || !w.kept.agenda.Equal(start.Add(30e9)) {
		t.Errorf("%d alarms are stored, the agenda says %v", len(got), w.kept.agenda)
	}
}

func TestARoomForgetsTheCommandsOfThoseWhoWereQuietLongest(t *testing.T) {
	const perUser = 256
	w := counting().openKept(t, actors.KindConfig{})
	var users []*client
	for u := range rememberAll/perUser + 1 {
		w.user = fmt.Sprint("user-", u)
		users = append(users, w.join())
		for i := range perUser {
			users[u].tell(withCID("inc", fmt.Sprint(i)))
		}
	}
	if n := len(w.kept.area(areaCommand)); n > rememberAll || n < rememberAll/2 || n != w.m.commands {
		t.Errorf("%d commands are stored, and %d counted", n, w.m.commands)
	}
	w.take()
	users[len(users)-1].send(withCID("inc", "255"))
	users[0].send(withCID("inc", "255"))
	ran := len(users) * perUser
	got := strings.Join(w.take(), "\n")
	if !strings.Contains(got, fmt.Sprintf("[%d]", ran)) || !strings.Contains(got, fmt.Sprintf("[%d]", ran+1)) {
		t.Errorf("the latest is answered again, and the first runs again: %s", got)
	}
}
