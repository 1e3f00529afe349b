package actors

import "encoding/hex"

// Trace names a span that caused something, as W3C Trace Context level 1 does
// (https://www.w3.org/TR/trace-context/). It travels with messages that are
// sampled; the zero Trace travels with all others, and costs nothing. It is
// comparable, and holds no more than what crosses a process: what is recorded
// of a span stays with whoever started it.
type Trace struct {
	TraceID [16]byte
	SpanID  [8]byte
	Flags   byte // bit 0: sampled
}

// Sampled reports whether t names a span that is recorded.
func (t Trace) Sampled() bool { return t.Flags&1 != 0 && t.Valid() }

// Valid reports whether t names a span at all.
func (t Trace) Valid() bool { return t.TraceID != [16]byte{} && t.SpanID != [8]byte{} }

// The parts of a traceparent of version 00: 00-<32 hex>-<16 hex>-<2 hex>.
const (
	traceparentLen = 55
	traceIDAt      = 3
	spanIDAt       = 36
	flagsAt        = 53
)

// ParseTraceparent reads a traceparent header field. Of a later version it
// reads what version 00 has, as section 2.2 of the standard asks; of anything
// malformed it returns the zero Trace and false.
func ParseTraceparent(s string) (Trace, bool) {
	var t Trace
	if len(s) < traceparentLen || s[2] != '-' || s[spanIDAt-1] != '-' || s[flagsAt-1] != '-' {
		return Trace{}, false
	}
	version, ok := hexByte(s[:2])
	if !ok || version == 0xff || version == 0 && len(s) != traceparentLen || len(s) > traceparentLen && s[traceparentLen] != '-' {
		return Trace{}, false
	}
	flags, ok := hexByte(s[flagsAt : flagsAt+2])
	if !ok || !hexBytes(t.TraceID[:], s[traceIDAt:]) || !hexBytes(t.SpanID[:], s[spanIDAt:]) || !t.Valid() {
		return Trace{}, false
	}
	t.Flags = flags
	return t, true
}

// String is t as a traceparent of version 00.
func (t Trace) String() string {
	b := make([]byte, 0, traceparentLen)
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, t.TraceID[:])
	b = hex.AppendEncode(append(b, '-'), t.SpanID[:])
	return string(hex.AppendEncode(append(b, '-'), []byte{t.Flags}))
}

// hexBytes fills to from the hexadecimal digits that s begins with, which the
// standard wants in lower case.
func hexBytes(to []byte, s string) bool {
	for i := range to {
		b, ok := hexByte(s[2*i : 2*i+2])
		if !ok {
			return false
		}
		to[i] = b
	}
	return true
}

func hexByte(s string) (byte, bool) {
	high, ok1 := hexDigit(s[0])
	low, ok2 := hexDigit(s[1])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
