//go:build !js

package ws

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/ws/engine"
)

// wire is the net.Conn below a tls.Conn that the engine may drive. It begins as the
// socket that it is made of, and waits. Once the engine has the socket, it never
// does: Read says errParked, which crypto/tls takes for temporary and passes on,
// keeping what it has of a record; Write always takes everything, because a Write
// that failed would spoil the tls.Conn for good, and keeps what the socket does not
// take. [Conn] hands on no more before that has left, so that little is kept here.
type wire struct {
	evented atomic.Pointer[Conn] // nil until the engine has the socket
	over    *tls.Conn            // set with evented

	mu     sync.Mutex // guards what follows; a Read that answers writes beside a Write
	nc     net.Conn   // the socket, or the engine's stand-in for it
	queue  *[]byte    // pooled; nil when empty
	corked bool       // records are gathered
	moved  bool       // the socket has taken something
	err    error      // of the socket: it takes nothing more
	length atomic.Int32
}

const (
	// wireBatch is how much ciphertext leaves together: with one more record it
	// fits a buffer of the pool.
	wireBatch = chunkBuffer - 17<<10
	// maxWire bounds the ciphertext that waits. The rest of it answers what the
	// peer asks of TLS (RFC 8446 section 4.6.3) and does not read.
	maxWire = 2 * chunkBuffer
	// oneRecord is a size that crypto/tls never splits.
	oneRecord = 1000
)

var errWireFlood = errors.New("ws: the peer does not read the answers that TLS owes it")

// parked is a net.Error that is temporary.
type parked struct{}

var errParked error = parked{}

func (parked) Error() string   { return "ws: nothing to read" }
func (parked) Timeout() bool   { return false }
func (parked) Temporary() bool { return true }

// wireOf returns what nc stands on, where that is a wire.
func wireOf(nc net.Conn) *wire {
	t, ok := nc.(*tls.Conn)
	if !ok {
		return nil
	}
	w, _ := t.NetConn().(*wire)
	return w
}

// engage has the engine drive w from here on: nobody reads or writes just now.
func (w *wire) engage(c *Conn) {
	w.over = c.stream.(*tls.Conn)
	w.evented.Store(c)
}

// replace puts the engine's stand-in for the socket in its place.
func (w *wire) replace(nc net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nc = nc
}

func (w *wire) link() net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nc
}

