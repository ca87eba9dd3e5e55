//go:build !js

package ws_test

import (
	"context"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// Between two reads a connection holds a buffer for a message that is there, and not
// for the beginning of one, however long the program takes.
func TestBufferBetweenReads(t *testing.T) {
	whole := rawFrame(true, frame.Text, make([]byte, 300))
	for _, tc := range []struct {
		name   string
		behind []byte
		holds  bool
	}{
		{"nothing", nil, false},
		{"a byte", whole[:1], false},
		{"a header", whole[:8], false},
		{"half a message", whole[:100], false},
		{"a message", whole, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			leakCheck(t)
			nc, c := server(t, "tcp", ws.ConnOptions{})
			nc.Write(append(append([]byte(nil), whole...), tc.behind...))
			for range 2 {
				if _, p, err := c.Read(context.Background()); err != nil || len(p) != 300 {
					t.Fatal(len(p), err)
				}
				if holds := ws.HoldsBuffer(c); holds != tc.holds {
					t.Errorf("it holds a buffer: %v", holds)
				}
				nc.Write(whole[len(tc.behind):]) // what is missing of the second one
				tc.holds = false
			}
		})
	}
}
