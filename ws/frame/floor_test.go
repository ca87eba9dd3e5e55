package frame_test

import (
	"testing"

	"github.com/tidewire/tidewire/ws/frame"
)

// BenchmarkFloor is what a server cannot do without to read and write a message of
// 125 bytes: its header parsed and checked, its payload unmasked into memory of its
// own, and the answer's frame made. ws.BenchmarkReadWrite is to be compared with it:
// what that takes more is the connection.
func BenchmarkFloor(b *testing.B) {
	payload := make([]byte, 125)
	wire := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: [4]byte{1, 2, 3, 4}}, payload)
	in, out := make([]byte, 16<<10), make([]byte, 0, 4<<10)
	dst := make([]byte, 1024)
	var s frame.State
	b.SetBytes(125)
	b.ReportAllocs()
	for b.Loop() {
		m := copy(in, wire) // the stream's part
		var h frame.Header
		n, err := s.Next(&h, in[:m])
		if err != nil || n == 0 {
			b.Fatal(n, err)
		}
		p := dst[:h.Length]
		frame.MaskCopy(p, in[n:m], h.Key, 0)
		out = frame.AppendMessage(out[:0], h.Opcode, p)
	}
}
