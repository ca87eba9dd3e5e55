package frame_test

import (
	"testing"

	"github.com/tidewire/tidewire/ws/frame"
)

func TestOpcode(t *testing.T) {
	known := map[frame.Opcode]string{
		frame.Continuation: "continuation", frame.Text: "text", frame.Binary: "binary",
		frame.Close: "close", frame.Ping: "ping", frame.Pong: "pong",
	}
	values := map[frame.Opcode]int{
		frame.Continuation: 0, frame.Text: 1, frame.Binary: 2, frame.Close: 8, frame.Ping: 9, frame.Pong: 10,
	}
	for i := range 16 {
		op := frame.Opcode(i)
		name, ok := known[op]
		if !ok {
			name = "reserved opcode"
		} else if values[op] != i {
			t.Errorf("%s is %d", op, i)
		}
		if op.String() != name || op.IsReserved() == ok || op.IsControl() != (i >= 8) || op.IsData() != (ok && i < 8) {
			t.Errorf("opcode %d: %s, reserved %v, control %v, data %v", i, op, op.IsReserved(), op.IsControl(), op.IsData())
		}
	}
}
