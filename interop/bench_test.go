package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
	xnet "golang.org/x/net/websocket"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// The benchmarks measure what a library itself costs the server, without a
// kernel: the stream is in memory, gives the same bytes for ever and takes
// everything. Run them with
//
//	go test -run - -bench . -count 6

// endless is a net.Conn that gives head once and then wire for ever.
type endless struct {
	head, wire []byte
	at         int
	closed     chan struct{} // Read ends with it, where it is not nil
}

func (c *endless) Read(p []byte) (int, error) {
	if c.closed != nil {
		select {
		case <-c.closed:
			return 0, io.EOF
		default:
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	if len(c.wire) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.wire[c.at:])
	if c.at += n; c.at == len(c.wire) {
		c.at = 0
	}
	return n, nil
}

func (c *endless) Write(p []byte) (int, error)      { return len(p), nil }
func (c *endless) Close() error                     { return nil }
func (c *endless) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *endless) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *endless) SetDeadline(time.Time) error      { return nil }
func (c *endless) SetReadDeadline(time.Time) error  { return nil }
func (c *endless) SetWriteDeadline(time.Time) error { return nil }

// handshake is what browsers send, without their cookies and user agent.
const handshake = "GET /socket HTTP/1.1\r\n" +
	"Host: example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Origin: http://example.com\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// hijacker is the http.ResponseWriter of an endless stream.
type hijacker struct {
	http.ResponseWriter
	c *endless
}

func (h hijacker) Header() http.Header { return http.Header{} }
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.c, bufio.NewReadWriter(bufio.NewReader(h.c), bufio.NewWriter(h.c)), nil
}

func request(b *testing.B) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(handshake)))
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// BenchmarkUpgrade: the server's handshake on a raw stream. gorilla, coder, gws
// and x/net have it behind net/http only.
func BenchmarkUpgrade(b *testing.B) {
	measure := func(name string, upgrade func(*endless) (io.Closer, error), end func(io.Closer)) {
		b.Run(name, func(b *testing.B) {
			head, c := []byte(handshake), new(endless)
			open := make([]io.Closer, 0, 1<<12)
			b.ReportAllocs()
			for b.Loop() {
				c.head = head
				conn, err := upgrade(c)
				if err != nil {
					b.Fatal(err)
				}
				if open = append(open, conn); len(open) == cap(open) {
					b.StopTimer()
					for _, conn := range open {
						end(conn)
					}
					open = open[:0]
					b.StartTimer()
				}
			}
			for _, conn := range open {
				end(conn)
			}
		})
	}
	measure("tidewire", func(c *endless) (io.Closer, error) {
		conn, err := ws.Upgrade(c, nil)
		return ours{conn}, err
	}, func(c io.Closer) { c.Close() })
	measure("gobwas", func(c *endless) (io.Closer, error) {
		_, err := gobwas.Upgrade(c)
		return c, err
	}, func(io.Closer) {})
}

// ours is a Conn that can be closed without a word.
type ours struct{ *ws.Conn }

func (o ours) Close() error { return o.CloseNow() }

