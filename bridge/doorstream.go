package bridge

import (
	"context"
	"crypto/tls"
	"net"
)

// A streamDoor listens for TCP, TLS or Unix streams.
type streamDoor struct {
	way *way
	ln  net.Listener
}

func (d *streamDoor) addr() net.Addr { return d.ln.Addr() }
func (d *streamDoor) close()         { d.ln.Close() }

func (d *streamDoor) serve() error {
	w := d.way
	return accept(d.ln, w.bridge.closing.Done(), func(conn net.Conn) {
		g := &guest{from: conn.RemoteAddr(), to: conn.LocalAddr()}
		leave, err := w.admit(g.from)
		if err != nil {
			newStream(conn).close(err)
			return
		}
		w.bridge.relays.Go(func() {
			defer leave()
			if w.TLS != nil {
				if conn = w.greet(conn); conn == nil {
					return
				}
			}
			w.relay(w.stream(conn), w.Target, g)
		})
	})
}

// greet is the server's side of a TLS handshake. It returns nil where that fails.
func (w *way) greet(conn net.Conn) net.Conn {
	secure := tls.Server(conn, w.TLS)
	ctx, cancel := context.WithTimeout(w.bridge.closing, w.DialTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		w.turnAway(&w.refusedRequest, conn.RemoteAddr(), err)
		conn.Close()
		return nil
	}
	return secure
}
