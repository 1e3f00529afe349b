package actors

import (
	"fmt"
	"strings"
)

// pattern is a compiled Grant.Pattern.
type pattern struct {
	elements []glob // of the namespace, between slashes
	room     glob   // of a gateway, if hasRoom
	hasRoom  bool
}

// glob is a text with stars: what stands between them.
type glob []string

// compilePattern reads a pattern. Matching takes time linear in the pattern
// and the name.
func compilePattern(s string) (pattern, error) {
	if s == "" || len(s) > MaxPattern {
		return pattern{}, fmt.Errorf("pattern %q: want 1 to %d bytes", clip(s, MaxPattern), MaxPattern)
	}
	namespace, room, hasRoom := strings.Cut(s, ",")
	if hasRoom && room == "" {
		return pattern{}, fmt.Errorf("pattern %q: want the name of a room behind the comma", s)
	}
	p := pattern{room: strings.Split(room, "*"), hasRoom: hasRoom}
	for element := range strings.SplitSeq(strings.TrimPrefix(namespace, "/"), "/") {
		p.elements = append(p.elements, strings.Split(element, "*"))
	}
	return p, nil
}

func (p *pattern) matchNamespace(namespace string) bool {
	return !p.hasRoom && p.matchElements(namespace)
}

func (p *pattern) matchRoom(namespace, room string) bool {
	return p.hasRoom && p.matchElements(namespace) && p.room.match(room)
}

func (p *pattern) matchElements(namespace string) bool {
	rest, ok := strings.CutPrefix(namespace, "/")
	for i, g := range p.elements {
		var element string
		var more bool
		element, rest, more = strings.Cut(rest, "/")
		if !ok || more != (i < len(p.elements)-1) || !g.match(element) {
			return false
		}
	}
	return ok
}

// match finds what stands between the stars from left to right. Taking the
// first place where a part fits leaves the most for those behind it, so that
// there is never a reason to go back.
func (g glob) match(s string) bool {
	last := len(g) - 1
	if last == 0 {
		return s == g[0]
	}
	s, ok := strings.CutPrefix(s, g[0])
	if !ok {
		return false
	}
	for _, part := range g[1:last] {
		at := strings.Index(s, part)
		if at < 0 {
			return false
		}
		s = s[at+len(part):]
	}
	return strings.HasSuffix(s, g[last])
}
