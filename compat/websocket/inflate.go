//go:build !js

package websocket

import (
	"compress/flate"
	"io"
	"sync"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// inflater streams a compressed message that stands alone, so that a small message
// which inflates to a huge one costs no memory. (Package ws inflates a message
// whole, within its limit; gorilla's programs need not have one.)
type inflater struct {
	raw   *ws.Takeover
	flate io.ReadCloser // also a flate.Resetter
	buf   [4 << 10]byte
	rest  []byte // what flate has not taken, of buf or of messageEnd
	ended bool   // rest is the end of messageEnd, or empty
	fault error  // of the connection
	text  bool
	utf8  frame.UTF8
}

// messageEnd completes a message: the end of the flushed block that the sender has
// left out (RFC 7692 section 7.2.2), and an empty last block, so that flate sees an
// end.
var messageEnd = []byte{0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff}

var inflaters = sync.Pool{New: func() any {
	z := &inflater{}
	z.flate = flate.NewReader(z.source())
	return z
}}

func newInflater(raw *ws.Takeover, text bool) *inflater {
	z := inflaters.Get().(*inflater)
	z.raw, z.rest, z.ended, z.fault, z.text = raw, nil, false, nil, text
	z.utf8.Reset()
	z.flate.(flate.Resetter).Reset(z.source(), nil)
	return z
}

func (z *inflater) release() {
	z.raw = nil
	inflaters.Put(z)
}

// Read returns inflated bytes, and refuses the peer that sent what is none.
func (z *inflater) Read(p []byte) (int, error) {
	for {
		n, err := z.flate.Read(p)
		if z.text && !z.utf8.Write(p[:n]) {
			return 0, z.raw.Refuse(ws.StatusInvalidFramePayloadData, "", errNotUTF8)
		}
		switch {
		case err == nil && n == 0 && len(p) > 0:
			continue
		case err == nil:
			return n, nil
		case z.fault != nil:
			return 0, z.fault
		case err != io.EOF:
			return 0, z.raw.Refuse(ws.StatusInvalidFramePayloadData, "", errInflate)
		}
		over, err := z.over()
		if err != nil {
			return 0, err
		}
		if over {
			if z.text && !z.utf8.Complete() {
				return 0, z.raw.Refuse(ws.StatusInvalidFramePayloadData, "", errNotUTF8)
			}
			return n, io.EOF
		}
		// The sender ended a last block of its own, which it may (RFC 7692
		// section 7.2.3.4), and goes on.
		z.flate.(flate.Resetter).Reset(z.source(), nil)
		if n > 0 {
			return n, nil
		}
	}
}

// over reports, at the end of a last block, whether the message ends there too:
// with the one in messageEnd, or right before it.
func (z *inflater) over() (bool, error) {
	if !z.ended {
		if err := z.source().fill(); err != nil {
			return false, err
		}
	}
	return z.ended && (len(z.rest) == 0 || len(z.rest) == len(messageEnd)), nil
}

// flateSource is what flate reads: the payload and then messageEnd, byte by byte so
// that it takes none too many.
type flateSource inflater

func (z *inflater) source() *flateSource { return (*flateSource)(z) }

func (s *flateSource) fill() error {
	for len(s.rest) == 0 {
		if s.ended {
			return io.EOF
		}
		n, err := s.raw.Read(s.buf[:])
		s.rest = s.buf[:n]
		if err == io.EOF {
			s.rest, s.ended = messageEnd, true
		} else if err != nil {
			s.fault = err
			return err
		}
	}
	return nil
}

// Read implements io.Reader.
func (s *flateSource) Read(p []byte) (int, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// ReadByte implements io.ByteReader.
func (s *flateSource) ReadByte() (byte, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b, nil
}
