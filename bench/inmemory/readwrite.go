package inmemory

import (
	"context"
	"io"
	"math/rand/v2"
	"testing"

	coder "github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
	xnet "golang.org/x/net/websocket"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// Case is one library's benchmark.
type Case struct {
	Name  string
	Bench func(*testing.B)
}

// message is a masked message of 125 bytes as it comes from a client.
func message() (wire, payload []byte) {
	payload = make([]byte, 125)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(payload)
	return frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: 125}, payload), payload
}

// ReadWrites is the tutorial's comparison: a server reads a masked message of 125 bytes into memory
// of its own where the library lets it, and writes it back, with a live context
// where the library takes one.
func ReadWrites() (all []Case) {
	wire, _ := message()

	measure := func(name string, open func(b *testing.B, c *endless) (once func() error)) {
		all = append(all, Case{name, func(b *testing.B) {
			once := open(b, &endless{wire: wire})
			b.SetBytes(125)
			b.ReportAllocs()
			for b.Loop() {
				if err := once(); err != nil {
					b.Fatal(err)
				}
			}
		}})
	}
	measure("tidewire", func(b *testing.B, c *endless) func() error {
		ctx := live(b)
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
		ctx := live(b)
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
	all = append(all, Case{"gws", func(b *testing.B) {
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
	}})
	return all
}

// live is a context that could end.
func live(b *testing.B) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	return ctx
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