// receive reads once what has been decrypted, or can be.
func (w *wire) receive(p []byte) (int, error) {
	n, err := w.over.Read(p)
	switch {
	case n > 0:
		return n, nil // an error comes again
	case err == errParked:
		return 0, errWouldBlock
	case err == nil:
		err = io.ErrNoProgress
	}
	return 0, err
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	c := w.evented.Load()
	if c == nil {
		return w.link().Read(p)
	}
	r := &c.read
	switch {
	case w.length.Load() > maxWire:
		return 0, errWireFlood
	case r.drained:
		return 0, errParked
	}
	n, more, err := c.desc.Read(p)
	switch {
	case err != nil && engine.WouldBlock(err):
		return 0, errParked
	case err != nil:
		return 0, w.opError("read", err)
	}
	r.drained = !more
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	c := w.evented.Load()
	if c == nil {
		return w.link().Write(p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	if w.err == nil && w.queue == nil && !w.corked {
		n, w.err = c.desc.Write(p)
		w.moved = w.moved || n > 0
	}
	if w.err != nil {
		return n, w.opErrorLocked("write", w.err)
	}
	if n < len(p) {
		if w.queue == nil {
			w.queue = getBuffer(len(p) - n)
		} else {
			w.queue = growBuffer(w.queue, len(p)-n)
		}
		*w.queue = append(*w.queue, p[n:]...)
		w.length.Store(int32(len(*w.queue)))
	}
	return len(p), nil
}

// flush takes what waits to the socket. Called with mu held.
func (w *wire) flush() {
	if w.queue == nil || w.err != nil {
		return
	}
	n, err := w.evented.Load().desc.Write(*w.queue)
	w.moved = w.moved || n > 0
	rest := (*w.queue)[n:]
	if w.err = err; err != nil || len(rest) == 0 {
		w.drop()
		return
	}
	if n > 0 {
		*w.queue = append((*w.queue)[:0], rest...)
		w.length.Store(int32(len(rest)))
	}
}

// drop throws away what waits. Called with mu held.
func (w *wire) drop() {
	if w.queue != nil {
		putBuffer(w.queue)
		w.queue = nil
		w.length.Store(0)
	}
}

// waits reports whether ciphertext waits for the socket. w may be nil.
func (w *wire) waits() bool { return w.len() > 0 }

// len returns how much that is. w may be nil.
func (w *wire) len() int {
	if w == nil {
		return 0
	}
	return int(w.length.Load())
}

// sated ends the wish to hear of room, if nothing waits.
func (w *wire) sated() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue == nil {
		w.evented.Load().desc.Sated()
	}
}

// send encrypts pieces and takes them to the socket behind what waits, as far as
// they may wait here themselves. It returns how much it has taken, and whether the
// socket moved. Only the flusher may call it.
func (w *wire) send(pieces [][]byte) (n int, moved bool, err error) {
	total := 0
	for _, p := range pieces {
		total += len(p)
	}
	w.mu.Lock()
	w.moved = false
	w.flush()
	if w.err != nil || w.queue != nil {
		defer w.mu.Unlock()
		return 0, w.moved, w.failure()
	}
	if total > oneRecord || len(pieces) > 1 {
		w.corked = true
		w.queue = getBuffer(min(total+total/16+64, chunkBuffer))
	}
	w.mu.Unlock()
	full := false
	for _, p := range pieces {
		for len(p) > 0 && err == nil && !full {
			var k int
			k, err = w.over.Write(p[:min(len(p), writePiece)])
			n += k
			p = p[k:]
			if w.len() > wireBatch {
				w.mu.Lock()
				w.flush()
				full = w.queue != nil || w.err != nil
				w.mu.Unlock()
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	if !full {
		w.flush()
	}
	if err == nil {
		err = w.failure()
	}
	return n, w.moved, err
}

// failure returns the error of the socket. Called with mu held.
func (w *wire) failure() error {
	if w.err == nil {
		return nil
	}
	return w.opErrorLocked("write", w.err)
}

func (w *wire) opError(op string, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opErrorLocked(op, err)
}

// opErrorLocked describes a failed call on the socket as package net would.
func (w *wire) opErrorLocked(op string, err error) error {
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	local, remote := w.nc.LocalAddr(), w.nc.RemoteAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: remote, Err: os.NewSyscallError(op, err)}
}

// Close implements net.Conn. Where the engine drives, it ends the stream, and the
// Conn closes the socket.
func (w *wire) Close() error {
	if c := w.evented.Load(); c != nil {
		c.desc.Shutdown()
		return nil
	}
	return w.link().Close()
}

// end sends close_notify, unless that has been sent, and takes nothing more. What
// waits is lost.
func (w *wire) end() {
	w.over.CloseWrite()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop()
	if w.err == nil {
		w.err = net.ErrClosed
	}
}

// LocalAddr implements net.Conn.
func (w *wire) LocalAddr() net.Addr { return w.link().LocalAddr() }

// RemoteAddr implements net.Conn.
func (w *wire) RemoteAddr() net.Addr { return w.link().RemoteAddr() }

// SyscallConn gives access to the socket, for options.
func (w *wire) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := w.link().(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// SetDeadline implements net.Conn. Nothing waits once the engine has the socket.
func (w *wire) SetDeadline(t time.Time) error {
	if w.evented.Load() != nil {
		return nil
	}
	return w.link().SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (w *wire) SetReadDeadline(t time.Time) error {
	if w.evented.Load() != nil {
		return nil
	}
	return w.link().SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.evented.Load() != nil {
		return nil
	}
	return w.link().SetWriteDeadline(t)
}

// flushWire is flushRound through TLS.
func (c *Conn) flushWire(p []byte) bool {
	w := &c.out
	b, tail := w.pending, w.tail
	total := w.pendingLen() + tail.len() + len(p)
	w.inflight = w.queued() + len(p)
	w.pending, w.tail, w.again = nil, nil, false
	w.signal()
	w.mu.Unlock()
	var room [16][]byte
	n, moved, err := w.wire.send(inPieces(room[:0], b, tail, p))
	w.lock()
	w.inflight = 0
	if err != nil {
		if b != nil {
			putBuffer(b)
		}
		c.writeBroken(err)
		return false
	}
	if n < total {
		c.takeBack(b, tail, p, n)
	} else if b != nil {
		putBuffer(b)
	}
	if n == total && !w.wire.waits() || w.again {
		return true
	}
	c.stall(moved)
	return false
}
