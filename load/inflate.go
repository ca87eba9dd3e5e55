package load

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

var (
	errChanged   = errors.New("a message came back changed, or in the wrong order")
	errShort     = errors.New("a message came back cut short")
	errLong      = errors.New("a compressed message inflates to more than was sent")
	errDeflate   = errors.New("a compressed message is no valid deflate stream")
	errOverlarge = errors.New("a compressed message is larger than any compressor makes it")
)

// maxPacked bounds the compressed form of a message of n bytes.
func maxPacked(n int) int { return 2*n + 256 }

// replies is what a connection knows of the context in which the server compresses.
type replies struct {
	total int // bytes of the messages that have come
	// own is the end of the messages that came compressed, if others did not: what is sent uncompressed is no part of
	// the context. While all are compressed, the cycle knows what came before each of them.
	own    []byte
	strays bool // own counts
}

// window is what the server may refer to in the message that comes next.
func (w *replies) window(c *cycle, m *message) []byte {
	if w.strays {
		return w.own
	}
	return c.before(m, w.total)
}

// add notes a message that has come.
func (w *replies) add(c *cycle, m *message, compressed bool) {
	if !compressed && !w.strays {
		w.own, w.strays = bytes.Clone(c.before(m, w.total)), true
	}
	w.total = min(w.total+len(m.payload), window)
	if compressed && w.strays {
		w.own = append(w.own, m.payload[max(0, len(m.payload)-window):]...)
		if len(w.own) > 2*window {
			w.own = append(w.own[:0], w.own[len(w.own)-window:]...)
		}
	}
}

// inflate checks the compressed form of a message.
func (p *peer) inflate(m *message, packed []byte) error {
	takeover := p.run.plan.Compression == Takeover
	var before []byte
	if takeover {
		before = p.replies.window(p.run.cycle, m)
	}
	// What the bytes inflate to depends on them and on the window alone.
	knowable := !takeover || !p.replies.strays && len(before) == window
	if knowable {
		if known := m.prepared.known.Load(); known != nil && bytes.Equal(*known, packed) {
			return nil
		}
	}
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	if err := z.check(packed, before, m.payload); err != nil {
		return err
	}
	if knowable {
		known := bytes.Clone(packed)
		m.prepared.known.Store(&known)
	}
	return nil
}

// inflater compares what a compressed message holds with what it should.
type inflater struct {
	packed []byte
	in     bytes.Reader
	reader io.Reader
	out    [32 << 10]byte
}

var inflaters = sync.Pool{New: func() any { return &inflater{reader: flate.NewReader(nil)} }}

// The end that a sender leaves off (RFC 7692 §7.2.2), and an empty last block.
const tail = flushed + "\x01\x00\x00\xff\xff"

func (z *inflater) check(packed, before, want []byte) error {
	z.packed = append(append(z.packed[:0], packed...), tail...)
	if cap(z.packed) > 1<<20 {
		defer func() { z.packed = nil }()
	}
	z.in.Reset(z.packed)
	z.reader.(flate.Resetter).Reset(&z.in, before)
	at := 0
	for {
		n, err := z.reader.Read(z.out[:])
		have := z.out[:n]
		if n > len(want)-at {
			have = z.out[:len(want)-at]
		}
		if !bytes.Equal(have, want[at:at+len(have)]) {
			return errChanged
		}
		if len(have) < n {
			return errLong
		}
		at += n
		switch {
		case err == io.EOF && z.in.Len() > 0:
			// A sender may end a block as the last one and go on (RFC 7692 §7.2.3.4).
			all := append(bytes.Clone(before), want[:at]...)
			z.reader.(flate.Resetter).Reset(&z.in, all[max(0, len(all)-window):])
		case err == io.EOF && at < len(want):
			return errShort
		case err == io.EOF:
			return nil
		case err != nil:
			return errDeflate
		}
	}
}
