package transport

import (
	"bytes"
	"compress/flate"
	"net/http"
	"runtime"
	"strings"

	"github.com/parlor-rooms/parlor/transport/internal/outbox"
)

const (
	// deflateFrom is the shortest message that is compressed, in bytes.
	deflateFrom = 1024

	// deflateAhead is how many bytes on the wire a compressed message may be
	// ahead of what has come out of it: a window of output, and what the reader
	// has in its buffers.
	deflateAhead = 64 << 10

	// compressedBit marks a compressed message, on its first frame: RFC 7692
	// section 6.
	compressedBit = 0x40
)

// offersDeflate reports whether the client offers permessage-deflate in a way
// that can be agreed to: without a smaller window for what it is sent, which
// compress/flate does not have. RFC 7692 section 7.1.
func offersDeflate(h http.Header) bool {
	for _, line := range h["Sec-Websocket-Extensions"] {
		for offer := range strings.SplitSeq(line, ",") {
			name, parameters, _ := strings.Cut(offer, ";")
			if strings.TrimSpace(name) == "permessage-deflate" && agreeable(parameters) {
				return true
			}
		}
	}
	return false
}

func agreeable(parameters string) bool {
	seen := make(map[string]bool)
	for p := range strings.SplitSeq(parameters, ";") {
		name, _, _ := strings.Cut(p, "=")
		name = strings.TrimSpace(name)
		switch name {
		case "":
			continue
		case "client_max_window_bits", "client_no_context_takeover", "server_no_context_takeover":
		default:
			return false
		}
		if seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}

// deflaters are the compressors of a handler: as many as there are processors,
// of some 650 KB each, made when they are needed first. No context is taken over
// from one message to the next, so they belong to nobody, and a broadcast is
// compressed once. Any goroutine may use them.
type deflaters struct{ idle chan *flate.Writer }

func newDeflaters() deflaters {
	d := deflaters{make(chan *flate.Writer, runtime.GOMAXPROCS(0))}
	for range cap(d.idle) {
		d.idle <- nil
	}
	return d
}

// compress returns p compressed, RFC 7692 section 7.2.1, or p itself if that is
// not longer. It does not wait: it reports false if all compressors are at work.
func (d deflaters) compress(p []byte) ([]byte, bool) {
	var zip *flate.Writer
	select {
	case zip = <-d.idle:
	default:
		return nil, false
	}
	var out bytes.Buffer
	if zip == nil {
		var err error
		if zip, err = flate.NewWriter(&out, flate.BestSpeed); err != nil {
			panic(err) // the level exists
		}
	} else {
		zip.Reset(&out)
	}
	_, _ = zip.Write(p) // a buffer takes everything
	_ = zip.Flush()
	d.idle <- zip
	b := bytes.TrimSuffix(out.Bytes(), []byte{0, 0, 0xff, 0xff})
	if len(b) >= len(p) {
		return p, true
	}
	return b, true
}

// deflated is f for sockets that have agreed to permessage-deflate, made once
// for all of them. It is f itself where compressing does not help, or cannot be
// done at the moment.
func (f *encodedFrame) deflated(d deflaters) *encodedFrame {
	if f.size < deflateFrom {
		return f
	}
	if g := f.small.Load(); g != nil {
		return g
	}
	g := &encodedFrame{frame: outbox.Frame{Class: f.frame.Class}}
	complete := true
	for parts := f.frame.Parts; len(parts) > 0; {
		var head, body []byte
		head, body, parts = message(parts)
		if len(body) >= deflateFrom {
			small, ok := d.compress(body)
			if len(small) > 0 && len(small) < len(body) {
				head, body = appendFrameHeader(nil, head[0]|compressedBit, len(small)), small
			}
			complete = complete && ok
		}
		g.frame.Parts = append(g.frame.Parts, head, body)
		g.size += len(head) + len(body)
	}
	if complete {
		f.small.CompareAndSwap(nil, g)
	}
	return g
}

// message takes the first WebSocket message off parts: a header with its payload
// behind it, in the same part or in the next one.
func message(parts [][]byte) (head, body []byte, rest [][]byte) {
	first := parts[0]
	n := 2
	switch first[1] {
	case 126:
		n = 4
	case 127:
		n = 10
	}
	if len(first) > n {
		return first[:n], first[n:], parts[1:]
	}
	if len(parts) == 1 { // an empty message
		return first, nil, nil
	}
	return first, parts[1], parts[2:]
}
