package socketio

import "bytes"

// Decoder turns the messages of one connection into packets, in the JSON format.
// It is a plain state machine for one goroutine at a time; the zero Decoder has
// the default limits.
//
// After an error the decoder holds nothing of the packet. Upstream closes the
// connection then.
type Decoder struct {
	limits Limits

	// pending is a binary packet of which so many attachments are missing.
	pending *Packet
	missing int
	bytes   int

	// namespace is the last one met, so that a packet needs no string of its own.
	namespace string
}

// NewDecoder returns a decoder with these limits.
func NewDecoder(limits Limits) *Decoder {
	return &Decoder{limits: limits}
}

// Pending is how many attachments the packet in progress lacks, 0 when there is
// none. They may never come: how long to wait is the caller's decision.
func (d *Decoder) Pending() int { return d.missing }

// Reset forgets a packet in progress.
func (d *Decoder) Reset() {
	d.pending, d.missing, d.bytes = nil, 0, 0
}

// AddText takes one text message. It returns a packet and true, or false when
// the packet has attachments to come. The packet is the caller's; its Data
// aliases text, which nobody may modify from here on.
func (d *Decoder) AddText(text []byte) (*Packet, bool, error) {
	limits := d.limits.withDefaults()
	if d.pending != nil {
		d.Reset()
		return nil, false, ErrUnexpectedText
	}
	if len(text) > limits.TotalBytes {
		return nil, false, ErrTooLarge
	}
	p, attachments, err := d.parse(text, limits)
	if err != nil {
		return nil, false, err
	}
	if attachments == 0 {
		return p, true, nil
	}
	p.Attachments = make([][]byte, 0, attachments)
	d.pending, d.missing, d.bytes = p, attachments, len(text)
	return nil, false, nil
}

// AddBinary takes one binary message, the next attachment of the packet in
// progress. It returns the packet and true with the last one. data becomes part
// of the packet; nobody may modify it from here on.
func (d *Decoder) AddBinary(data []byte) (*Packet, bool, error) {
	p := d.pending
	if p == nil {
		return nil, false, ErrUnexpectedBinary
	}
	d.bytes += len(data)
	if d.bytes > d.limits.withDefaults().TotalBytes {
		d.Reset()
		return nil, false, ErrTooLarge
	}
	p.Attachments = append(p.Attachments, data)
	if d.missing--; d.missing > 0 {
		return nil, false, nil
	}
	d.Reset()
	return p, true, nil
}

// parse reads type, attachments, namespace, id and payload in turn.
func (d *Decoder) parse(text []byte, limits Limits) (p *Packet, attachments int, err error) {
	typ := Type(at(text, 0) - '0') // bytes below '0' wrap around to large values
	if typ > BinaryAck {
		return nil, 0, ErrType
	}
	rest := text[1:]
	if typ == BinaryEvent || typ == BinaryAck {
		if attachments, rest, err = cutAttachments(rest, limits); err != nil {
			return nil, 0, err
		}
	}
	nsp, rest := cutNamespace(rest)
	if string(nsp) != d.namespace {
		namespace := string(nsp)
		if err := checkNamespace(namespace, limits); err != nil {
			return nil, 0, err
		}
		d.namespace = namespace
	}
	id, hasID, rest, err := cutID(rest)
	if err != nil {
		return nil, 0, err
	}
	if rest = bytes.TrimRight(rest, " \t\r\n"); len(rest) == 0 {
		rest = nil
	}
	if err := checkData(typ, rest, attachments, limits); err != nil {
		return nil, 0, err
	}
	return &Packet{Type: typ, Namespace: d.namespace, ID: id, HasID: hasID, Data: rest[:len(rest):len(rest)]}, attachments, nil
}

// cutAttachments reads `N-`. N is written without zeros in front: upstream would
// take whatever JavaScript's Number does, `1e0-` included.
func cutAttachments(text []byte, limits Limits) (n int, rest []byte, err error) {
	for i, c := range text {
		switch {
		case c == '-' && n > 0:
			if n > limits.Attachments {
				return 0, nil, ErrAttachments
			}
			return n, text[i+1:], nil
		case c < '0' || c > '9' || c == '0' && n == 0 || i > 2:
			return 0, nil, ErrAttachments
		}
		n = n*10 + int(c-'0')
	}
	return 0, nil, ErrAttachments
}

// cutNamespace reads `/nsp,`, where the comma may be missing at the end.
func cutNamespace(text []byte) (nsp, rest []byte) {
	if at(text, 0) != '/' {
		return []byte("/"), text
	}
	nsp, rest, _ = bytes.Cut(text, []byte(","))
	return nsp, rest
}

func cutID(text []byte) (id uint64, has bool, rest []byte, err error) {
	i := 0
	for ; i < len(text) && '0' <= text[i] && text[i] <= '9'; i++ {
		if id = id*10 + uint64(text[i]-'0'); id > MaxID {
			return 0, false, nil, ErrID
		}
	}
	return id, i > 0, text[i:], nil
}
