package interop_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tidewire/tidewire/ws"
)

var gorillaLibrary = library{
	name:   "gorilla",
	dial:   gorillaDial,
	listen: gorillaListen,
	modes:  []compression{plain, noContext}, // it has no takeover
}

// gorillaBuffer is small, because a message of several frames is cut where the
// buffer is full.
const gorillaBuffer = 4096

type gorillaEnd struct {
	inbox
	c *websocket.Conn
}

func gorillaDial(t testing.TB, url string, z compression) end {
	d := websocket.Dialer{TLSClientConfig: clientTLS(), EnableCompression: z != plain, WriteBufferSize: gorillaBuffer}
	c, _, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &gorillaEnd{newInbox(), c}
	go e.run()
	return e
}

func gorillaListen(t testing.TB, secure bool, z compression) (string, <-chan end) {
	ends := make(chan end, 64)
	u := websocket.Upgrader{EnableCompression: z != plain, WriteBufferSize: gorillaBuffer}
	return listenHTTP(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		e := &gorillaEnd{newInbox(), c}
		ends <- e
		e.run()
	})), ends
}

func (e *gorillaEnd) run() {
	defer e.c.Close()
	e.c.SetPongHandler(func(s string) error {
		e.inbox <- event{kind: pong, text: s}
		return nil
	})
	for {
		typ, p, err := e.c.ReadMessage()
		if err != nil {
			ev := event{kind: closed, code: ws.StatusAbnormalClosure, err: err}
			if ce := (*websocket.CloseError)(nil); errors.As(err, &ce) {
				ev.code, ev.text = ws.StatusCode(ce.Code), ce.Text
			}
			e.inbox <- ev
			return
		}
		e.inbox <- messageEvent(ws.MessageType(typ), p)
	}
}

func (e *gorillaEnd) send(typ ws.MessageType, p []byte) error {
	return e.c.WriteMessage(int(typ), p)
}

func (e *gorillaEnd) sendParts(typ ws.MessageType, parts [][]byte) error {
	w, err := e.c.NextWriter(int(typ))
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

func (e *gorillaEnd) ping(p []byte) error {
	return e.c.WriteControl(websocket.PingMessage, p, time.Now().Add(patience))
}

func (e *gorillaEnd) close(code ws.StatusCode, reason string) error {
	return e.c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(code), reason), time.Now().Add(patience))
}

func (e *gorillaEnd) abort() { e.c.NetConn().Close() }
