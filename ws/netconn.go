package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// NetConn returns a net.Conn over the messages of c: each Write is one message
// of type typ, and Reads return the payload of the messages that arrive, one
// after the other, losing nothing when a message is longer than the buffer. A
// message of the other type closes the connection with 1003.
//
// Deadlines work as on any net.Conn: one that passes interrupts the call with
// os.ErrDeadlineExceeded and leaves the connection usable. A close with 1000 or
// 1001 reads as io.EOF. ctx bounds everything; Close closes c with 1000. The
// addresses are those of the stream below.
//
// One goroutine may read while others write.
func NetConn(ctx context.Context, c *Conn, typ MessageType) net.Conn {
	n := &netConn{c: c, typ: typ}
	n.read.init(ctx)
	n.write.init(ctx)
	return n
}

type netConn struct {
	c   *Conn
	typ MessageType

	reading sync.Mutex
	message *messageReader // the message being read
	eof     bool

	read, write timeLimit
}

func (n *netConn) Read(p []byte) (int, error) {
	n.reading.Lock()
	defer n.reading.Unlock()
	if n.eof {
		return 0, io.EOF
	}
	ctx := n.read.context()
	for {
		if n.message == nil {
			typ, r, err := n.c.Reader(ctx)
			if err != nil {
				return 0, explain(ctx, n.ended(err))
			}
			if typ != n.typ {
				err := fmt.Errorf("unexpected %s message on a NetConn of %s", typ, n.typ)
				n.c.Close(StatusUnsupportedData, err.Error())
				return 0, prefixed(err)
			}
			n.message = r.(*messageReader)
		}
		// A deadline that passed in the middle of a message, and was moved, lets
		// the same message go on.
		n.message.ctx = ctx
		k, err := n.message.Read(p)
		if err == io.EOF {
			n.message = nil
			if k == 0 && len(p) > 0 {
				continue
			}
			err = nil
		}
		if err != nil {
			err = explain(ctx, n.ended(err))
		}
		return k, err
	}
}

// ended turns a planned close into io.EOF.
func (n *netConn) ended(err error) error {
	switch CloseStatus(err) {
	case StatusNormalClosure, StatusGoingAway:
		n.eof = true
		return io.EOF
	}
	return err
}

func (n *netConn) Write(p []byte) (int, error) {
	ctx := n.write.context()
	if err := n.c.Write(ctx, n.typ, p); err != nil {
		if context.Cause(ctx) == net.ErrClosed {
			return 0, net.ErrClosed
		}
		return 0, explain(ctx, err)
	}
	return len(p), nil
}

func (n *netConn) Close() error {
	err := n.c.Close(StatusNormalClosure, "")
	n.read.close()
	n.write.close()
	return err
}

func (n *netConn) LocalAddr() net.Addr  { return n.c.LocalAddr() }
func (n *netConn) RemoteAddr() net.Addr { return n.c.RemoteAddr() }

func (n *netConn) SetDeadline(t time.Time) error {
	n.read.set(t)
	n.write.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.read.set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.write.set(t)
	return nil
}

// timeLimit is a deadline that can be moved while a call is under way.
type timeLimit struct {
	parent context.Context
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (l *timeLimit) init(parent context.Context) {
	l.parent = parent
	l.ctx, l.cancel = context.WithCancelCause(parent)
}

func (l *timeLimit) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ctx
}

// set moves the deadline; the zero time removes it.
func (l *timeLimit) set(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil // one that is past stopping sees it
	}
	if l.ctx.Err() != nil && l.parent.Err() == nil {
		l.ctx, l.cancel = context.WithCancelCause(l.parent)
	}
	if t.IsZero() {
		return
	}
	cancel := l.cancel
	d := time.Until(t)
	if d <= 0 {
		cancel(os.ErrDeadlineExceeded)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.timer == timer { // else the deadline was moved as it passed
			cancel(os.ErrDeadlineExceeded)
		}
	})
	l.timer = timer
}

func (l *timeLimit) close() {
	l.set(time.Time{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel(net.ErrClosed)
}

// explain gives a call that a deadline interrupted net.Conn's error.
func explain(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), os.ErrDeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	return err
}
