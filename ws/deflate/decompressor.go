package deflate

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
)

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
}

// NewDecompressor returns the receiving side of a connection with these
// parameters; client says that we are the client.
func NewDecompressor(p Params, client bool) *Decompressor {
	d := &Decompressor{}
	if alone, bits := p.received(client); !alone {
		d.keep = 1 << bits
	}
	return d
}

type reader struct {
	src  bytes.Reader
	tail bytes.Reader
	z    io.ReadCloser
}

var readers = sync.Pool{New: func() any {
	r := &reader{}
	r.z = flate.NewReader(&r.src)
	return r
}}

// Append inflates the payload p of a whole message and appends it to dst. It
// fails with ErrTooLarge past limit bytes and with ErrCorrupt; after an error
// dst is returned as it was, and the connection is of no more use. p is not
// retained.
func (d *Decompressor) Append(dst, p []byte, limit int64) ([]byte, error) {
	r := readers.Get().(*reader)
	defer readers.Put(r)
	in := append(slices.Clip(p), "\x00\x00\xff\xff\x01\x00\x00\xff\xff"...)
	r.src.Reset(in)
	if err := r.z.(flate.Resetter).Reset(&r.src, d.history.bytes()); err != nil {
		return dst, err
	}
	out := dst
	for {
		if len(out) == cap(out) {
			out = slices.Grow(out, 512)
		}
		n, err := r.z.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if int64(len(out)-len(dst)) > limit {
			return dst, ErrTooLarge
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return dst, ErrCorrupt
		}
	}
	d.history.add(out[len(dst):], d.keep)
	return out, nil
}

// Held is the number of bytes that the window holds now.
func (d *Decompressor) Held() int { return d.history.held() }

// Release gives the window back at the connection's end. The Decompressor must
// not be used after it, but may be released again.
func (d *Decompressor) Release() { d.history.release() }
