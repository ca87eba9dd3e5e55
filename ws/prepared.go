//go:build !js

package ws

import (
	"context"
	"sync"

	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

// Prepared is a message that is encoded once and sent to many connections: the
// frame is built once, and compressed once for each window size and level that
// its receivers negotiated. It is safe for concurrent use and never changes.
type Prepared struct {
	typ     MessageType
	payload []byte
	plain   []byte // the whole frame, as a server sends it
	err     error

	mu   sync.Mutex
	zips map[zipKey]*zipped
}

type zipKey struct{ level, window int }

type zipped struct {
	once    sync.Once
	payload []byte
	frame   []byte // as a server sends it
	err     error
}

// Prepare encodes a message for [Conn.WritePrepared]. It copies p. Text that is
// not UTF-8 is refused by WritePrepared.
func Prepare(typ MessageType, p []byte) *Prepared {
	m := &Prepared{typ: typ, err: checkMessage(typ, p)}
	h := frame.Header{Fin: true, Opcode: frame.Opcode(typ), Length: int64(len(p))}
	m.plain = frame.Append(make([]byte, 0, h.Size()+len(p)), h, p)
	m.payload = m.plain[h.Size():]
	return m
}

// compressed returns the variant for a window, made on first use.
func (m *Prepared) compressed(o *deflate.Options, window int) *zipped {
	k := zipKey{window: window}
	if o != nil {
		k.level = o.Level
	}
	m.mu.Lock()
	if m.zips == nil {
		m.zips = map[zipKey]*zipped{}
	}
	z := m.zips[k]
	if z == nil {
		z = &zipped{}
		m.zips[k] = z
	}
	m.mu.Unlock()
	z.once.Do(func() {
		z.payload, z.err = deflate.AppendStateless(nil, m.payload, k.level, k.window)
		h := frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Opcode(m.typ), Length: int64(len(z.payload))}
		z.frame = frame.Append(make([]byte, 0, h.Size()+len(z.payload)), h, z.payload)
	})
	return z
}

// WritePrepared is [Conn.Write] for a prepared message.
func (c *Conn) WritePrepared(ctx context.Context, m *Prepared) error {
	if m.err != nil {
		return m.err
	}
	if err := c.lockMessage(ctx, len(m.payload)); err != nil {
		return err
	}
	w := &c.out
	rsv, payload, whole := byte(0), m.payload, m.plain
	if w.deflate != nil && w.deflate.Wants(len(m.payload)) {
		z := m.compressed(c.set.Compression, w.deflate.Window())
		if z.err != nil {
			w.mu.Unlock()
			return prefixed(z.err)
		}
		rsv, payload, whole = frame.RSV1, z.payload, z.frame
		// The receiver's window holds it from now on.
		w.deflate.Observe(m.payload)
		c.countHistory()
	}
	if c.client {
		c.appendFrame(frame.Header{Fin: true, RSV: rsv, Opcode: frame.Opcode(m.typ)}, payload)
	} else {
		b := w.grow(len(whole))
		*b = append(*b, whole...)
	}
	if w.flushing || w.corked || w.attached || c.patient && ctx.Done() != nil {
		c.flushLater()
		return nil
	}
	return c.flush(ctx, false)
}
