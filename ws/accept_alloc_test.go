//go:build !js && !race

package ws_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

func TestAcceptAllocates8AtMost(t *testing.T) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(handshakeRequest(
		"Sec-WebSocket-Protocol: chat", "Origin: http://server.example.com"))))
	if err != nil {
		t.Fatal(err)
	}
	w := &hijackable{header: http.Header{}, nc: &recorded{}}
	const constant = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
	floor := testing.AllocsPerRun(1000, func() {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, constant)
	})
	o := &ws.AcceptOptions{
		ConnOptions:  ws.ConnOptions{MaxMessage: 4096},
		Subprotocols: []string{"chat"},
		Header:       http.Header{"X-Extra": {"yes"}},
	}
	conns := make([]*ws.Conn, 0, 1100)
	got := testing.AllocsPerRun(1000, func() {
		c, err := ws.Accept(w, r, o)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	})
	for _, c := range conns {
		c.CloseNow()
	}
	t.Logf("%v allocations above a floor of %v", got-floor, floor)
	if got > floor+8 {
		t.Errorf("%v allocations, %v above a handler that hijacks and writes a constant", got, got-floor)
	}
}
