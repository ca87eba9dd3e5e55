//go:build !js

package ws

import (
	"context"
	"io"
	"time"

	"github.com/tidewire/tidewire/ws/frame"
)

// Takeover is a connection whose control frames and fragments belong to the
// caller. Nothing is answered by itself: no pong, no close frame. It is what an
// adapter to another library's API stands on; programs use [Conn] directly.
//
// One goroutine at a time may call Next and Read; the other methods may be called
// from any.
type Takeover struct {
	c        *Conn
	controls Controls
	limit    int64       // bytes of one message as it travels; not positive: no bound
	window   int         // bits; 0: compression was not negotiated
	over     *CloseError // the peer's close frame, once handled; guarded by out.mu
	broken   *CloseError // why nothing can be written; guarded by out.mu
	stopped  error       // what every later Next and Read returns
	message  bool        // Read has not reached the end of the message
}

// Controls are called for the control frames that arrive, by the goroutine that
// is in Next or Read. p is valid until the function returns. An error stops
// reading for good: it is what Next and Read return from then on. A nil function
// ignores the frame.
type Controls struct {
	Ping  func(p []byte) error
	Pong  func(p []byte) error
	Close func(code StatusCode, reason string) error
}

// TakeOver hands control frames, fragments and compression to the caller, who
// from then on uses Next and Read instead of the reading calls of c. It must come
// before anything is read or written. Write, WritePrepared and Writer of c keep
// working and no longer compress. The options of c that count are WriteTimeout,
// CloseTimeout, PingInterval, the Budget and the Logger.
//
// A WriteFrame that fails does not end the connection: Next and Read still return
// what the peer sent before it went away, its close frame included.
func (c *Conn) TakeOver(h Controls) *Takeover {
	t := &Takeover{c: c, controls: h}
	w := &c.out
	w.lock()
	defer w.mu.Unlock()
	if w.deflate != nil {
		t.window = w.deflate.Window()
		w.deflate.Release()
		w.deflate = nil
	}
	return t
}

// Window returns the window that compressed frames may refer back to, as a power
// of two (RFC 7692 section 7.1.2), or 0 where no compression was negotiated.
func (t *Takeover) Window() int { return t.window }

// SetReadLimit bounds the messages that begin from now on, in bytes as they
// travel: one that announces more is refused with 1009 and [ErrTooBig]. 0 and
// less mean no bound. Only the reading goroutine may call it.
func (t *Takeover) SetReadLimit(n int64) { t.limit = n }

// SetReadDeadline makes Next and Read return os.ErrDeadlineExceeded once d has
// passed, those under way included; the zero time never passes. The connection
// stays whole.
func (t *Takeover) SetReadDeadline(d time.Time) error {
	c := t.c
	if c.ended.Load() != nil {
		return nil
	}
	err := c.stream.SetReadDeadline(d)
	if c.ended.Load() != nil {
		// The end came in between: whoever reads must still hear of it.
		c.stream.SetReadDeadline(longAgo)
	}
	return err
}

// Next waits for the next message, whose payload Read then returns. It discards
// what is left of the one before. With compressed, the payload comes as it
// travelled, and inflating it and checking its UTF-8 is the caller's.
func (t *Takeover) Next() (typ MessageType, compressed bool, err error) {
	c, r := t.c, &t.c.read
	if err := t.begin(); err != nil {
		return 0, false, err
	}
	defer c.endRead()
	if t.message {
		if err := t.discard(); err != nil {
			return 0, false, t.failed(err)
		}
	}
	for !r.open {
		_, err := t.advance()
		if err == nil && !r.open {
			err = c.fill()
		}
		if err != nil {
			return 0, false, t.failed(err)
		}
	}
	t.message = true
	return r.typ, r.compressed, nil
}

