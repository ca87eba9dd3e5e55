package servers

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/ws/frame"
)

// The floors trust their peers: nothing is checked. Each is one way to get bytes from the kernel and back, with as
// little around it as there can be.

// floorBuffer is what the floors read into.
const floorBuffer = 64 << 10

var floorBuffers = sync.Pool{New: func() any {
	b := make([]byte, floorBuffer)
	return &b
}}

// shake answers a request that is complete, or returns nil.
func shake(request []byte) []byte {
	if !bytes.HasSuffix(request, []byte("\r\n\r\n")) {
		return nil
	}
	const name = "Sec-WebSocket-Key: "
	i := bytes.Index(request, []byte(name))
	if i < 0 || len(request) < i+len(name)+24 {
		return nil
	}
	var b [60]byte
	key := append(append(b[:0], request[i+len(name):][:24]...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...)
	sum := sha1.Sum(key)
	answer := append(make([]byte, 0, 160), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	return append(base64.StdEncoding.AppendEncode(answer, sum[:]), "\r\n\r\n"...)
}

// turned is what became of a client's frames.
type turned struct {
	out    []byte // the same frames as a server sends them; a part of the input
	rest   []byte // the frame that is incomplete
	need   int    // its whole length, as far as it is known
	closed bool   // a close frame was among them
}

// turn makes frames of a client into frames of a server, in place.
func turn(b []byte) (t turned) {
	begin, end := -1, 0
	for {
		if t.rest = b; len(b) < 2 {
			t.need = 14
			break
		}
		n, head := int(b[1]&0x7f), 2
		switch n {
		case 126:
			if head = 4; len(b) < head {
				t.need = 14
				break
			}
			n = int(binary.BigEndian.Uint16(b[2:]))
		case 127:
			if head = 10; len(b) < head {
				t.need = 14
				break
			}
			n = int(binary.BigEndian.Uint64(b[2:]))
		}
		if t.need == 14 {
			break
		}
		if t.need = head + 4 + n; len(b) < t.need {
			break
		}
		key, p := [4]byte(b[head:head+4]), b[head+4:t.need]
		b[1] &= 0x7f
		t.closed = t.closed || b[0] == 0x88
		if begin < 0 {
			// The header moves up to the payload, which stays.
			copy(b[4:], b[:head])
			frame.Mask(p, key, 0)
			begin, end = 4, t.need
			t.out = b[begin:end]
		} else {
			// t.out's room goes up to here.
			t.out = append(append(t.out, b[:head]...), p...)
			frame.Mask(t.out[len(t.out)-n:], key, 0)
		}
		b, t.need = b[t.need:], 0
	}
	if len(t.rest) == 0 {
		t.need = 0
	}
	return t
}

// partial keeps a frame that has not come whole.
type partial struct {
	b    []byte // of this connection alone; nil while it needs none
	n    int    // bytes there
	need int    // bytes of the whole frame
}

// kept is from which size on a connection keeps its buffer: the next message will be large, too.
const kept = 4 << 10

// into is where to read next: behind the part of a frame, or into the buffer that all share.
func (p *partial) into(shared []byte) []byte {
	if p.b == nil {
		return shared
	}
	return p.b[p.n:]
}

// take makes frames out of n bytes that were read to where into said.
func (p *partial) take(shared []byte, n int) turned {
	b := shared
	if p.b != nil {
		b = p.b
	}
	p.n += n
	if p.n < p.need {
		return turned{}
	}
	t := turn(b[:p.n])
	p.n, p.need = len(t.rest), t.need
	switch {
	case p.n == 0:
		if len(p.b) < kept {
			p.b = nil
		}
	case p.b == nil || len(t.out) > 0 || len(p.b) < t.need:
		p.b = make([]byte, max(t.need, len(p.b)))
		copy(p.b, t.rest)
	}
	return t
}

// floors are the servers that do less than any library may.
var floors = slices.Concat([]Server{floorConn}, floorsUnix, floorsLinux)
