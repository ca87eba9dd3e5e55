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
	// Value is the caller's own, to know a message again in [Group.Refused]. It is
	// set before the message is first sent, if at all.
	Value any

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

// Len returns the bytes of the message, before compression and without the frame.
func (m *Prepared) Len() int { return len(m.payload) }

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
	if err := c.appendPrepared(m); err != nil {
		w.mu.Unlock()
		return err
	}
	if w.flushing || w.corked || w.attached || c.patient && ctx.Done() != nil {
		c.flushLater()
		return nil
	}
	return c.flush(ctx, false)
}

// maxJoined bounds what is joined for all members of a Group.
const maxJoined = chunkBuffer

// join returns the frames of a batch as they leave where nothing is compressed or
// masked, or nil if that is much.
func join(batch []*Prepared) []byte {
	if len(batch) == 1 {
		return batch[0].plain
	}
	n := 0
	for _, m := range batch {
		n += len(m.plain)
	}
	if n > maxJoined {
		return nil
	}
	joined := make([]byte, 0, n)
	for _, m := range batch {
		joined = append(joined, m.plain...)
	}
	return joined
}

// vacate ends a membership: nothing is queued for it any more.
func (c *Conn) vacate(s *seat) {
	c.out.lock()
	s.gone = true
	c.out.mu.Unlock()
}

// queueAll queues the messages of a batch in order, without waiting, and has them
// leave together. joined is what join made of them. It returns the first for which
// there was no room under RefuseWrite and those behind it, and whether the
// connection takes nothing any more.
func (c *Conn) queueAll(s *seat, batch []*Prepared, joined []byte) (refused []*Prepared, ended bool) {
	w := &c.out
	w.lock()
	if s.gone || len(batch) == 0 {
		w.mu.Unlock()
		return nil, false
	}
	if joined != nil && c.takesAtOnce(len(joined)) {
		c.writeJoined(joined)
		return nil, false
	}
	for i, m := range batch {
		if c.cannotWrite() != nil {
			w.mu.Unlock()
			return nil, true
		}
		if w.message && c.putBehind(m) {
			continue
		}
		if w.message || !w.room(c, len(m.payload)) {
			w.full = true
			if c.set.QueuePolicy == RefuseWrite {
				c.flushLater()
				return batch[i:], false
			}
			c.flushLater()
			c.refuse(StatusTryAgainLater, ErrSlowPeer)
			return nil, true
		}
		if err := c.appendPrepared(m); err != nil {
			w.mu.Unlock()
			return nil, true
		}
	}
	c.flushLater()
	return nil, false
}

// takesAtOnce reports whether so many bytes may go to the socket as they are, past
// the queue. Called with mu held.
func (c *Conn) takesAtOnce(n int) bool {
	w := &c.out
	return c.flags.has(flagEvents) && w.wire == nil && !w.flushing && !w.stalled && !w.corked && !w.message && w.pending == nil && w.tail == nil &&
		w.deflate == nil && !c.client && n <= c.set.WriteQueue && c.cannotWrite() == nil
}

// writeJoined writes shared memory, and queues a reference to what the socket does
// not take. It is called with mu held, and releases it.
func (c *Conn) writeJoined(joined []byte) {
	w := &c.out
	w.flushing, w.inflight, w.again = true, len(joined), false
	w.mu.Unlock()
	n, err := c.desc.Write(joined)
	w.lock()
	w.inflight = 0
	switch {
	case err != nil:
		c.writeBroken(c.opError("write", err))
	case n == len(joined):
		c.flushOn()
	default:
		c.takeBack(nil, (*sharedTail)(nil).add(joined), nil, n)
		if w.again {
			c.flushOn()
		} else {
			c.stall(n > 0)
		}
	}
}

// putBehind queues a prepared message for the end of the message that a Writer is in
// the middle of, if there is room. Called with out.mu held.
func (c *Conn) putBehind(m *Prepared) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.more()
	if x.behindLen += len(m.plain); x.behindLen+c.out.queued() > c.set.WriteQueue && len(x.behind) > 0 {
		x.behindLen -= len(m.plain)
		return false
	}
	x.behind = append(x.behind, m)
	return true
}

// takeBehind appends what putBehind has queued. Called with out.mu held.
func (c *Conn) takeBehind() {
	c.mu.Lock()
	var behind []*Prepared
	if x := c.extra; x != nil {
		behind, x.behind, x.behindLen = x.behind, nil, 0
	}
	c.mu.Unlock()
	for _, m := range behind {
		if c.cannotWrite() != nil || c.appendPrepared(m) != nil {
			return
		}
	}
}

// appendPrepared appends a prepared message. Called with mu held.
func (c *Conn) appendPrepared(m *Prepared) error {
	w := &c.out
	rsv, payload, whole := byte(0), m.payload, m.plain
	if w.deflate != nil && w.deflate.Wants(len(m.payload)) {
		z := m.compressed(c.set.Compression, w.deflate.Window())
		if z.err != nil {
			return prefixed(z.err)
		}
		rsv, payload, whole = frame.RSV1, z.payload, z.frame
		// The receiver's window holds it from now on.
		w.deflate.Observe(m.payload)
		c.countHistory()
	}
	if c.client {
		c.appendFrame(frame.Header{Fin: true, RSV: rsv, Opcode: frame.Opcode(m.typ)}, payload)
	} else if len(whole) >= sharedFrom && (w.stalled || w.tail != nil) {
		w.tail = w.tail.add(whole)
	} else {
		b := w.grow(len(whole))
		*b = append(*b, whole...)
	}
	return nil
}
