package relay

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/parlor-rooms/parlor/actors"
)

// historyEvent is how a newcomer is told of the past, docs/protocol.md,
// section 7.
const historyEvent = "room:history"

// One part of the past has at most this many attachments, which is what a
// stock client takes in one packet, and is cut once it has this many bytes.
const (
	partAttachments = 10
	partBytes       = 64 << 10
)

// history holds the last events of a room, each as the EVENT payload that was
// sent: ["chat",{...},{"from":...}].
type history struct {
	byEvent map[string][]pastEvent // each in ascending order
	parts   []actors.Raw           // what greeting returned last; nil once it is out of date
}

type pastEvent struct {
	seq  uint64
	args actors.Raw
}

// remember adds an event and forgets the oldest beyond limit of its name.
func (h *history) remember(event string, limit int, seq uint64, args ...any) error {
	raw, err := actors.EncodeArgs(&event, args...)
	if err != nil {
		return fmt.Errorf("remember %s: %w", event, err)
	}
	if h.byEvent == nil {
		h.byEvent = make(map[string][]pastEvent)
	}
	list := h.byEvent[event]
	if len(list) >= limit {
		list = slices.Delete(list, 0, len(list)-limit+1)
	}
	h.byEvent[event] = append(list, pastEvent{seq, raw})
	h.parts = nil
	return nil
}

// greeting returns the past as arguments of room:history, {"events":[...]}, in
// as many parts as it takes. It is made once for all who come before the next
// event.
func (h *history) greeting() []actors.Raw {
	if h.parts != nil || len(h.byEvent) == 0 {
		return h.parts
	}
	var all []pastEvent
	for _, list := range h.byEvent {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b pastEvent) int { return cmp.Compare(a.seq, b.seq) })
	for len(all) > 0 {
		n := fitting(all)
		h.parts = append(h.parts, part(all[:n]))
		all = all[n:]
	}
	return h.parts
}

// fitting is how many of events go into one part: at least one.
func fitting(events []pastEvent) int {
	attachments, bytes := 0, 0
	for i, e := range events {
		attachments += len(e.args.Attachments)
		bytes += len(e.args.JSON)
		if i > 0 && (attachments > partAttachments || bytes > partBytes) {
			return i
		}
	}
	return len(events)
}

func part(events []pastEvent) actors.Raw {
	args := make([]any, len(events))
	for i, e := range events {
		args[i] = e.args
	}
	list, err := actors.EncodeArgs(nil, args...)
	if err != nil {
		panic(fmt.Sprintf("relay: what EncodeArgs made cannot be encoded again: %v", err))
	}
	list.JSON = append(append([]byte(`{"events":`), list.JSON...), '}')
	return list
}
