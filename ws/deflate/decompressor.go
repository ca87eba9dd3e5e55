package deflate

import "errors"

// The errors of [Decompressor.Append].
var (
	// ErrTooLarge: the message inflates to more bytes than the limit.
	ErrTooLarge = errors.New("deflate: message inflates past the limit")
	// ErrCorrupt: the payload is not what RFC 7692 calls a compressed message.
	ErrCorrupt = errors.New("deflate: compressed message is corrupt")
)

// Decompressor is the receiving side of one connection. It holds the peer's
// window, if the peer keeps its context, from the first message on. It is not
// safe for concurrent use: messages must be inflated in the order in which they
// came.
type Decompressor struct {
	history history
	keep    int // bytes of history; 0 without context takeover
	reach   int // bytes of the window
}

// NewDecompressor returns the receiving side of a connection with these
// parameters; client says that we are the client.
func NewDecompressor(p Params, client bool) *Decompressor {
	alone, bits := p.received(client)
	d := &Decompressor{reach: 1 << bits}
	if !alone {
		d.keep = d.reach
	}
	return d
}

// Append inflates the payload p of a whole message and appends it to dst. It
// fails with ErrTooLarge past limit bytes and with ErrCorrupt; after an error
// dst is returned as it was, and the connection is of no more use. p is not
// retained.
func (d *Decompressor) Append(dst, p []byte, limit int64) ([]byte, error) {
	z := inflaters.Get().(*inflater)
	z.past, z.reach = &d.history, d.reach
	out, err := z.inflate(dst, p, limit)
	z.past, z.in, z.out = nil, nil, nil
	inflaters.Put(z)
	if err != nil {
		return dst, err
	}
	d.history.add(out[len(dst):], d.keep)
	return out, nil
}

// Held is the number of bytes that the window holds now.
func (d *Decompressor) Held() int { return d.history.held() }

// Release gives the window back at the connection's end. The Decompressor must
// not be used after it, but may be released again.
func (d *Decompressor) Release() { d.history.release() }