// Read returns payload of the message that Next announced, and io.EOF at its
// end.
func (t *Takeover) Read(p []byte) (int, error) {
	if !t.message {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := t.begin(); err != nil {
		return 0, err
	}
	defer t.c.endRead()
	n, err := t.read(p)
	if err == io.EOF {
		t.message = false
	} else if err != nil {
		err = t.failed(err)
	}
	return n, err
}

func (t *Takeover) begin() error {
	if t.stopped != nil {
		return t.stopped
	}
	return t.c.beginRead(context.Background())
}

// failed says which of the possible reasons ended a call.
func (t *Takeover) failed(err error) error {
	if t.stopped != nil {
		return t.stopped
	}
	return t.c.readError(context.Background(), err)
}

func (t *Takeover) read(p []byte) (int, error) {
	c, r := t.c, &t.c.read
	for {
		ev, err := t.advance()
		switch {
		case err != nil:
			return 0, err
		case ev == evEnd:
			if err := c.endMessage(r.compressed); err != nil {
				return 0, err
			}
			return 0, io.EOF
		case ev == evChunk:
			n := min(r.chunk(), len(p))
			if c.client {
				copy(p, r.rest[:n])
			} else {
				frame.MaskCopy(p, r.rest[:n], r.key, int(r.pos))
			}
			r.take(n)
			return n, c.checkText(p[:n])
		case len(r.rest) == 0 && r.left >= smallBuffer && len(p) >= smallBuffer:
			n, err := c.receive(clip(p, r.left))
			if err != nil {
				return 0, err
			}
			if !c.client {
				frame.Mask(p[:n], r.key, int(r.pos))
			}
			r.passed(n)
			return n, c.checkText(p[:n])
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
}

// discard reads to the end of the message.
func (t *Takeover) discard() error {
	b := getBuffer(smallBuffer)
	defer putBuffer(b)
	for {
		if _, err := t.read((*b)[:cap(*b)]); err != nil {
			t.message = err != io.EOF
			if !t.message {
				return nil
			}
			return err
		}
	}
}

// advance is parse with the control frames given to the caller. It shows parse
// one header of a data frame at a time, so that parse never sees another.
func (t *Takeover) advance() (event, error) {
	c, r := t.c, &t.c.read
	for {
		if r.left > 0 || r.open && r.fin {
			return c.parse()
		}
		h, n, err := frame.ParseHeader(r.rest)
		if err != nil {
			return evMore, c.violation(err)
		}
		if n == 0 {
			if err := r.frames.CheckPartial(r.rest); err != nil {
				return evMore, c.violation(err)
			}
			return evMore, nil
		}
		if !h.Opcode.IsControl() {
			if t.limit > 0 {
				size := h.Length
				if r.open {
					size += r.size
				}
				if size > t.limit || size < 0 {
					return evMore, t.Refuse(StatusMessageTooBig, "", ErrTooBig)
				}
			}
			rest := r.rest
			r.rest = rest[:n]
			_, err := c.parse()
			r.rest = rest[n:]
			if err != nil {
				return evMore, err
			}
			continue
		}
		if err := r.frames.Check(h); err != nil {
			return evMore, c.violation(err)
		}
		whole := n + int(h.Length)
		if len(r.rest) < whole {
			return evMore, nil
		}
		p := r.rest[n:whole]
		if h.Masked {
			frame.Mask(p, h.Key, 0)
		}
		r.rest = r.rest[whole:]
		if err := t.control(h.Opcode, p); err != nil {
			return evMore, err
		}
		if ce := c.ended.Load(); ce != nil {
			return evMore, ce // by what the caller did
		}
	}
}

func (t *Takeover) control(op frame.Opcode, p []byte) error {
	var call func([]byte) error
	switch op {
	case frame.Close:
		return t.closeFrame(p)
	case frame.Ping:
		call = t.controls.Ping
	case frame.Pong:
		call = t.controls.Pong
	}
	if call == nil {
		return nil
	}
	t.stopped = call(p)
	return t.stopped
}

// closeFrame hands the peer's close frame over. The connection ends with it if
// ours has been sent, and otherwise once it is.
func (t *Takeover) closeFrame(p []byte) error {
	c, w := t.c, &t.c.out
	code, reason, err := frame.ParseClose(p)
	if err != nil {
		return c.violation(err)
	}
	ce := &CloseError{By: Peer, Code: code, Reason: string(reason), At: time.Now()}
	w.lock()
	over := ce
	if ours := w.closing; ours != nil {
		over = &CloseError{By: ours.By, Code: ours.Code, Reason: ours.Reason}
	}
	w.mu.Unlock()
	t.stopped = ce
	if t.controls.Close != nil {
		if err := t.controls.Close(code, ce.Reason); err != nil {
			t.stopped = err
		}
	}
	w.lock()
	defer w.mu.Unlock()
	t.over = over
	if w.closing != nil {
		c.read.answered = true
		c.finish(over)
	}
	return t.stopped
}

// Refuse ends the connection because of what the peer did: it sends a close frame
// with code and reason and does not wait. It returns the *CloseError, of which
// cause is the Cause.
func (t *Takeover) Refuse(code StatusCode, reason string, cause error) error {
	return t.c.refuseWith(code, reason, cause)
}

// Close ends the connection and closes the stream at once, as [Conn.CloseNow]
// does. Only a refusal under way is left to reach the peer, within CloseTimeout.
func (t *Takeover) Close() {
	if ce := t.c.ended.Load(); ce != nil && ce.By == Policy {
		return
	}
	t.c.CloseNow()
}
