//go:build !js && !race

package ws_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

func TestUpgradeAllocates1AtMost(t *testing.T) {
	request := handshakeRequest("Sec-WebSocket-Protocol: superchat, chat", "Origin: https://app.example.com",
		"User-Agent: test", "Cookie: a=b", "Accept-Language: en")
	same := handshakeRequest("Sec-WebSocket-Protocol: superchat, chat", "Origin: http://server.example.com")
	for name, c := range map[string]struct {
		request string
		o       *ws.UpgradeOptions
	}{
		"nil": {handshakeRequest(), nil},
		"options": {same, &ws.UpgradeOptions{
			ConnOptions:  ws.ConnOptions{MaxMessage: 4096},
			Subprotocols: []string{"chat"},
			Header:       http.Header{"X-Extra": {"yes"}},
		}},
		"callbacks": {request, &ws.UpgradeOptions{
			AnyOrigin:   true,
			OnURI:       func([]byte) error { return nil },
			OnHost:      func([]byte) error { return nil },
			OnHeader:    func(_, _ []byte) error { return nil },
			Subprotocol: func(offered []byte) string { return "superchat" },
		}},
	} {
		nc := upgradeLoop(c.request)
		conns := make([]*ws.Conn, 0, 1100)
		got := testing.AllocsPerRun(1000, func() {
			nc.in.Seek(0, io.SeekStart)
			conn, err := ws.Upgrade(nc, c.o)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		})
		if name != "nil" && conns[0].Subprotocol() == "" {
			t.Errorf("%s: no subprotocol", name)
		}
		for _, conn := range conns {
			conn.CloseNow()
		}
		if got > 1 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
