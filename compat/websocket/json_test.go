//go:build !js

package websocket_test

import (
	"io"
	"testing"

	"github.com/tidewire/tidewire/compat/websocket"
)

func TestJSON(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	type note struct {
		Type string `json:"type"`
		Data string `json:"data"`
	}
	sent := note{"chat", `{"text":"<hello>"}`}
	if err := client.WriteJSON(sent); err != nil {
		t.Fatal(err)
	}
	mustRead(t, server, websocket.TextMessage, []byte(`{"type":"chat","data":"{\"text\":\"\u003chello\u003e\"}"}`+"\n"))
	if err := websocket.WriteJSON(server, sent); err != nil {
		t.Fatal(err)
	}
	var got note
	if err := websocket.ReadJSON(client, &got); err != nil || got != sent {
		t.Fatalf("ReadJSON: %+v, %v", got, err)
	}
	if err := client.WriteJSON(make(chan int)); err == nil {
		t.Fatal("WriteJSON encoded a channel")
	}
	mustWrite(t, client, websocket.TextMessage, nil)
	if err := server.ReadJSON(&got); err != io.ErrUnexpectedEOF {
		t.Fatalf("ReadJSON of an empty message: %v", err)
	}
	mustWrite(t, client, websocket.TextMessage, []byte("{"))
	if err := server.ReadJSON(&got); err == nil {
		t.Fatal("ReadJSON took half an object")
	}
	mustWrite(t, client, websocket.BinaryMessage, []byte(`{"type":"first"} {"type":"second"}`))
	mustWrite(t, client, websocket.TextMessage, []byte(`{"type":"next"}`))
	for _, want := range []string{"first", "next"} {
		if err := server.ReadJSON(&got); err != nil || got.Type != want {
			t.Fatalf("ReadJSON: %+v, %v; want %s", got, err, want)
		}
	}
	client.Close()
	if err := server.ReadJSON(&got); !websocket.IsCloseError(err, websocket.CloseAbnormalClosure) {
		t.Fatalf("ReadJSON at the end: %v", err)
	}
}
