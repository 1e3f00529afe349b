package room

// prune has the store forget what the room does not remember any more: events
// and commands. It is for the end of a step: it may be a great deal, and what
// one turn writes is not torn apart.
func (m *Machine) prune() {
	h, outdated := &m.history, m.outdated
	m.outdated = nil
	if !m.journal.lasts || m.destroyed || m.phase == asleep || m.phase == retiring {
		return
	}
	for h.pruned < h.floor {
		h.pruned++
		m.unstore(eventKey(h.pruned))
	}
	for _, c := range outdated {
		if c.log.byID[c.id] == nil { // it was not sent again meanwhile
			m.unstore(c.key())
		}
	}
}

// unstore removes an entry that is no turn's.
func (m *Machine) unstore(key string) {
	m.journal.reserve(1, len(key))
	m.journal.write(key, nil)
}
