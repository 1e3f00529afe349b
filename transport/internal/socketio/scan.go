package socketio

import (
	"bytes"
	"unicode/utf8"
)

// scanner checks one JSON text (RFC 8259, strict UTF-8) in one pass without
// allocating, and finds placeholders on the way.
type scanner struct {
	data     []byte
	maxDepth int

	// binary says that placeholders stand for attachments, of which seen have
	// been met.
	binary      bool
	attachments int
	seen        uint64

	// counting has counts collect the number of members of every array and
	// object in the order in which they open, for the msgpack encoder. A
	// placeholder leaves isPlaceholder and its index instead.
	counting bool
	counts   []uint32
}

const isPlaceholder = 1 << 31

// document checks the whole text and that every attachment has its placeholder.
func (s *scanner) document() error {
	end, err := s.value(skipSpace(s.data, 0), 1)
	if err != nil {
		return err
	}
	if skipSpace(s.data, end) != len(s.data) {
		return ErrJSON
	}
	if s.binary && s.seen != 1<<s.attachments-1 {
		return ErrPlaceholder
	}
	return nil
}

// value checks the value that starts at i and returns where it ends. depth is
// what the value would have as an array or object.
func (s *scanner) value(i, depth int) (int, error) {
	if i >= len(s.data) {
		return 0, ErrJSON
	}
	switch c := s.data[i]; c {
	case '"':
		return skipString(s.data, i)
	case '{', '[':
		if depth > s.maxDepth {
			return 0, ErrDepth
		}
		if c == '{' {
			return s.object(i, depth)
		}
		return s.array(i, depth)
	case 't':
		return skipLiteral(s.data, i, "true")
	case 'f':
		return skipLiteral(s.data, i, "false")
	case 'n':
		return skipLiteral(s.data, i, "null")
	default:
		return skipNumber(s.data, i)
	}
}

func (s *scanner) array(i, depth int) (int, error) {
	slot := s.open()
	i = skipSpace(s.data, i+1)
	if at(s.data, i) == ']' {
		return i + 1, nil
	}
	for n := uint32(1); ; n++ {
		end, err := s.value(i, depth+1)
		if err != nil {
			return 0, err
		}
		i = skipSpace(s.data, end)
		switch at(s.data, i) {
		case ',':
			i = skipSpace(s.data, i+1)
		case ']':
			s.close(slot, n)
			return i + 1, nil
		default:
			return 0, ErrJSON
		}
	}
}

func (s *scanner) object(i, depth int) (int, error) {
	slot := s.open()
	i = skipSpace(s.data, i+1)
	if at(s.data, i) == '}' {
		return i + 1, nil
	}
	var mark marker
	for n := uint32(1); ; n++ {
		if at(s.data, i) != '"' {
			return 0, ErrJSON
		}
		keyEnd, err := skipString(s.data, i)
		if err != nil {
			return 0, err
		}
		key := s.data[i+1 : keyEnd-1]
		if i = skipSpace(s.data, keyEnd); at(s.data, i) != ':' {
			return 0, ErrJSON
		}
		i = skipSpace(s.data, i+1)
		end, err := s.value(i, depth+1)
		if err != nil {
			return 0, err
		}
		if s.binary {
			mark.member(key, s.data[i:end])
		}
		i = skipSpace(s.data, end)
		switch at(s.data, i) {
		case ',':
			i = skipSpace(s.data, i+1)
		case '}':
			s.close(slot, n)
			if mark.marked {
				return i + 1, s.placeholder(slot, mark, n)
			}
			return i + 1, nil
		default:
			return 0, ErrJSON
		}
	}
}

func (s *scanner) open() int {
	if !s.counting {
		return 0
	}
	s.counts = append(s.counts, 0)
	return len(s.counts) - 1
}

func (s *scanner) close(slot int, members uint32) {
	if s.counting {
		s.counts[slot] = members
	}
}

// marker collects what makes an object of a binary packet a placeholder.
type marker struct {
	marked bool
	num    []byte
}

func (m *marker) member(key, value []byte) {
	switch {
	case keyIs(key, "_placeholder"):
		m.marked = m.marked || string(value) == "true"
	case keyIs(key, "num"):
		m.num = value
	}
}

// placeholder notes a placeholder of so many members. Upstream would take one
// with more members and replace it whole; here it is refused.
func (s *scanner) placeholder(slot int, m marker, members uint32) error {
	if members != 2 || len(m.num) == 0 || len(m.num) > 2 {
		return ErrPlaceholder
	}
	n := 0
	for _, c := range m.num {
		if c < '0' || c > '9' {
			return ErrPlaceholder
		}
		n = n*10 + int(c-'0')
	}
	if n >= s.attachments || s.seen&(1<<n) != 0 {
		return ErrPlaceholder
	}
	s.seen |= 1 << n
	s.close(slot, isPlaceholder|uint32(n))
	return nil
}

// keyIs compares a key as it stands between its quotes with a short name.
func keyIs(raw []byte, name string) bool {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw) == name
	}
	if len(raw) > 6*len(name) {
		return false
	}
	return string(appendUnescaped(nil, raw)) == name
}

// at is data[i], or zero behind the end.
func at(data []byte, i int) byte {
	if i < len(data) {
		return data[i]
	}
	return 0
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

func skipLiteral(data []byte, i int, word string) (int, error) {
	if len(data)-i < len(word) || string(data[i:i+len(word)]) != word {
		return 0, ErrJSON
	}
	return i + len(word), nil
}

// skipString returns where the string that opens at i ends, behind its quote.
func skipString(data []byte, i int) (int, error) {
	for i++; i < len(data); {
		c := data[i]
		if ' ' <= c && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		switch {
		case c == '"':
			return i + 1, nil
		case c == '\\':
			n := escapeLen(data[i:])
			if n == 0 {
				return 0, ErrJSON
			}
			i += n
		case c < ' ':
			return 0, ErrJSON
		default:
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				return 0, ErrUTF8
			}
			i += size
		}
	}
	return 0, ErrJSON
}

// escapeLen is the length of the escape that data begins with, 0 for none.
func escapeLen(data []byte) int {
	switch at(data, 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(data[2:]); ok {
			return 6
		}
	}
	return 0
}

func hex4(data []byte) (rune, bool) {
	if len(data) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range data[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func skipNumber(data []byte, i int) (int, error) {
	if at(data, i) == '-' {
		i++
	}
	var ok bool
	if at(data, i) == '0' {
		i++
	} else if i, ok = skipDigits(data, i); !ok {
		return 0, ErrJSON
	}
	if at(data, i) == '.' {
		if i, ok = skipDigits(data, i+1); !ok {
			return 0, ErrJSON
		}
	}
	if c := at(data, i); c == 'e' || c == 'E' {
		if c = at(data, i+1); c == '+' || c == '-' {
			i++
		}
		if i, ok = skipDigits(data, i+1); !ok {
			return 0, ErrJSON
		}
	}
	return i, nil
}

// skipDigits wants at least one digit.
func skipDigits(data []byte, i int) (int, bool) {
	start := i
	for i < len(data) && '0' <= data[i] && data[i] <= '9' {
		i++
	}
	return i, i > start
}
