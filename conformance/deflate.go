package conformance

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"sync"
)

// stream holds the parameters of one direction of permessage-deflate.
type stream struct {
	bits  int  // of the window, 8 to 15
	fresh bool // no context takeover: each message starts with an empty window
}

// exchange is an agreed permessage-deflate: it compresses towards the peer and
// inflates what comes from it.
type exchange struct {
	to, from stream

	writer *flate.Writer
	packed bytes.Buffer
	packer *packer // instead of writer when the window is not the largest

	history []byte // the last 32 KiB that were inflated
	finals  int    // final blocks that came
}

// mostFinals bounds the final blocks of one connection. They may be two bytes
// each, and after each of them the inflater starts anew with the whole window.
const mostFinals = 1 << 16

// Compressors are large; few are alive at once.
var flateWriters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

var flateReaders = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

// deflate compresses one message: RFC 7692 7.2.1.
func (x *exchange) compress(p []byte) []byte {
	if x.to.bits < 15 {
		if x.packer == nil || x.to.fresh {
			x.packer = &packer{window: 1 << x.to.bits}
		}
		return x.packer.pack(p)
	}
	if x.writer == nil {
		x.writer = flateWriters.Get().(*flate.Writer)
		x.writer.Reset(&x.packed)
	} else if x.to.fresh {
		x.writer.Reset(&x.packed)
	}
	x.packed.Reset()
	if _, err := x.writer.Write(p); err == nil {
		err = x.writer.Flush()
		if err != nil {
			panic(err) // a bytes.Buffer takes everything
		}
	}
	return bytes.Clone(bytes.TrimSuffix(x.packed.Bytes(), []byte{0x00, 0x00, 0xff, 0xff}))
}

// release gives the compressor back.
func (x *exchange) release() {
	if x != nil && x.writer != nil {
		x.writer.Reset(nil)
		flateWriters.Put(x.writer)
		x.writer = nil
	}
}

// tail is what RFC 7692 7.2.2 appends, and an empty final block so that the
// reader finds an end.
var tail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

// inflate is the other way round: RFC 7692 7.2.2. It inflates at most limit bytes.
func (x *exchange) inflate(p []byte, limit int64) ([]byte, error) {
	if x.from.fresh {
		x.history = nil
	}
	r := flateReaders.Get().(io.ReadCloser)
	defer flateReaders.Put(r)
	in := bytes.NewReader(append(p[:len(p):len(p)], tail...))
	var out bytes.Buffer
	for {
		if err := r.(flate.Resetter).Reset(in, x.dictionary(out.Bytes())); err != nil {
			return nil, err
		}
		n, err := io.Copy(&out, io.LimitReader(r, limit-int64(out.Len())+1))
		if err != nil {
			return nil, fmt.Errorf("it does not inflate after %d bytes: %w", out.Len(), err)
		}
		if n > 0 && int64(out.Len()) > limit {
			return nil, fmt.Errorf("it inflates to more than %d bytes", limit)
		}
		// A final block before the tail: what follows starts anew at a byte.
		if in.Len() == 0 {
			break
		}
		if x.finals++; x.finals > mostFinals {
			return nil, fmt.Errorf("there are more than %d final blocks", mostFinals)
		}
		if in.Len() < 5 {
			return nil, errors.New("it does not end with a whole block")
		}
	}
	if x.from.bits < 15 {
		if far, err := reach(p); err == nil && far > 1<<x.from.bits {
			return nil, fmt.Errorf("it refers back by %d bytes, the agreed window is %d", far, 1<<x.from.bits)
		}
	}
	x.history = bytes.Clone(x.dictionary(out.Bytes()))
	return out.Bytes(), nil
}

// dictionary is the last 32 KiB of the history and what followed it.
func (x *exchange) dictionary(out []byte) []byte {
	const window = 1 << 15
	if len(out) >= window {
		return out[len(out)-window:]
	}
	keep := min(len(x.history), window-len(out))
	return append(x.history[len(x.history)-keep:len(x.history):len(x.history)], out...)
}

// squeezed is a compressed message in one frame.
func (s *session) squeezed(op byte, p []byte) frame {
	return frame{fin: true, rsv: rsv1, op: op, payload: s.deflate.compress(p)}
}

// squeezedParts is a compressed message in fragments; RSV1 stands on the first
// alone, RFC 7692 6.1.
func (s *session) squeezedParts(op byte, p []byte, n int) []frame {
	all := fragments(op, s.deflate.compress(p), n)
	all[0].rsv = rsv1
	return all
}
