//go:build !js

package websocket

import (
	"io"
	"sync"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// messageWriter is the writer that NextWriter returns. Its mutex is held while a
// frame leaves, so that whoever completes its message waits.
type messageWriter struct {
	c    *Conn
	typ  int
	size int // of a full buffer

	mu    sync.Mutex
	buf   *[]byte
	level int // 0: plain
	text  frame.UTF8
	begun bool // a frame has left
	err   error
}

const (
	// compressedFragment is what is compressed at once: less compresses badly.
	compressedFragment = 16 << 10
	// directFragment bounds the frames that a large Write is cut into.
	directFragment = 64 << 10
)

// syncTail ends a block that was flushed. Only the last frame of a message goes
// without it (RFC 7692 section 7.2.1).
var syncTail = []byte{0, 0, 0xff, 0xff}

// NextWriter begins a message of any type and returns a writer for it; its Close
// sends what is left. A message still open from an earlier NextWriter is completed
// first. Between the frames of a message only control messages pass.
//
// The writer also has WriteString and ReadFrom. Text may be cut anywhere, but must
// be UTF-8 as a whole; where that shows only after a part has left, the connection
// is closed with 1011.
func (c *Conn) NextWriter(messageType int) (io.WriteCloser, error) {
	if !isControl(messageType) && !isData(messageType) {
		return nil, errMessageType
	}
	c.endWriter()
	if err := c.fault(); err != nil {
		return nil, err
	}
	w := &messageWriter{
		c:     c,
		typ:   messageType,
		size:  c.fragment,
		buf:   buffers.Get().(*[]byte),
		level: c.compressLevel(messageType),
	}
	if w.level > 0 {
		w.size = max(w.size, compressedFragment)
	}
	if isControl(messageType) {
		w.size = frame.MaxControlPayload
	}
	c.mu.Lock()
	c.writer = w
	c.mu.Unlock()
	return w, nil
}

// endWriter completes the message that NextWriter has open.
func (c *Conn) endWriter() {
	if w := c.openWriter(); w != nil {
		w.Close() // its own caller hears of an error with the next write
	}
}

func (c *Conn) openWriter() *messageWriter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writer
}

// Write adds p to the message.
func (w *messageWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.check(p); err != nil {
		return 0, err
	}
	total := len(p)
	for len(p) > 0 {
		if len(*w.buf) == 0 && len(p) > w.size && w.level == 0 {
			// Large enough to go as it is.
			n := min(len(p), directFragment)
			if err := w.send(p[:n], false); err != nil {
				return total - len(p), w.end(err)
			}
			p = p[n:]
			continue
		}
		if len(*w.buf) == w.size {
			if err := w.flush(); err != nil {
				return total - len(p), err
			}
		}
		n := min(len(p), w.size-len(*w.buf))
		*w.buf = append(*w.buf, p[:n]...)
		p = p[n:]
	}
	return total, nil
}

// WriteString adds s to the message.
func (w *messageWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// ReadFrom adds all that r returns to the message.
func (w *messageWriter) ReadFrom(r io.Reader) (int64, error) {
	b := buffers.Get().(*[]byte)
	defer putBuffer(b)
	if cap(*b) < w.size {
		*b = make([]byte, 0, w.size)
	}
	var total int64
	for {
		n, err := r.Read((*b)[:cap(*b)])
		if n > 0 {
			k, werr := w.Write((*b)[:n])
			total += int64(k)
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Close sends what is left and ends the message.
func (w *messageWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if w.typ == TextMessage && !w.text.Complete() {
		return w.notText()
	}
	if err := w.send(*w.buf, true); err != nil {
		return w.end(err)
	}
	w.end(errWriterDone)
	return nil
}

// check refuses p before any of it counts.
func (w *messageWriter) check(p []byte) error {
	switch {
	case w.err != nil:
		return w.err
	case isControl(w.typ) && len(*w.buf)+len(p) > frame.MaxControlPayload:
		return w.end(errControlSize)
	case w.typ == TextMessage && !w.text.Write(p):
		return w.notText()
	}
	return nil
}

// notText gives up a text message that is none.
func (w *messageWriter) notText() error {
	if w.begun {
		w.c.raw.Refuse(ws.StatusInternalError, "", errNotUTF8)
	}
	return w.end(errTextUTF8)
}

// end gives the buffer back and makes err the answer to every later call.
func (w *messageWriter) end(err error) error {
	w.err = err
	putBuffer(w.buf)
	w.buf = nil
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if w.c.writer == w {
		w.c.writer = nil
	}
	return err
}

// flush sends what is gathered as one frame, with more to come.
func (w *messageWriter) flush() error {
	if err := w.send(*w.buf, false); err != nil {
		return w.end(err)
	}
	*w.buf = (*w.buf)[:0]
	return nil
}

// send sends p as one frame.
func (w *messageWriter) send(p []byte, final bool) error {
	h := frame.Header{Fin: final, Opcode: frame.Opcode(w.typ)}
	if w.begun {
		h.Opcode = frame.Continuation
	}
	if w.level > 0 {
		if !w.begun {
			h.RSV = frame.RSV1
		}
		b, err := w.c.deflated(p, w.level)
		if err != nil {
			return err
		}
		defer putBuffer(b)
		if !final {
			*b = append(*b, syncTail...)
		}
		p = *b
	}
	if err := w.c.writeFrame(w.c.writeContext(), h, p); err != nil {
		return err
	}
	w.begun = true
	return nil
}
