package interop_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"github.com/tidewire/tidewire/ws"
)

var coderLibrary = library{
	name:   "coder",
	dial:   coderDial,
	listen: coderListen,
	modes:  []compression{plain, noContext, takeover},
}

func coderMode(z compression) websocket.CompressionMode {
	switch z {
	case noContext:
		return websocket.CompressionNoContextTakeover
	case takeover:
		return websocket.CompressionContextTakeover
	}
	return websocket.CompressionDisabled
}

type coderEnd struct {
	inbox
	c       *websocket.Conn
	closing atomic.Bool
	answer  chan ws.StatusCode // what close was answered
}

func newCoderEnd(c *websocket.Conn) *coderEnd {
	return &coderEnd{inbox: newInbox(), c: c, answer: make(chan ws.StatusCode, 1)}
}

func coderDial(t testing.TB, url string, z compression) end {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tr := &http.Transport{TLSClientConfig: clientTLS()}
	t.Cleanup(tr.CloseIdleConnections)
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: tr}, CompressionMode: coderMode(z),
	})
	if err != nil {
		t.Fatal(err)
	}
	e := newCoderEnd(c)
	go e.run()
	return e
}

func coderListen(t testing.TB, secure bool, z compression) (string, <-chan end) {
	ends := make(chan end, 64)
	return listenHTTP(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: coderMode(z)})
		if err != nil {
			t.Error(err)
			return
		}
		e := newCoderEnd(c)
		ends <- e
		e.run()
	})), ends
}

func (e *coderEnd) run() {
	defer e.c.CloseNow()
	e.c.SetReadLimit(-1)
	for {
		typ, p, err := e.c.Read(context.Background())
		if err != nil {
			ev := event{kind: closed, code: ws.StatusAbnormalClosure, err: err}
			if ce := (websocket.CloseError{}); errors.As(err, &ce) {
				ev.code, ev.text = ws.StatusCode(ce.Code), ce.Reason
			} else if e.closing.Load() {
				ev.code = <-e.answer
			}
			e.inbox <- ev
			return
		}
		e.inbox <- messageEvent(ws.MessageType(typ), p)
	}
}

func (e *coderEnd) send(typ ws.MessageType, p []byte) error {
	return e.c.Write(context.Background(), websocket.MessageType(typ), p)
}

func (e *coderEnd) sendParts(typ ws.MessageType, parts [][]byte) error {
	w, err := e.c.Writer(context.Background(), websocket.MessageType(typ))
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

// ping chooses the payload itself, and takes the pong itself.
func (e *coderEnd) ping(p []byte) error {
	err := e.c.Ping(context.Background())
	if err == nil {
		e.inbox <- event{kind: pong, text: string(p)}
	}
	return err
}

// close also waits for the answer. Either it or run's Read gets that, and the
// other one gets an error.
func (e *coderEnd) close(code ws.StatusCode, reason string) error {
	e.closing.Store(true)
	if err := e.c.Close(websocket.StatusCode(code), reason); err == nil {
		e.answer <- code
	} else {
		e.answer <- ws.StatusAbnormalClosure
	}
	return nil
}

func (e *coderEnd) abort() { e.c.CloseNow() }
