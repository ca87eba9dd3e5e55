//go:build !js

package websocket_test

import (
	"io"
	"testing"
	"testing/iotest"

	"github.com/tidewire/tidewire/compat/websocket"
)

func TestJoinMessages(t *testing.T) {
	for term, want := range map[string]string{"": "onetwothree", "--": "one--two----three--"} {
		client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
		for _, p := range []string{"one", "two", "", "three"} {
			mustWrite(t, client, websocket.TextMessage, []byte(p))
		}
		mustWrite(t, client, websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""))
		got, err := io.ReadAll(iotest.OneByteReader(websocket.JoinMessages(server, term)))
		if string(got) != want || !websocket.IsCloseError(err, 1000) {
			t.Fatalf("term %q: %q, %v; want %q", term, got, err, want)
		}
	}
}
