package actorstest

import "encoding/json"

// applyState does what docs/protocol.md section 4 asks of a client.
func (m *Member) applyState(e Event) {
	var s struct {
		V      uint64                     `json:"v"`
		Part   int                        `json:"part"`
		Last   bool                       `json:"last"`
		Fields map[string]json.RawMessage `json:"fields"`
	}
	if err := e.Decode(0, &s); err != nil {
		m.room.t.Errorf("actorstest: room:state: %v", err)
		return
	}
	if s.Part == 0 {
		m.parts = make(map[string]map[string]json.RawMessage)
	}
	m.set(m.parts, s.Fields)
	if s.Last {
		m.state, m.version = m.parts, s.V
	}
}

func (m *Member) applyPatch(e Event) {
	var p struct {
		V   uint64                     `json:"v"`
		Set map[string]json.RawMessage `json:"set"`
		Del map[string]json.RawMessage `json:"del"`
	}
	if err := e.Decode(0, &p); err != nil {
		m.room.t.Errorf("actorstest: room:patch: %v", err)
		return
	}
	if p.V < m.version {
		m.room.t.Errorf("actorstest: room:patch goes back from version %d to %d", m.version, p.V)
	}
	m.version = p.V
	for name, raw := range p.Del {
		if m.single(name) {
			delete(m.state, name)
			continue
		}
		var keys []string
		_ = json.Unmarshal(raw, &keys)
		for _, key := range keys {
			delete(m.state[name], key)
		}
	}
	m.set(m.state, p.Set)
}

// set merges fields into a view.
func (m *Member) set(view map[string]map[string]json.RawMessage, fields map[string]json.RawMessage) {
	for name, raw := range fields {
		if view[name] == nil {
			view[name] = make(map[string]json.RawMessage)
		}
		if m.single(name) {
			view[name][""] = raw
			continue
		}
		var entries map[string]json.RawMessage
		_ = json.Unmarshal(raw, &entries)
		for key, value := range entries {
			view[name][key] = value
		}
	}
}

func (m *Member) single(field string) bool {
	for _, spec := range m.room.kind.NewRoom().Fields() {
		if spec.Name == field {
			return spec.Single
		}
	}
	return false
}
