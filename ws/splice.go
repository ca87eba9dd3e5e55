//go:build !js

package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"

	"github.com/tidewire/tidewire/ws/frame"
)

// spliceLimit is from how many bytes on the kernel is asked to move them without showing them to us: splice(2) and
// sendfile(2), by way of [net.TCPConn.ReadFrom]. Below that the system calls cost more than the copying.
const spliceLimit = 16 << 10

// WriteTo implements [io.WriterTo]. Where frames are neither masked nor compressed nor text, the stream is a plain socket and w is an
// [io.ReaderFrom], a *net.TCPConn above all, Linux moves their payload to w without copying it. An error of w that comes of that ends the connection:
// what w took is not known.
func (m *messageReader) WriteTo(w io.Writer) (total int64, err error) {
	to, splices := w.(io.ReaderFrom)
	splices = splices && m.c.client && m.c.plain()
	for err == nil {
		n := int64(0)
		if splices {
			n, err = m.splice(to)
		}
		if n == 0 && err == nil {
			n, err = m.copyOnce(w)
		}
		total += n
	}
	if err == io.EOF {
		err = nil
	}
	return total, err
}

// copyOnce reads once and writes that to w.
func (m *messageReader) copyOnce(w io.Writer) (int64, error) {
	b := getBuffer(readBuffer)
	defer putBuffer(b)
	n, err := m.Read((*b)[:cap(*b)])
	if n == 0 {
		return 0, err
	}
	k, werr := w.Write((*b)[:n])
	if werr == nil && k < n {
		werr = io.ErrShortWrite
	}
	if werr != nil {
		return int64(k), werr
	}
	return int64(k), err
}

// splice has w read what of the frame's payload waits in the socket, if that is worth it.
func (m *messageReader) splice(w io.ReaderFrom) (int64, error) {
	if len(m.ready) > 0 || m.whole || m.failed != nil {
		return 0, nil
	}
	c := m.c
	if err := c.beginRead(m.ctx); err != nil {
		return 0, err
	}
	defer c.endRead()
	r := &c.read
	if r.stream != m || r.compressed || r.typ == Text || r.parts.n > 0 || len(r.rest) > 0 || r.left < spliceLimit {
		return 0, nil
	}
	n := min(r.left, int64(c.socket.Available()))
	if n < spliceLimit {
		return 0, nil
	}
	from := &io.LimitedReader{R: c.stream, N: n}
	c.flags.set(flagPassing)
	_, err := w.ReadFrom(from)
	c.flags.clear(flagPassing)
	n -= from.N
	r.passed(int(n))
	c.ticks.heard.Store(c.wheel.now.Load())
	switch {
	case err == nil && from.N == 0:
		return n, nil
	case err == nil:
		err = io.ErrShortWrite
	case m.ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
		return n, c.readError(m.ctx, err)
	}
	c.broken(err)
	return n, err
}

// WriteFrom sends one message of n bytes that it reads from r. Where frames are neither masked nor compressed, the message
// is binary, the stream is a plain socket and r is a *net.TCPConn, a *net.UnixConn or an *os.File, it is one frame whose payload Linux moves from r
// without copying it; otherwise it is as if a [Writer] had been given it.
//
// r should not have it wait: other writers do too, and so does the peer, who has the beginning of the message. When r fails,
// or ends before n bytes, or ctx ends in the middle, the message cannot be completed and the connection is closed, unless
// nothing of it has left. The error is then r's, or ctx's.
func (c *Conn) WriteFrom(ctx context.Context, typ MessageType, r io.Reader, n int64) error {
	if err := checkMessage(typ, nil); err != nil {
		return err
	}
	if n < 0 {
		return fmt.Errorf("ws: WriteFrom of %d bytes", n)
	}
	if n >= spliceLimit && typ == Binary && !c.client && splices(r) && c.plain() {
		if to, ok := c.stream.(*net.TCPConn); ok {
			if done, err := c.writeSpliced(ctx, to, r, n); done {
				return err
			}
		}
	}
	w, err := c.Writer(ctx, typ)
	if err != nil {
		return err
	}
	defer w.Cancel()
	if _, err := io.CopyN(w, r, n); err == io.EOF {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return w.Close()
}

// splices reports whether the kernel may be able to move bytes from r.
func splices(r io.Reader) bool {
	switch r.(type) {
	case *net.TCPConn, *net.UnixConn, *os.File:
		return true
	}
	return false
}

// writeSpliced is WriteFrom by way of the kernel. It reports false where somebody else has to write, and nothing was sent.
func (c *Conn) writeSpliced(ctx context.Context, to *net.TCPConn, r io.Reader, n int64) (done bool, err error) {
	w := &c.out
	for {
		if err := c.lockMessage(ctx, int(min(n, math.MaxInt32))); err != nil {
			return true, err
		}
		if w.deflate != nil || w.corked || w.attached || c.patient && ctx.Done() != nil {
			w.mu.Unlock()
			return false, nil
		}
		if !w.flushing {
			break
		}
		err := w.wait(ctx)
		w.mu.Unlock()
		if err != nil {
			return true, c.orEnd(err)
		}
	}
	w.flushing = true
	head := w.grow(frame.MaxHeaderSize) // behind control frames that nobody has flushed yet
	w.pending = nil
	before := len(*head)
	*head = frame.AppendHeader(*head, frame.Header{Fin: true, Opcode: frame.Opcode(Binary), Length: n})
	w.inflight = int(min(int64(len(*head))+n, math.MaxInt32))
	w.mu.Unlock()

	sent, err := c.send(ctx, *head, nil)
	if err == nil {
		err = c.sendFrom(ctx, to, r, n)
	}

	w.lock()
	w.inflight = 0
	if err == nil {
		putBuffer(head)
		return true, c.flushRest(ctx)
	}
	if cerr := ctx.Err(); sent <= before && cerr != nil && c.interrupted(ctx, err) {
		// Not a byte of the message has left: take it back.
		*head = append((*head)[:0], (*head)[sent:before]...)
		c.putBack(head, nil)
		c.handOver()
		return true, c.orEnd(cerr)
	}
	putBuffer(head)
	ended := c.ended.Load()
	c.writeBroken(err)
	if ended != nil {
		return true, ended
	}
	// There is no telling the peer within a frame. Who reads hears why.
	if c.finish(&CloseError{By: Us, Code: StatusAbnormalClosure, Cause: err}) {
		c.kill()
	}
	return true, err
}

// sendFrom has the socket read n bytes of payload, as the flusher.
func (c *Conn) sendFrom(ctx context.Context, to *net.TCPConn, r io.Reader, n int64) error {
	w := &c.out
	if !w.watch.begin(c.ownContext(ctx), (*writing)(c)) {
		return errTwoFlushers
	}
	defer func() {
		w.watch.end((*writing)(c))
		if c.flags.has(flagGone) {
			w.watch.drop()
		}
	}()
	for n > 0 {
		// In pieces, so that a slow peer's progress shows.
		piece := min(n, 1<<20)
		moved, err := to.ReadFrom(&io.LimitedReader{R: r, N: piece})
		if err == nil && moved < piece {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		n -= moved
		(*writing)(c).Moved()
	}
	return nil
}
