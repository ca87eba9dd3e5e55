//go:build !js

package ws

import (
	"errors"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

// inflated ends a compressed message: p is its payload, whole and unmasked. The
// message is appended to dst, or lies in the view buffer.
func (c *Conn) inflated(dst, p []byte, view bool) ([]byte, error) {
	r := &c.read
	limit := c.set.MaxMessage
	if limit < 0 {
		limit = math.MaxInt64
	}
	if view {
		dst = *c.viewBuffer(readBuffer)
	} else {
		if cap(dst)-len(dst) < len(p) {
			dst = slices.Grow(dst, min(len(p)*3, chunkBuffer))
		}
	}
	base := len(dst)
	out, err := r.inflate.Append(dst, p, limit)
	if view && cap(out) > 0 {
		*r.view = out
	}
	if held := r.inflate.Held(); held != int(r.window) {
		more := held - int(r.window)
		r.window = int32(held)
		if herr := c.hold(more); herr != nil {
			return nil, herr
		}
	}
	switch {
	case errors.Is(err, deflate.ErrTooLarge):
		return nil, c.refuse(StatusMessageTooBig, ErrTooBig)
	case err != nil:
		return nil, c.refuse(StatusInvalidFramePayloadData, err)
	}
	if r.typ == Text && !utf8.Valid(out[base:]) {
		return nil, c.refuse(StatusInvalidFramePayloadData, frame.ErrInvalidUTF8)
	}
	return out, c.endMessage(true)
}
