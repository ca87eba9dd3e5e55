package servers

import (
	"bytes"
	"testing"

	"github.com/tidewire/tidewire/ws/frame"
)

// Frames come out as a server sends them, wherever the stream is cut and into whatever they are read.
func TestPartial(t *testing.T) {
	var in, want []byte
	for i, size := range []int{0, 1, 125, 126, 5000, 3, 70_000, 125, 65_535, 65_536, 20} {
		payload := bytes.Repeat([]byte{byte(i + 1)}, size)
		h := frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: [4]byte{1, 2, 3, byte(i)}, Length: int64(size)}
		in = frame.Append(in, h, payload)
		want = frame.Append(want, frame.Header{Fin: true, Opcode: frame.Binary, Length: int64(size)}, payload)
	}
	shared := make([]byte, floorBuffer)
	for _, most := range []int{1, 2, 3, 7, 100, 131, 4096, 65_536, 1 << 20} {
		var p partial
		var got []byte
		for left := in; len(left) > 0; {
			into := p.into(shared)
			n := copy(into[:min(most, len(into))], left)
			if n == 0 {
				t.Fatalf("at most %d: there is no room", most)
			}
			left = left[n:]
			out := p.take(shared, n)
			if out.closed {
				t.Fatal("nobody closed")
			}
			got = append(got, out.out...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("at most %d at once: %d bytes, want %d", most, len(got), len(want))
		}
		if len(p.rest()) != 0 {
			t.Errorf("at most %d at once: %d bytes are left", most, len(p.rest()))
		}
	}
}

func (p *partial) rest() []byte { return p.b[:min(p.n, len(p.b))] }

func TestShake(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for i := range request {
		if shake([]byte(request[:i])) != nil {
			t.Fatalf("%d bytes are answered", i)
		}
	}
	if answer := shake([]byte(request)); !bytes.Contains(answer, []byte("Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")) {
		t.Errorf("%q", answer)
	}
	for _, bad := range []string{"\r\n\r\n", "Sec-WebSocket-Key: short\r\n\r\n"} {
		if shake([]byte(bad)) != nil {
			t.Errorf("%q is answered", bad)
		}
	}
}

func TestHub(t *testing.T) {
	var h hub[int]
	for i := range 5 {
		h.join(i)
	}
	h.leave(1)
	h.leave(4)
	h.leave(4)
	sum := 0
	h.each(func(i int) { sum += i })
	if sum != 0+2+3 || len(h.all) != 3 {
		t.Errorf("%v", h.all)
	}
}
