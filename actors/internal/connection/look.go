package connection

import "github.com/parlor-rooms/parlor/actors"

// Stays calls each for every namespace that the client is in, as far as the
// connection knows: what is being asked for, followed or ended is left out.
func (m *Machine) Stays(each func(namespace string, gateway bool, member actors.MemberID)) {
	for name, sp := range m.spaces {
		if s := sp.stay; s != nil && s.state == joined && s.ending == "" {
			each(name, s.gateway, s.member)
		}
	}
}
