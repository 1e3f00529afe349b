package gatefan

// Connected calls each for every client that has a socket.
func (m *Machine) Connected(each func(namespace, client string)) {
	for name, sp := range m.spaces {
		for id, c := range sp.clients {
			if c.state == live && c.socket != nil {
				each(name, id)
			}
		}
	}
}
