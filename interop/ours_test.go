package interop_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// ourEnd is a Conn of ours.
type ourEnd struct {
	inbox
	c *ws.Conn
}

func (e *ourEnd) send(typ ws.MessageType, p []byte) error {
	return e.c.Write(context.Background(), typ, p)
}

func (e *ourEnd) sendParts(typ ws.MessageType, parts [][]byte) error {
	w, err := e.c.Writer(context.Background(), typ)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Close()
}

func (e *ourEnd) ping([]byte) error {
	_, err := e.c.Ping(context.Background())
	if err == nil {
		e.inbox <- event{kind: pong}
	}
	return err
}

func (e *ourEnd) close(code ws.StatusCode, reason string) error { return e.c.Close(code, reason) }
func (e *ourEnd) abort()                                        { e.c.CloseNow() }

func (e *ourEnd) ended(err error) {
	ev := event{kind: closed, err: err, code: ws.CloseStatus(err)}
	var ce *ws.CloseError
	if errors.As(err, &ce) {
		ev.text = ce.Reason
	}
	e.inbox <- ev
}

// Opened, Message and Closed make it a Handler.
func (e *ourEnd) Opened(*ws.Conn) {}
func (e *ourEnd) Message(_ *ws.Conn, typ ws.MessageType, p []byte) {
	e.inbox <- messageEvent(typ, p)
}
func (e *ourEnd) Closed(_ *ws.Conn, err error) { e.ended(err) }

// The ways to read from a Conn. Each returns when the connection has ended, but
// attach, which returns at once.
var readers = map[string]func(*ourEnd){
	"Read": func(e *ourEnd) {
		for {
			typ, p, err := e.c.Read(context.Background())
			if err != nil {
				e.ended(err)
				return
			}
			e.inbox <- messageEvent(typ, p)
		}
	},
	"Reader": func(e *ourEnd) {
		for {
			typ, r, err := e.c.Reader(context.Background())
			var p []byte
			if err == nil {
				p, err = io.ReadAll(r)
			}
			if err != nil {
				e.ended(err)
				return
			}
			e.inbox <- messageEvent(typ, p)
		}
	},
	"Messages": func(e *ourEnd) {
		for m, err := range e.c.Messages(context.Background()) {
			if err != nil {
				break
			}
			e.inbox <- messageEvent(m.Type, m.Data)
		}
		e.ended(context.Cause(e.c.Context()))
	},
	"Attach": func(e *ourEnd) {
		if err := e.c.Attach(e); err != nil {
			e.ended(err)
		}
	},
}

func newOurEnd(c *ws.Conn) *ourEnd { return &ourEnd{inbox: newInbox(), c: c} }

func connOptions(z compression) ws.ConnOptions {
	return ws.ConnOptions{MaxMessage: 32 << 20, Compression: z.options()}
}

// door is a way into a server of ours.
type door struct {
	name   string
	secure bool
	listen func(t testing.TB, o ws.ConnOptions) (url string, ends <-chan end)
}

// doors are all the ways into a server of ours. Each reads in a way of its own,
// so that those are covered too.
var doors = []door{
	{"Accept", false, acceptDoor(false, "Read")},
	{"Accept-TLS", true, acceptDoor(true, "Reader")},
	{"HTTPHandler", false, handlerDoor},
	{"Upgrade", false, upgradeDoor},
	{"Server", false, serverDoor(false)},
	{"Server-TLS", true, serverDoor(true)},
}

// acceptDoor stays in the HTTP handler.
func acceptDoor(secure bool, read string) func(testing.TB, ws.ConnOptions) (string, <-chan end) {
	return func(t testing.TB, o ws.ConnOptions) (string, <-chan end) {
		ends := make(chan end, 64)
		return listenHTTP(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := ws.Accept(w, r, &ws.AcceptOptions{ConnOptions: o})
			if err != nil {
				t.Errorf("Accept: %v", err)
				return
			}
			defer c.CloseNow()
			e := newOurEnd(c)
			ends <- e
			readers[read](e)
		})), ends
	}
}

func handlerDoor(t testing.TB, o ws.ConnOptions) (string, <-chan end) {
	ends := make(chan end, 64)
	return listenHTTP(t, false, ws.HTTPHandler(func(_ context.Context, c *ws.Conn) error {
		e := newOurEnd(c)
		ends <- e
		readers["Messages"](e)
		return nil
	}, &ws.AcceptOptions{ConnOptions: o})), ends
}

// upgradeDoor takes raw connections from a listener and attaches.
func upgradeDoor(t testing.TB, o ws.ConnOptions) (string, <-chan end) {
	ends := make(chan end, 64)
	ln := listenTCP(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				c, err := ws.Upgrade(nc, &ws.UpgradeOptions{ConnOptions: o})
				if err != nil {
					t.Errorf("Upgrade: %v", err)
					return
				}
				e := newOurEnd(c)
				ends <- e
				readers["Attach"](e)
			})
		}
	})
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { ln.Close() })
	return "ws://" + ln.Addr().String(), ends
}

func serverDoor(secure bool) func(testing.TB, ws.ConnOptions) (string, <-chan end) {
	return func(t testing.TB, o ws.ConnOptions) (string, <-chan end) {
		ends := make(chan end, 64)
		srv := &ws.Server{
			Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
				return &opening{ourEnd: newOurEnd(nil), ends: ends}, &ws.AcceptOptions{ConnOptions: o}, nil
			},
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate().cert}},
		}
		ln := listenTCP(t)
		served := make(chan error, 1)
		scheme := "ws://"
		if secure {
			scheme = "wss://"
			go func() { served <- srv.ServeTLS(ln, "", "") }()
		} else {
			go func() { served <- srv.Serve(ln) }()
		}
		t.Cleanup(func() {
			srv.Close()
			if err := <-served; err != ws.ErrServerClosed {
				t.Errorf("Serve: %v", err)
			}
		})
		return scheme + ln.Addr().String(), ends
	}
}

// opening hands an end out once its Conn is there.
type opening struct {
	*ourEnd
	ends chan<- end
}

func (o *opening) Opened(c *ws.Conn) {
	o.c = c
	o.ends <- o.ourEnd
}

func listenTCP(t testing.TB) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// dialOurs opens a connection from our client and reads it in the way named.
func dialOurs(t testing.TB, url string, o ws.ConnOptions, read string) (*ourEnd, *http.Response) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, resp, err := ws.Dial(ctx, url, &ws.DialOptions{ConnOptions: o, TLSConfig: clientTLS()})
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { c.CloseNow() })
	e := newOurEnd(c)
	if read == "Attach" {
		readers[read](e)
		return e, resp
	}
	go readers[read](e)
	return e, resp
}
