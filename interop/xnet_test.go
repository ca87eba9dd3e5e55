package interop_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/net/websocket"

	"github.com/tidewire/tidewire/ws"
)

var xnetLibrary = library{
	name:     "x/net",
	dial:     xnetDial,
	listen:   xnetListen,
	modes:    []compression{plain}, // it has no extensions
	pieces:   true,
	noPong:   true,
	noCodes:  true,
	noAborts: true,
	noAnswer: true,
}

type xnetEnd struct {
	inbox
	c *websocket.Conn
}

func xnetDial(t testing.TB, url string, _ compression) end {
	cfg, err := websocket.NewConfig(url, "http"+strings.TrimPrefix(url, "ws"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.TlsConfig = clientTLS()
	c, err := websocket.DialConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e := &xnetEnd{newInbox(), c}
	go e.run()
	return e
}

func xnetListen(t testing.TB, secure bool, _ compression) (string, <-chan end) {
	ends := make(chan end, 64)
	// A Server without a Handshake lets clients connect that send no Origin.
	return listenHTTP(t, secure, websocket.Server{Handler: func(c *websocket.Conn) {
		e := &xnetEnd{newInbox(), c}
		ends <- e
		e.run()
	}}), ends
}

// xnetRaw gives the type and the payload of each frame.
var xnetRaw = websocket.Codec{
	Marshal: func(v any) ([]byte, byte, error) {
		m := v.(xnetFrame)
		return m.p, m.typ, nil
	},
	Unmarshal: func(p []byte, typ byte, v any) error {
		*v.(*xnetFrame) = xnetFrame{typ, p}
		return nil
	},
}

type xnetFrame struct {
	typ byte
	p   []byte
}

func (e *xnetEnd) run() {
	defer e.c.Close()
	for {
		var m xnetFrame
		if err := xnetRaw.Receive(e.c, &m); err != nil {
			e.inbox <- event{kind: closed, code: ws.StatusAbnormalClosure, err: err}
			return
		}
		e.inbox <- messageEvent(ws.MessageType(m.typ), m.p)
	}
}

func (e *xnetEnd) send(typ ws.MessageType, p []byte) error {
	return xnetRaw.Send(e.c, xnetFrame{byte(typ), p})
}

// sendParts cannot send more than one frame.
func (e *xnetEnd) sendParts(typ ws.MessageType, parts [][]byte) error {
	var p []byte
	for _, part := range parts {
		p = append(p, part...)
	}
	return e.send(typ, p)
}

func (e *xnetEnd) ping(p []byte) error {
	return xnetRaw.Send(e.c, xnetFrame{websocket.PingFrame, p})
}

// close sends 1000 and closes the stream. run does the same when the stream
// ends, and whoever is second gets an error.
func (e *xnetEnd) close(code ws.StatusCode, _ string) error {
	if code != ws.StatusNormalClosure {
		return errors.New("x/net sends 1000 only")
	}
	_ = e.c.Close()
	return nil
}

// abort cannot reach the stream; a deadline in the past makes Close fail to
// write its close frame.
func (e *xnetEnd) abort() {
	_ = e.c.SetWriteDeadline(past)
	e.c.Close()
}