// BenchmarkReadWrite: a server reads a masked message of 125 bytes into memory
// of its own where the library lets it, and writes it back, with a live context
// where the library takes one.
func BenchmarkReadWrite(b *testing.B) {
	payload := noise(125)
	wire := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: 125}, payload)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	measure := func(name string, open func(b *testing.B, c *endless) (once func() error)) {
		b.Run(name, func(b *testing.B) {
			once := open(b, &endless{wire: wire})
			b.SetBytes(125)
			b.ReportAllocs()
			for b.Loop() {
				if err := once(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	measure("tidewire", func(b *testing.B, c *endless) func() error {
		conn := ws.NewConn(c, ws.Params{})
		b.Cleanup(func() { conn.CloseNow() })
		buf := make([]byte, 0, 1024)
		return func() error {
			typ, p, err := conn.ReadInto(ctx, buf)
			if err != nil {
				return err
			}
			return conn.Write(ctx, typ, p)
		}
	})
	measure("gorilla", func(b *testing.B, c *endless) func() error {
		conn, err := new(gorilla.Upgrader).Upgrade(hijacker{c: c}, request(b), nil)
		if err != nil {
			b.Fatal(err)
		}
		buf := make([]byte, 1024)
		return func() error {
			typ, r, err := conn.NextReader()
			if err != nil {
				return err
			}
			n := 0
			for {
				m, err := r.Read(buf[n:])
				n += m
				if err == io.EOF {
					break
				}
				if err != nil {
					return err
				}
			}
			return conn.WriteMessage(typ, buf[:n])
		}
	})
	measure("gobwas", func(_ *testing.B, c *endless) func() error {
		// wsutil.ReadClientData allocates the message; this is its way without.
		r := wsutil.NewReader(c, gobwas.StateServerSide)
		buf := make([]byte, 1024)
		return func() error {
			h, err := r.NextFrame()
			if err != nil {
				return err
			}
			if _, err := io.ReadFull(r, buf[:h.Length]); err != nil {
				return err
			}
			if err := r.Discard(); err != nil {
				return err
			}
			return wsutil.WriteServerMessage(c, h.OpCode, buf[:h.Length])
		}
	})
	measure("coder", func(b *testing.B, c *endless) func() error {
		conn, err := coder.Accept(discardHeader{hijacker{c: c}}, request(b), nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.CloseNow() })
		buf := make([]byte, 1024)
		return func() error {
			typ, r, err := conn.Reader(ctx)
			if err != nil {
				return err
			}
			n := 0
			for {
				m, err := r.Read(buf[n:])
				n += m
				if err == io.EOF {
					break
				}
				if err != nil {
					return err
				}
			}
			return conn.Write(ctx, typ, buf[:n])
		}
	})
	measure("x/net", func(b *testing.B, c *endless) func() error {
		steps := make(chan func(*xnet.Conn))
		var once func() error
		opened := make(chan struct{})
		go xnet.Server{Handler: func(conn *xnet.Conn) {
			once = func() error {
				var p []byte
				if err := xnet.Message.Receive(conn, &p); err != nil {
					return err
				}
				return xnet.Message.Send(conn, p)
			}
			close(opened)
			<-steps
		}}.ServeHTTP(discardHeader{hijacker{c: c}}, request(b))
		<-opened
		b.Cleanup(func() { close(steps) })
		return once
	})
	// gws calls back from its own loop: the loop is the benchmark's.
	b.Run("gws", func(b *testing.B) {
		c := &endless{wire: wire, closed: make(chan struct{})}
		e := &gwsEcho{b: b, c: c}
		conn, err := gws.NewUpgrader(e, nil).Upgrade(hijacker{c: c}, request(b))
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(125)
		b.ReportAllocs()
		b.ResetTimer()
		conn.ReadLoop()
		if e.n < b.N {
			b.Fatalf("%d of %d messages", e.n, b.N)
		}
	})
}

// gwsEcho ends the stream after b.N messages.
type gwsEcho struct {
	gws.BuiltinEventHandler
	b *testing.B
	c *endless
	n int
}

func (e *gwsEcho) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer m.Close()
	if err := conn.WriteMessage(m.Opcode, m.Bytes()); err != nil {
		e.b.Error(err)
	}
	if e.n++; e.n == e.b.N {
		e.b.StopTimer()
		close(e.c.closed)
	}
}

// discardHeader also takes the status, for libraries that answer through the
// http.ResponseWriter before they hijack.
type discardHeader struct{ hijacker }

func (discardHeader) WriteHeader(int)             {}
func (discardHeader) Write(p []byte) (int, error) { return len(p), nil }

// TestBenchmarks makes sure that what the benchmarks measure is a message that
// each library takes: it is what the raw bytes say.
func TestBenchmarks(t *testing.T) {
	payload := noise(125)
	wire := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: 125}, payload)
	got, op, err := wsutil.ReadClientData(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(wire), io.Discard})
	if err != nil || op != gobwas.OpBinary || !bytes.Equal(got, payload) {
		t.Errorf("gobwas reads %v %q, %v", op, got, err)
	}
}
