//go:build !js

package ws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestJSONCodecAsTheTutorialUsesIt(t *testing.T) {
	type message struct {
		Message string `json:"message"`
	}
	client, srv := pair(t, "tcp", ws.ConnOptions{})
	ctx := testContext(t)
	go func() {
		var m message
		if err := ws.JSON.Receive(ctx, srv, &m); err != nil {
			return
		}
		ws.JSON.Send(ctx, srv, message{"Thanks for: " + m.Message})
	}()
	if err := ws.JSON.Send(ctx, client, message{"hello server!"}); err != nil {
		t.Fatal(err)
	}
	typ, p := mustRead(t, client)
	if typ != ws.Text || string(p) != `{"message":"Thanks for: hello server!"}` {
		t.Errorf("got %s %s", typ, p)
	}
}

// {type, data} where data is a string that holds JSON, as the tutorial advises.
func TestTypedEnvelopeWithJSONInAString(t *testing.T) {
	type envelope struct {
		Type string `json:"type"`
		Data string `json:"data"`
	}
	client, srv := pair(t, "memory", ws.ConnOptions{})
	ctx := testContext(t)
	inner, _ := json.Marshal(map[string]any{"x": 1, "quote": "\"\\\u2028"})
	go ws.JSON.Send(ctx, client, envelope{"move", string(inner)})
	var got envelope
	if err := ws.JSON.Receive(ctx, srv, &got); err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal([]byte(got.Data), &back); err != nil || got.Type != "move" || back["quote"] != "\"\\\u2028" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPlainCodec(t *testing.T) {
	client, srv := pair(t, "memory", ws.ConnOptions{})
	ctx := testContext(t)
	go func() {
		ws.Plain.Send(ctx, client, "text")
		ws.Plain.Send(ctx, client, []byte{1, 2, 3})
	}()
	var s string
	if err := ws.Plain.Receive(ctx, srv, &s); err != nil || s != "text" {
		t.Errorf("%q, %v", s, err)
	}
	var b []byte
	if err := ws.Plain.Receive(ctx, srv, &b); err != nil || string(b) != "\x01\x02\x03" {
		t.Errorf("%x, %v", b, err)
	}
	if err := ws.Plain.Send(ctx, client, 7); err == nil {
		t.Error("Plain sent an int")
	}
	go ws.Plain.Send(ctx, client, "x")
	if err := ws.Plain.Receive(ctx, srv, new(int)); err == nil {
		t.Error("Plain received an int")
	}
}

func TestCodecErrorLeavesTheConnection(t *testing.T) {
	client, srv := pair(t, "memory", ws.ConnOptions{})
	ctx := testContext(t)
	go func() {
		client.Write(ctx, ws.Text, []byte("{broken"))
		client.Write(ctx, ws.Text, []byte("7"))
	}()
	var n int
	var syntax *json.SyntaxError
	if err := ws.JSON.Receive(ctx, srv, &n); !errors.As(err, &syntax) {
		t.Errorf("broken JSON: %v", err)
	}
	if err := ws.JSON.Receive(ctx, srv, &n); err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
	if err := ws.JSON.Send(ctx, srv, func() {}); err == nil {
		t.Error("JSON sent a func")
	}
}

func ExampleCodec() {
	upper := ws.Codec{
		Marshal: func(v any) (ws.MessageType, []byte, error) {
			return ws.Text, fmt.Appendf(nil, "<%v>", v), nil
		},
		Unmarshal: func(_ ws.MessageType, p []byte, v any) error {
			_, err := fmt.Sscanf(string(p), "<%d>", v)
			return err
		},
	}
	a, b := wstest.Pipe()
	client, srv := ws.NewConn(a, ws.Params{Client: true}), ws.NewConn(b, ws.Params{})
	defer client.CloseNow()
	defer srv.CloseNow()

	ctx := context.Background()
	go upper.Send(ctx, client, 42)
	var n int
	err := upper.Receive(ctx, srv, &n)
	fmt.Println(n, err)
	// Output: 42 <nil>
}
