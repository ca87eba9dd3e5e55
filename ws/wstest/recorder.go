package wstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tidewire/tidewire/ws/frame"
)

// Recorder keeps what one end of a pipe writes, as bytes and as frames. Its Tap
// goes into PipeOptions.Tap. The zero value is ready; its methods may be called
// from any goroutine.
type Recorder struct {
	// Limit is how many bytes are kept; what comes later is not. It must be set
	// before use. 0 means 1 MiB.
	Limit int

	mu   sync.Mutex
	sent []byte
	lost int64
}

// Frame is a frame as it was sent, its payload unmasked.
type Frame struct {
	frame.Header
	Payload []byte
}

// ErrLimit is returned by Recorder.Frames when Recorder.Limit was too small for
// what was sent.
var ErrLimit = errors.New("wstest: more was sent than Recorder.Limit allows")

// Tap keeps p. It is a PipeOptions.Tap.
func (r *Recorder) Tap(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := r.Limit
	if limit <= 0 {
		limit = 1 << 20
	}
	k := max(0, min(len(p), limit-len(r.sent)))
	r.sent = append(r.sent, p[:k]...)
	r.lost += int64(len(p) - k)
}

// Bytes returns a copy of what was sent so far, up to Limit.
func (r *Recorder) Bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.sent)
}

// Reset forgets what was sent so far.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent, r.lost = nil, 0
}

// Frames returns the frames sent so far. A last frame that is not whole yet is
// left out. The error, if there is one, is ErrLimit or wraps a *frame.Error; the
// frames before it are returned too. An HTTP handshake in front of the first
// frame is skipped.
func (r *Recorder) Frames() ([]Frame, error) {
	r.mu.Lock()
	sent, lost := bytes.Clone(r.sent), r.lost
	r.mu.Unlock()
	var frames []Frame
	src := bytes.NewReader(sent[handshake(sent):])
	scratch := make([]byte, frame.MaxHeaderSize)
	for {
		at := len(sent) - src.Len()
		h, err := frame.ReadHeader(src, scratch)
		if err == nil && h.Length > int64(src.Len()) {
			err = io.EOF
		}
		var p []byte
		if err == nil {
			p, err = frame.ReadPayload(src, h, nil, h.Length)
		}
		switch {
		case err == nil:
			frames = append(frames, Frame{h, p})
		case lost > 0:
			return frames, ErrLimit
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return frames, nil
		default:
			return frames, fmt.Errorf("wstest: frame %d, at byte %d: %w", len(frames), at, err)
		}
	}
}

// handshake is the length of the HTTP head that sent begins with, or 0. No frame
// begins as these do: G and H are fragmented control frames with a reserved bit.
func handshake(sent []byte) int {
	if !bytes.HasPrefix(sent, []byte("GET ")) && !bytes.HasPrefix(sent, []byte("HTTP/1.1 ")) {
		return 0
	}
	end := []byte("\r\n\r\n")
	if i := bytes.Index(sent, end); i >= 0 {
		return i + len(end)
	}
	return len(sent)
}
