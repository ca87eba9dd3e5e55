package talk

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws/frame"
)

// Tracer tells of the handshake and of each frame that passes on a connection,
// in the order in which they were seen.
type Tracer struct {
	// Tell is given a line.
	Tell func(line string)

	// Secrets shows the values of header fields that hold secrets, such as Authorization.
	Secrets bool

	once  sync.Once
	begun time.Time
}

// Client traces a stream that a handshake is to be sent on.
func (t *Tracer) Client(nc net.Conn) net.Conn { return t.trace(nc, true) }

func (t *Tracer) trace(nc net.Conn, handshake bool) net.Conn {
	x := &traced{Conn: nc, tracer: t}
	x.in = direction{mark: "<", heading: handshake}
	x.out = direction{mark: ">", heading: handshake}
	return x
}

// clock is how long the tracer has been at work.
func (t *Tracer) clock() string {
	t.once.Do(func() { t.begun = time.Now() })
	d := time.Since(t.begun)
	return fmt.Sprintf("%02d:%06.3f", int(d/time.Minute), (d % time.Minute).Seconds())
}

// traced is a stream that tells of what passes, and changes nothing.
type traced struct {
	net.Conn
	tracer  *Tracer
	mu      sync.Mutex // guards what follows
	in, out direction
}

func (x *traced) Read(p []byte) (int, error) {
	n, err := x.Conn.Read(p)
	x.see(&x.in, p[:n])
	return n, err
}

// Write tells of frames before they leave, so that no answer is told of before.
func (x *traced) Write(p []byte) (int, error) {
	x.see(&x.out, p)
	return x.Conn.Write(p)
}

func (x *traced) see(d *direction, p []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	d.see(x.tracer, p)
}

// silence has nothing more told.
func (x *traced) silence() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.in.lost, x.out.lost = true, true
}

// CloseWrite ends one half, where the stream can: a connection does that before it goes.
func (x *traced) CloseWrite() error {
	if half, ok := x.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// direction is what passes one way: the head of a handshake, and frames.
type direction struct {
	mark    string
	heading bool // the head is not over
	head    []byte
	refusal bool // what follows the head is a body
	scanner frame.Scanner
	lost    bool
}

// maxHead bounds the head that is kept until it is whole. ws bounds it, too.
const maxHead = 64 << 10

func (d *direction) see(t *Tracer, p []byte) {
	if d.heading {
		d.head = append(d.head, p...)
		end := bytes.Index(d.head, []byte("\r\n\r\n"))
		if end < 0 {
			if len(d.head) > maxHead {
				d.heading, d.refusal, d.head = false, true, nil
			}
			return
		}
		head := string(d.head[:end])
		p = bytes.Clone(d.head[end+4:])
		d.head = nil
		status := strings.HasPrefix(head, "HTTP/")
		informational := status && strings.HasPrefix(head, "HTTP/1.1 1") && !strings.HasPrefix(head, "HTTP/1.1 101")
		d.heading = informational
		d.refusal = status && !informational && !strings.HasPrefix(head, "HTTP/1.1 101")
		for line := range strings.SplitSeq(head, "\r\n") {
			t.Tell(fmt.Sprintf("%s %s %s", d.mark, t.clock(), t.field(line)))
		}
		if d.heading {
			d.see(t, p)
			return
		}
	}
	if d.refusal || d.lost || len(p) == 0 {
		return
	}
	err := d.scanner.Scan(p, func(h frame.Header, raw []byte) {
		t.Tell(fmt.Sprintf("%s %s %s", d.mark, t.clock(), describe(h, len(raw))))
	})
	if err != nil {
		d.lost = true
		t.Tell(fmt.Sprintf("%s %s no frame: %v", d.mark, t.clock(), err))
	}
}

// masked are the header fields whose values are secrets.
var masked = []string{"Authorization", "Cookie", "Proxy-Authorization", "Set-Cookie"}

func isMasked(name string) bool {
	return slices.Contains(masked, http.CanonicalHeaderKey(name))
}

// field is a line of a head, without what is secret in it.
func (t *Tracer) field(line string) string {
	if t.Secrets {
		return line
	}
	if name, _, ok := strings.Cut(line, ":"); ok && isMasked(name) {
		return name + ": xxxxx (--show-secrets)"
	}
	if parts := strings.Split(line, " "); len(parts) == 3 && strings.HasPrefix(parts[2], "HTTP/") { // a request
		parts[1] = withoutSecrets(parts[1])
		return strings.Join(parts, " ")
	}
	return line
}

// describe is a frame's header in words.
func describe(h frame.Header, header int) string {
	var b strings.Builder
	b.WriteString(h.Opcode.String())
	if h.Fin {
		b.WriteString(" FIN")
	}
	for _, bit := range []struct {
		of   byte
		name string
	}{{frame.RSV1, " RSV1"}, {frame.RSV2, " RSV2"}, {frame.RSV3, " RSV3"}} {
		if h.RSV&bit.of != 0 {
			b.WriteString(bit.name)
		}
	}
	if h.Masked {
		fmt.Fprintf(&b, " mask=%x", h.Key)
	}
	fmt.Fprintf(&b, " len=%d (+%d header bytes)", h.Length, header)
	return b.String()
}

// request tells of a handshake that was read by package http.
func (t *Tracer) request(r *http.Request) {
	fields := r.Header.Clone()
	fields.Set("Host", r.Host)
	t.head("<", fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, r.Proto), fields)
}

// head tells of a head that package http reads or writes.
func (t *Tracer) head(mark, first string, fields http.Header) {
	lines := []string{first}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for _, value := range fields[name] {
			lines = append(lines, name+": "+value)
		}
	}
	for _, line := range lines {
		t.Tell(fmt.Sprintf("%s %s %s", mark, t.clock(), t.field(line)))
	}
}
