package frame

import (
	"io"
	"math"
)

// readAhead is how far the memory for a payload may run ahead of what has
// arrived.
const readAhead = 64 << 10

// idleReads is how many reads in a row may return nothing.
const idleReads = 100

// ReadHeader reads a header from r into scratch, and not a byte further. scratch
// must have at least MaxHeaderSize bytes, or io.ErrShortBuffer is returned; keep
// it, and nothing is allocated.
//
// The error is io.EOF if r ends before the first byte, and io.ErrUnexpectedEOF if
// it ends later. What [ParseHeader] refuses is refused as soon as it has arrived.
// A header takes two reads from r, so wrap a net.Conn in a bufio.Reader, or parse
// from a buffer of your own.
func ReadHeader(r io.Reader, scratch []byte) (Header, error) {
	if len(scratch) < MaxHeaderSize {
		return Header{}, io.ErrShortBuffer
	}
	have, idle := 0, 0
	for {
		n, err := r.Read(scratch[have:wanted(scratch[:have])])
		have += n
		h, size, refused := ParseHeader(scratch[:have])
		if idle++; n > 0 {
			idle = 0
		}
		switch {
		case refused != nil:
			return Header{}, refused
		case size > 0: // an error that came with the last byte comes again
			return h, nil
		case err == io.EOF && have > 0:
			return Header{}, io.ErrUnexpectedEOF
		case err != nil:
			return Header{}, err
		case idle == idleReads:
			return Header{}, io.ErrNoProgress
		}
	}
}

// wanted returns how long the header is that begins with b, or how much of it has
// to be known first.
func wanted(b []byte) int {
	if len(b) < 2 {
		return 2
	}
	n := 2
	switch b[1] & 0x7f {
	case 126:
		n = 4
	case 127:
		n = 10
	}
	if b[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// ReadPayload reads the payload that follows h from r, unmasks it if h.Masked,
// appends it to buf and returns the result. It allocates nothing if buf has
// capacity for h.Length more bytes, and otherwise never more than 64 KiB ahead of
// what has arrived: a length that a peer only announces costs nothing.
//
// It returns ErrTooBig, without reading, if h.Length is greater than max, or too
// great for a slice. A negative max means no limit. If r ends early the error is
// io.ErrUnexpectedEOF. With an error it returns buf with its old length; the
// memory behind it may have been written to, and r stands somewhere inside
// the frame.
func ReadPayload(r io.Reader, h Header, buf []byte, max int64) ([]byte, error) {
	if h.Length < 0 {
		return buf, ErrLengthOverflow
	}
	if max >= 0 && h.Length > max || h.Length > math.MaxInt-int64(len(buf)) {
		return buf, ErrTooBig
	}
	p := payload{r: r, h: h}
	n := int(h.Length)
	if n > cap(buf)-len(buf) {
		if n > readAhead {
			return p.pieces(buf)
		}
		buf = append(make([]byte, 0, len(buf)+n), buf...)
	}
	if err := p.fill(buf[len(buf) : len(buf)+n]); err != nil {
		return buf, err
	}
	return buf[:len(buf)+n], nil
}

// payload is a payload that is being read.
type payload struct {
	r   io.Reader
	h   Header
	pos int
}

// fill reads and unmasks len(b) bytes.
func (p *payload) fill(b []byte) error {
	idle := 0
	for len(b) > 0 {
		n, err := p.r.Read(b)
		if p.h.Masked {
			Mask(b[:n], p.h.Key, p.pos)
		}
		p.pos += n
		b = b[n:]
		if idle++; n > 0 {
			idle = 0
		}
		switch {
		case len(b) == 0: // an error that came with the last byte comes again
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case idle == idleReads:
			return io.ErrNoProgress
		}
	}
	return nil
}

// pieces reads a payload that is too large for buf and to be allocated
// on the peer's word. It gathers pieces and joins them once all have arrived.
func (p *payload) pieces(buf []byte) ([]byte, error) {
	n := int(p.h.Length)
	list := [][]byte{buf[len(buf):cap(buf)]}
	for {
		last := list[len(list)-1]
		if err := p.fill(last); err != nil {
			return buf, err
		}
		if p.pos == n {
			break
		}
		list = append(list, make([]byte, min(readAhead, n-p.pos)))
	}
	all := append(make([]byte, 0, len(buf)+n), buf...)
	for _, b := range list {
		all = append(all, b...)
	}
	return all, nil
}
