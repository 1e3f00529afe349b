package socketio

// MsgpackDecoder turns the messages of one connection into packets, in the
// format of socket.io-msgpack-parser. It has the methods of Decoder; a packet is
// always one binary message, so it keeps no state. The zero MsgpackDecoder has
// the default limits.
type MsgpackDecoder struct {
	limits Limits
}

// NewMsgpackDecoder returns a decoder with these limits.
func NewMsgpackDecoder(limits Limits) *MsgpackDecoder {
	return &MsgpackDecoder{limits: limits}
}

// Pending is always 0.
func (d *MsgpackDecoder) Pending() int { return 0 }

// Reset does nothing.
func (d *MsgpackDecoder) Reset() {}

// AddText returns ErrUnexpectedText: this format has no text messages.
func (d *MsgpackDecoder) AddText([]byte) (*Packet, bool, error) {
	return nil, false, ErrUnexpectedText
}

// AddBinary takes one message, a map of type, nsp, data and id, in any order;
// other keys, like options, are skipped. Attachments of the packet alias
// message, which nobody may modify from here on; Data is memory of its own.
//
// Binary values (bin, and ext 0, which Node.js clients write for typed arrays)
// become attachments and make the packet a BinaryEvent or BinaryAck. undefined
// (fixext 1 of type 0), NaN and infinities become null, dates (fixext 8 of type
// 0) the text of Date.toJSON, and another ext [type, binary], as the JavaScript
// decoder has it. Integers are kept to the last digit. Integer keys of maps
// become text; other keys that are not strings are malformed.
func (d *MsgpackDecoder) AddBinary(message []byte) (*Packet, bool, error) {
	limits := d.limits.withDefaults()
	if len(message) > limits.TotalBytes {
		return nil, false, ErrTooLarge
	}
	r := msgpackReader{in: message, limits: limits}
	p, err := r.packet()
	if err != nil {
		return nil, false, err
	}
	if len(p.Attachments) > 0 {
		switch p.Type {
		case Event:
			p.Type = BinaryEvent
		case Ack:
			p.Type = BinaryAck
		}
	}
	if err := p.Validate(limits); err != nil {
		return nil, false, err
	}
	return p, true, nil
}

// msgpackReader walks one message and writes what it holds as JSON. Nothing is
// allocated for a length that a message declares, only for what it contains.
type msgpackReader struct {
	in     []byte
	at     int
	limits Limits

	// out is the JSON written so far; with the binary values met so far it stays
	// below limits.TotalBytes.
	out         []byte
	binaryBytes int
	attachments [][]byte
}

// packet reads the outermost map. Each of its known keys may stand once.
func (r *msgpackReader) packet() (*Packet, error) {
	n, err := r.members()
	if err != nil {
		return nil, err
	}
	p := &Packet{Type: BinaryAck + 1} // until the map says better
	const typ, nsp, data, id = 1, 2, 4, 8
	seen := 0
	for range n {
		key, err := r.string()
		if err != nil {
			return nil, err
		}
		field := 0
		switch string(key) {
		case "type":
			field, err = typ, r.typ(p)
		case "nsp":
			field, err = nsp, r.namespace(p)
		case "data":
			field, err = data, r.data(p)
		case "id":
			field, err = id, r.id(p)
		default:
			err = r.skip()
		}
		if err != nil {
			return nil, err
		}
		if seen&field != 0 {
			return nil, ErrMsgpack
		}
		seen |= field
	}
	if r.at != len(r.in) {
		return nil, ErrMsgpack
	}
	p.Attachments = r.attachments
	return p, nil
}

// members reads the head of the outermost map.
func (r *msgpackReader) members() (int, error) {
	c, err := r.byte()
	switch {
	case err != nil:
		return 0, err
	case c&0xf0 == 0x80:
		return int(c & 0x0f), nil
	case c == 0xde, c == 0xdf:
		return r.size(2 << (c - 0xde))
	default:
		return 0, ErrMsgpack
	}
}

func (r *msgpackReader) typ(p *Packet) error {
	n, ok, err := r.uint()
	if err != nil {
		return err
	}
	if !ok || n > uint64(ConnectError) {
		return ErrType
	}
	p.Type = Type(n)
	return nil
}

func (r *msgpackReader) namespace(p *Packet) error {
	nsp, err := r.string()
	if err != nil {
		return err
	}
	if len(nsp) > r.limits.Namespace {
		return ErrNamespace
	}
	p.Namespace = string(nsp)
	return nil
}

func (r *msgpackReader) id(p *Packet) error {
	if r.absent() {
		return nil
	}
	n, ok, err := r.uint()
	if err != nil {
		return err
	}
	if !ok || n > MaxID {
		return ErrID
	}
	p.ID, p.HasID = n, true
	return nil
}

// data reads the payload. nil is no payload: python-socketio writes it so.
func (r *msgpackReader) data(p *Packet) error {
	if r.absent() {
		return nil
	}
	r.out = make([]byte, 0, len(r.in)-r.at+16)
	if err := r.value(1); err != nil {
		return err
	}
	p.Data = r.out[:len(r.out):len(r.out)]
	r.out = nil // so that skipping another key cannot write into it
	return nil
}

// skip reads a value and forgets it.
func (r *msgpackReader) skip() error {
	out, attachments, binaryBytes := r.out, r.attachments, r.binaryBytes
	err := r.value(1)
	r.out, r.attachments, r.binaryBytes = out, attachments, binaryBytes
	return err
}

// absent skips nil or undefined.
func (r *msgpackReader) absent() bool {
	rest := r.in[r.at:]
	switch {
	case len(rest) >= 1 && rest[0] == 0xc0:
		r.at++
		return true
	case len(rest) >= 3 && rest[0] == 0xd4 && rest[1] == 0:
		r.at += 3
		return true
	}
	return false
}
