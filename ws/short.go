//go:build !js

package ws

import (
	"slices"
	"unicode/utf8"

	"github.com/tidewire/tidewire/ws/frame"
)

// Messages that lie in the read buffer whole take a short way.

// short takes a message that is all in the read buffer and has not been parsed:
// nearly every message.
func (c *Conn) short(dst []byte, begin, end int, view bool) ([]byte, error) {
	r := &c.read
	r.typ = MessageType(r.rest[0] & 0xf)
	p := r.rest[begin:end]
	if view {
		if !c.client {
			frame.Mask(p, [4]byte(r.rest[2:6]), 0)
		}
		dst = p
	} else {
		n := len(dst)
		dst = slices.Grow(dst, len(p))[:n+len(p)]
		if c.client {
			copy(dst[n:], p)
		} else {
			frame.MaskCopy(dst[n:], p, [4]byte(r.rest[2:6]), 0)
		}
		p = dst[n:]
	}
	r.rest = r.rest[end:]
	c.markBegun(false)
	if r.typ == Text && !utf8.Valid(p) {
		return nil, c.refuse(StatusInvalidFramePayloadData, frame.ErrInvalidUTF8)
	}
	return dst, nil
}

// fits reports whether a message of n bytes on the wire is within MaxMessage.
func (c *Conn) fits(n int) bool { return c.set.MaxMessage < 0 || int64(n) <= c.set.MaxMessage }

// single takes a message that is one frame and lies in the read buffer whole.
func (c *Conn) single(dst, p []byte, view bool) ([]byte, error) {
	r := &c.read
	switch {
	case r.compressed:
		if !c.client {
			frame.Mask(p, r.key, 0)
		}
		r.take(len(p))
		return c.inflated(dst, p, view)
	case view:
		if !c.client {
			frame.Mask(p, r.key, 0)
		}
		r.take(len(p))
		dst = p
	default:
		n := len(dst)
		dst = slices.Grow(dst, len(p))[:n+len(p)]
		if c.client {
			copy(dst[n:], p)
		} else {
			frame.MaskCopy(dst[n:], p, r.key, 0)
		}
		r.take(len(p))
		p = dst[n:]
	}
	if r.typ == Text && !utf8.Valid(p) {
		return nil, c.refuse(StatusInvalidFramePayloadData, frame.ErrInvalidUTF8)
	}
	return dst, c.endMessage(true)
}
