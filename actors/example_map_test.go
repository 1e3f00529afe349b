package actors_test

import "github.com/parlor-rooms/parlor/actors"

// Poll is a room in which every member has one vote.
type Poll struct {
	Votes actors.Map[actors.MemberID, string] `room:"votes,synced"` // who voted for what
	Count actors.Map[string, int]             `room:"count,synced"`
}

// Vote may be sent again to change one's mind. A value from Get is not
// changed in place: what Set stores is what members see.
func (p *Poll) Vote(t *actors.Turn, choice string) {
	me := t.Member().ID
	if before, voted := p.Votes.Get(me); voted {
		n, _ := p.Count.Get(before)
		p.Count.Set(before, n-1)
	}
	p.Votes.Set(me, choice)
	n, _ := p.Count.Get(choice)
	p.Count.Set(choice, n+1)
}

// Reset undoes its writes by returning an error.
func (p *Poll) Reset(t *actors.Turn, _ struct{}) (struct{}, error) {
	p.Votes.Clear()
	p.Count.Clear()
	return struct{}{}, actors.Errorf(actors.CodeForbidden, "only the host may")
}

func ExampleMap() {
	k := actors.NewKind("poll", func() *Poll { return new(Poll) }, actors.KindConfig{})
	actors.On(k, "vote", (*Poll).Vote)
	actors.OnAck(k, "reset", (*Poll).Reset)

	poll := play(k)
	poll.emit("vote", `"tea"`)
	poll.emit("reset", `{}`)
	poll.emit("vote", `"coffee"`)
	// Output:
	// answered: []
	// changed: votes ada "tea"
	// changed: count tea 1
	// refused: forbidden: only the host may
	// answered: []
	// changed: count tea 0
	// changed: votes ada "coffee"
	// changed: count coffee 1
}
