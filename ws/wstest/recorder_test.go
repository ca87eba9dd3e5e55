package wstest_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestRecorder(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	wire := frame.Append(nil, frame.Header{Opcode: frame.Text, Masked: true, Key: key, Length: 5}, []byte("hello"))
	wire = frame.Append(wire, frame.Header{Fin: true, Length: 0}, nil)
	var r wstest.Recorder
	for i := range wire { // byte by byte, never more frames than are whole
		r.Tap(wire[i : i+1])
		want := 0
		if i >= len(wire)-3 {
			want = 1
		}
		if i == len(wire)-1 {
			want = 2
		}
		if frames, err := r.Frames(); len(frames) != want || err != nil {
			t.Fatalf("after %d bytes: %d frames, %v, want %d", i+1, len(frames), err, want)
		}
	}
	frames, _ := r.Frames()
	if f := frames[0]; f.Opcode != frame.Text || f.Fin || string(f.Payload) != "hello" {
		t.Errorf("first frame %+v", f)
	}
	if f := frames[1]; f.Opcode != frame.Continuation || !f.Fin || len(f.Payload) != 0 {
		t.Errorf("second frame %+v", f)
	}
	if !bytes.Equal(r.Bytes(), wire) {
		t.Errorf("bytes % x, want % x", r.Bytes(), wire)
	}

	// What is no frame is named; what came before it is there.
	r.Tap([]byte{0x82, 0x7e, 0x00, 0x01, 'x'})
	frames, err := r.Frames()
	if fe := (*frame.Error)(nil); !errors.As(err, &fe) || len(frames) != 2 {
		t.Errorf("a length that is not minimal: %d frames, %v", len(frames), err)
	}
	r.Reset()
	if frames, err := r.Frames(); len(frames) != 0 || err != nil || len(r.Bytes()) != 0 {
		t.Errorf("after Reset: %v, %v", frames, err)
	}
}

func TestRecorderIsBounded(t *testing.T) {
	one := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Binary, Length: 8}, make([]byte, 8))
	r := wstest.Recorder{Limit: 25}
	for range 100 {
		r.Tap(one)
	}
	if frames, err := r.Frames(); len(frames) != 2 || err != wstest.ErrLimit {
		t.Errorf("%d frames, %v", len(frames), err)
	}
	if n := len(r.Bytes()); n != 25 {
		t.Errorf("kept %d bytes", n)
	}
}

func TestRecorderSkipsTheHandshake(t *testing.T) {
	for _, head := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n"} {
		var r wstest.Recorder
		r.Tap([]byte(head[:len(head)-1]))
		if frames, err := r.Frames(); len(frames) != 0 || err != nil {
			t.Errorf("half a handshake: %d frames, %v", len(frames), err)
		}
		r.Tap([]byte(head[len(head)-1:]))
		r.Tap(frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Ping, Length: 2}, []byte("hi")))
		frames, err := r.Frames()
		if len(frames) != 1 || err != nil || frames[0].Opcode != frame.Ping {
			t.Errorf("behind %q: %v, %v", head, frames, err)
		}
	}
}
