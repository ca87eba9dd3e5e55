//go:build !js

package websocket_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tidewire/tidewire/compat/websocket"
)

// A program written for gorilla, whole and unchanged but for its import.
func Example() {
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			messageType, p, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if err := conn.WriteMessage(messageType, p); err != nil {
				return
			}
		}
	}))
	defer server.Close()

	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	conn.WriteMessage(websocket.TextMessage, []byte("hello"))
	_, p, err := conn.ReadMessage()
	fmt.Println(string(p), err)
	conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	_, _, err = conn.ReadMessage()
	fmt.Println(err)
	// Output:
	// hello <nil>
	// websocket: close 1000 (normal)
}
