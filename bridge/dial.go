package bridge

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// A guest is who has come in through a door.
type guest struct {
	from, to net.Addr // the client's address, and the one of ours that it came to
	// offered is what a WebSocket client has been promised to be spoken with: nil, or one subprotocol.
	offered []string
}

// dial connects to a target of the rule, for a guest.
func (r *Rule) dial(ctx context.Context, target Endpoint, g *guest, count *counters) (end, error) {
	ctx, cancel := context.WithTimeout(ctx, r.DialTimeout)
	defer cancel()
	switch {
	case target.web():
		return r.dialWeb(ctx, target, g)
	case target.packets():
		conn, err := new(net.Dialer).DialContext(ctx, "udp", target.addr)
		if err != nil {
			return nil, err
		}
		return newDatagrams(conn.(*net.UDPConn), count), nil
	}
	conn, err := r.connect(ctx, target.network(), target.addr, g)
	if err != nil {
		return nil, err
	}
	if target.secure() {
		config := &tls.Config{}
		if r.TargetTLS != nil {
			config = r.TargetTLS.Clone()
		}
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(target.addr)
			config.ServerName = cmp.Or(config.ServerName, "localhost")
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		conn = secure
	}
	return r.stream(conn), nil
}

// stream is an end for a connection that is neither WebSocket nor datagrams.
func (r *Rule) stream(conn net.Conn) end {
	s := newStream(conn)
	if r.Framing == Length16 {
		return &framed{stream: s}
	}
	return s
}

// connect opens a stream, and says who the guest is.
func (r *Rule) connect(ctx context.Context, network, addr string, g *guest) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil || r.Proxy == 0 {
		return conn, err
	}
	deadline, _ := ctx.Deadline()
	conn.SetWriteDeadline(deadline)
	if _, err := conn.Write(appendProxyHeader(nil, r.Proxy, g.from, g.to)); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetWriteDeadline(time.Time{})
	return conn, nil
}

func (r *Rule) dialWeb(ctx context.Context, target Endpoint, g *guest) (end, error) {
	header := r.Header.Clone()
	header.Del("Host")
	o := ws.DialOptions{
		Header: header, Host: r.Header.Get("Host"), TLSConfig: r.TargetTLS, HandshakeTimeout: -1, Subprotocols: r.Subprotocols,
		// The target is what the rule says, not what the environment makes of it.
		Proxy: http.ProxyURL(nil),
		NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return r.connect(ctx, network, addr, g)
		},
	}
	switch {
	case r.Listen.web():
		o.Subprotocols = g.offered
	case o.Subprotocols == nil && !r.Listen.packets():
		// websockify refuses who offers some and not what it speaks, which it knows without a blank ahead of it. A bridge
		// has a choice of its own.
		o.Subprotocols = []string{BinaryProtocol, StreamProtocol}
	}
	o.ConnOptions = connOptions(r.Listen, r.Framing, slices.Contains(o.Subprotocols, Base64Protocol))
	address := target.scheme + "://" + target.addr + target.path
	if target.scheme == schemeWSUnix {
		o.UnixSocket, address = target.addr, "ws://localhost"+target.path
	}
	conn, resp, err := ws.Dial(ctx, address, &o)
	if err != nil {
		return nil, &handshakeError{cmp.Or(errors.Unwrap(err), err), resp} // without the address, which the log has
	}
	if len(g.offered) > 0 && conn.Subprotocol() != g.offered[0] {
		conn.Close(ws.StatusNormalClosure, "")
		return nil, fmt.Errorf("it does not speak the subprotocol %q, which the client was promised", g.offered[0])
	}
	back := newMessages(conn, whole(r.Listen, r.Framing))
	back.unmaskedIn = target.scheme == schemeWS
	return back, nil
}

// A handshakeError is why there is no WebSocket connection to a target. It quotes what that answered.
type handshakeError struct {
	error
	resp *http.Response // may be nil
}

func (e *handshakeError) Unwrap() error { return e.error }

// reason is the error for a client, who need not know what the target says of itself.
func (e *handshakeError) reason() string {
	switch {
	case errors.Is(e, context.DeadlineExceeded):
		return "its WebSocket handshake took too long"
	case e.resp != nil && e.resp.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Sprintf("it answered the WebSocket handshake with %d", e.resp.StatusCode)
	}
	return "its WebSocket handshake failed"
}
