package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestRun(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out); err != nil {
		t.Fatal(err)
	}
	const want = "tide: 2.5 over 3 readings\nwind: 8 over 1 readings\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestCBORIsSmall(t *testing.T) {
	r := Reading{Sensor: "tide", Values: []float32{1.5, 2.5}, Raw: bytes.Repeat([]byte{0xff}, 100)}
	typ, p, err := CBOR.Marshal(r)
	if err != nil || typ != ws.Binary {
		t.Fatal(typ, err)
	}
	j, err := json.Marshal(r)
	if err != nil || len(p) >= len(j)*3/4 {
		t.Errorf("%d bytes of CBOR, %d of JSON, %v", len(p), len(j), err)
	}
}

// What is no CBOR is refused with a close code, and a bad message costs no more
// than that.
func TestBadMessages(t *testing.T) {
	deep := strings.Repeat("\x81", 1000) + "\x00"
	for name, message := range map[string]struct {
		typ ws.MessageType
		p   string
	}{
		"text":            {ws.Text, "{}"},
		"cut short":       {ws.Binary, "\xa1\x01\x64ti"},
		"duplicate key":   {ws.Binary, "\xa2\x01\x61a\x01\x61b"},
		"too deep":        {ws.Binary, deep},
		"too many values": {ws.Binary, "\xa1\x02\x9a\x00\xff\xff\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := wstest.Pair(t, nil)
			done := make(chan error, 1)
			go func() { done <- average(t.Context(), server) }()
			if err := client.Write(t.Context(), message.typ, []byte(message.p)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := client.Read(t.Context()); ws.CloseStatus(err) != ws.StatusUnsupportedData {
				t.Errorf("%v, want 1003", err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
