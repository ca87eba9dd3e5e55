package wstest

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

// Listener is a net.Listener in memory. Its DialContext makes the connections
// that Accept returns, so that an http.Server or a ws.Server and its clients run
// without sockets. Both ends are *PipeConn. All methods may be called from any
// goroutine.
type Listener struct {
	addr           net.Addr
	client, server PipeOptions
	dialled        chan *PipeConn
	done           chan struct{}
	close          sync.Once
	count          atomic.Int64
}

// Listen returns a listener. The options are those of Pipe: one is for both
// ends, of two the first is for the dialling ends and the second for the
// accepted ones. The Addr of the second is the listener's; nil means
// Addr("wstest:80"). The dialling ends are named "client:1", "client:2", …
// unless the first has an Addr.
func Listen(o ...PipeOptions) *Listener {
	l := &Listener{dialled: make(chan *PipeConn), done: make(chan struct{})}
	switch len(o) {
	case 0:
	case 1:
		l.client, l.server = o[0], o[0]
		l.server.Addr = nil
	case 2:
		l.client, l.server = o[0], o[1]
	default:
		panic("wstest: Listen takes at most two PipeOptions")
	}
	if l.server.Addr == nil {
		l.server.Addr = Addr("wstest:80")
	}
	l.addr = l.server.Addr
	return l
}

// Accept waits for a connection. After Close its error wraps net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.dialled:
		return c, nil
	case <-l.done:
		return nil, l.fail("accept", net.ErrClosed)
	}
}

// DialContext connects to the listener, whatever network and address say; it is
// an http.Transport's DialContext and a ws.DialOptions' NetDial. It waits until
// the other end is accepted. The connection is a *PipeConn. After Close its error
// wraps syscall.ECONNREFUSED; when ctx ends first, it wraps ctx.Err().
func (l *Listener) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, l.fail("dial", err)
	}
	o := l.client
	if o.Addr == nil {
		o.Addr = Addr("client:" + strconv.FormatInt(l.count.Add(1), 10))
	}
	near, far := Pipe(o, l.server)
	select {
	case <-l.done: // first of all, should an Accept be waiting still
		return nil, l.fail("dial", syscall.ECONNREFUSED)
	default:
	}
	select {
	case l.dialled <- far:
		return near, nil
	case <-l.done:
		return nil, l.fail("dial", syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, l.fail("dial", ctx.Err())
	}
}

// Close ends waiting and future Accepts and Dials. Connections live on.
func (l *Listener) Close() error {
	err := l.fail("close", net.ErrClosed)
	l.close.Do(func() {
		close(l.done)
		err = nil
	})
	return err
}

// Addr returns the listener's address.
func (l *Listener) Addr() net.Addr { return l.addr }

func (l *Listener) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "wstest", Addr: l.addr, Err: err}
}
