package interop_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"

	"github.com/lxzan/gws"

	"github.com/tidewire/tidewire/ws"
)

var gwsLibrary = library{
	name:     "gws",
	dial:     gwsDial,
	listen:   gwsListen,
	modes:    []compression{plain, noContext, takeover},
	mustCode: true,
	noAnswer: true,

	closeRaces:  true,
	spoilsLarge: true,
}

func gwsDeflate(z compression) gws.PermessageDeflate {
	return gws.PermessageDeflate{
		Enabled: z != plain, Threshold: 1,
		ServerContextTakeover: z == takeover, ClientContextTakeover: z == takeover,
	}
}

type gwsEnd struct {
	inbox
	c *gws.Conn
}

func gwsDial(t testing.TB, url string, z compression) end {
	e := &gwsEnd{inbox: newInbox()}
	c, _, err := gws.NewClient(e, &gws.ClientOption{
		Addr: url, TlsConfig: clientTLS(), PermessageDeflate: gwsDeflate(z),
		ReadMaxPayloadSize: 32 << 20, WriteMaxPayloadSize: 32 << 20, CheckUtf8Enabled: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	e.c = c
	go c.ReadLoop()
	return e
}

func gwsListen(t testing.TB, secure bool, z compression) (string, <-chan end) {
	ends := make(chan end, 64)
	return listenHTTP(t, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := &gwsEnd{inbox: newInbox()}
		u := gws.NewUpgrader(e, &gws.ServerOption{
			PermessageDeflate:  gwsDeflate(z),
			ReadMaxPayloadSize: 32 << 20, WriteMaxPayloadSize: 32 << 20, CheckUtf8Enabled: true,
		})
		c, err := u.Upgrade(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		e.c = c
		ends <- e
		c.ReadLoop()
	})), ends
}

func (e *gwsEnd) OnOpen(*gws.Conn) {}

func (e *gwsEnd) OnClose(_ *gws.Conn, err error) {
	ev := event{kind: closed, code: ws.StatusAbnormalClosure, err: err}
	if ce := (*gws.CloseError)(nil); errors.As(err, &ce) {
		ev.code, ev.text = ws.StatusCode(ce.Code), string(ce.Reason)
		if ce.Code == 0 {
			ev.code = ws.StatusNoStatusRcvd
		}
	}
	e.inbox <- ev
}

func (e *gwsEnd) OnPing(c *gws.Conn, p []byte) { _ = c.WritePong(p) }
func (e *gwsEnd) OnPong(_ *gws.Conn, p []byte) { e.inbox <- event{kind: pong, text: string(p)} }

func (e *gwsEnd) OnMessage(_ *gws.Conn, m *gws.Message) {
	e.inbox <- messageEvent(ws.MessageType(m.Opcode), m.Bytes())
	m.Close()
}

func (e *gwsEnd) send(typ ws.MessageType, p []byte) error {
	return e.c.WriteMessage(gws.Opcode(typ), p)
}

// sendParts cuts at 128 KiB, wherever the parts end.
func (e *gwsEnd) sendParts(typ ws.MessageType, parts [][]byte) error {
	return e.c.WriteFile(gws.Opcode(typ), bytes.NewReader(bytes.Join(parts, nil)))
}

func (e *gwsEnd) ping(p []byte) error { return e.c.WritePing(p) }

func (e *gwsEnd) close(code ws.StatusCode, reason string) error {
	return e.c.WriteClose(uint16(code), []byte(reason))
}

func (e *gwsEnd) abort() { e.c.NetConn().Close() }
