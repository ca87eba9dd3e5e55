//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

func tlsServer(h ws.Handler, o ws.ConnOptions) *ws.Server {
	return &ws.Server{
		Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			return h, &ws.AcceptOptions{ConnOptions: o}, nil
		},
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate().cert}},
	}
}

func dialTLS(t testing.TB, addr string) *ws.Conn {
	t.Helper()
	c, _, err := ws.Dial(testContext(t), "wss://"+addr, &ws.DialOptions{TLSConfig: &tls.Config{RootCAs: certificate().roots}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// upgraded returns a peer whose opening handshake is done.
func upgraded(t testing.TB, addr string, version uint16) *tlsPeer {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	p := newTLSPeer(t, nc, version)
	nc.Write(p.record(tlsData, []byte(handshakeRequest())))
	var answer []byte
	for !bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
		answer = append(answer, p.data()...)
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 101 ") {
		t.Fatalf("the answer is %q", answer)
	}
	return p
}

// data returns the next application data.
func (p *tlsPeer) data() []byte {
	p.t.Helper()
	for {
		typ, data, err := p.read(p.nc)
		if err != nil || typ == tlsAlert {
			p.t.Fatalf("in place of data: %d %v, %v", typ, data, err)
		}
		if typ == tlsData {
			return data
		}
	}
}

// expect reads n bytes of application data, in however many records.
func (p *tlsPeer) expect(want []byte) {
	p.t.Helper()
	var got []byte
	for len(got) < len(want) {
		got = append(got, p.data()...)
	}
	if !bytes.Equal(got, want) {
		p.t.Fatalf("read %d bytes, %.40q", len(got), got)
	}
}

// Records in pieces of every size and many to a segment, new keys in between; at
// the end, close frames both ways, a close_notify and the end of the stream.
func TestServeTLSRecordsInPieces(t *testing.T) {
	for _, version := range tlsVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			leakCheck(t)
			e := newWitness()
			p := upgraded(t, serveTLS(t, tlsServer(e, ws.ConnOptions{})), version)
			for size := 1; size < 200; size += 1 + size/8 {
				var stream, want []byte
				for n := range 4 {
					m := bytes.Repeat([]byte{'a' + byte(n)}, 50*n)
					f := rawFrame(true, frame.Binary, m)
					want = frame.Append(want, frame.Header{Fin: true, Opcode: frame.Binary, Length: int64(len(m))}, m)
					stream = append(stream, p.record(tlsData, f[:3])...)
					if version == tls.VersionTLS13 {
						stream = append(stream, p.keyUpdate(n%2 == 0, 3)...)
					}
					stream = append(stream, p.record(tlsData, f[3:])...)
				}
				for len(stream) > 0 {
					k := min(size, len(stream))
					p.nc.Write(stream[:k])
					stream = stream[k:]
				}
				p.expect(want)
			}
			p.nc.Write(p.record(tlsData, rawFrame(true, frame.Close, []byte{3, 232})))
			p.expect([]byte{0x88, 2, 3, 232})
			if typ, b, err := p.read(p.nc); typ != tlsAlert || len(b) != 2 || b[1] != tlsCloseNotify {
				t.Errorf("in place of close_notify: %d %v, %v", typ, b, err)
			}
			if _, _, err := p.read(p.nc); err != io.EOF {
				t.Errorf("behind close_notify: %v", err)
			}
			if err := <-e.closed; ws.CloseStatus(err) != ws.StatusNormalClosure {
				t.Errorf("Closed: %v", err)
			}
		})
	}
}

// Data and the end of the stream in one segment: nothing is lost, and the end is
// noticed without anybody asking.
func TestServeTLSDataAndEnd(t *testing.T) {
	notify := func(p *tlsPeer) []byte { return p.record(tlsAlert, []byte{1, tlsCloseNotify}) }
	endings := map[string]struct {
		behind func(p *tlsPeer) []byte
		fin    bool
		eof    bool
	}{
		"close_notify":         {notify, false, true},
		"close_notify and FIN": {notify, true, true},
		"FIN":                  {func(*tlsPeer) []byte { return nil }, true, true},
		"half a record, FIN":   {func(p *tlsPeer) []byte { return p.record(tlsData, []byte("ab"))[:9] }, true, false},
		"a forged record": {func(p *tlsPeer) []byte {
			rec := p.record(tlsData, []byte("ab"))
			rec[len(rec)-1] ^= 1
			return rec
		}, false, false},
	}
	for name, e := range endings {
		t.Run(name, func(t *testing.T) {
			for _, version := range tlsVersions {
				leakCheck(t)
				got, closed := make(chan string, 1), make(chan error, 1)
				p := upgraded(t, serveTLS(t, tlsServer(&events{
					message: func(_ *ws.Conn, _ ws.MessageType, p []byte) { got <- string(p) },
					closed:  func(_ *ws.Conn, err error) { closed <- err },
				}, ws.ConnOptions{PingInterval: -1})), version)
				p.nc.Write(append(p.record(tlsData, rawFrame(true, frame.Text, []byte("the last"))), e.behind(p)...))
				if e.fin {
					p.nc.(*net.TCPConn).CloseWrite()
				}
				if m := <-got; m != "the last" {
					t.Errorf("got %q", m)
				}
				if err := <-closed; ws.CloseStatus(err) != ws.StatusAbnormalClosure || errors.Is(err, io.EOF) != e.eof {
					t.Errorf("Closed: %v", err)
				}
				if n, err := io.Copy(io.Discard, p.nc); err != nil && e.fin {
					t.Errorf("the peer's stream, %d bytes on: %v", n, err)
				}
			}
		})
	}
}

// A refusal reaches a peer that is still sending, with a close_notify behind it.
func TestServeTLSRefusalIsNotOvertaken(t *testing.T) {
	leakCheck(t)
	p := upgraded(t, serveTLS(t, tlsServer(newWitness(), ws.ConnOptions{MaxMessage: 1000})), tls.VersionTLS13)
	head := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Length: 1 << 20})
	stream := p.record(tlsData, head)
	for range 100 {
		stream = append(stream, p.record(tlsData, make([]byte, 10_000))...)
	}
	if _, err := p.nc.Write(stream); err != nil {
		t.Fatal(err)
	}
	if f := p.data(); f[0] != 0x88 || binary.BigEndian.Uint16(f[2:]) != uint16(ws.StatusMessageTooBig) {
		t.Errorf("read % x", f)
	}
	if typ, b, err := p.read(p.nc); typ != tlsAlert || len(b) != 2 || b[1] != tlsCloseNotify {
		t.Errorf("in place of close_notify: %d %v, %v", typ, b, err)
	}
	if _, _, err := p.read(p.nc); err != io.EOF {
		t.Errorf("behind close_notify: %v", err)
	}
}

// smallBuffers is a listener whose sockets take little.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		nc.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return nc, err
}

func serveSmall(t *testing.T, s *ws.Server) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, func() error { return s.ServeTLS(smallBuffers{ln}, "", "") })
	return ln.Addr().String()
}

// What TLS itself owes a peer that asks and does not read is bounded.
func TestServeTLSKeyUpdatesWithoutReading(t *testing.T) {
	leakCheck(t)
	e := newWitness()
	p := upgraded(t, serveSmall(t, tlsServer(e, ws.ConnOptions{PingInterval: -1, WriteTimeout: -1, MessageTimeout: -1})), tls.VersionTLS13)

	p.nc.Write(p.record(tlsData, frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Length: 1 << 20})))
	for {
		select {
		case err := <-e.closed:
			if ws.CloseStatus(err) != ws.StatusAbnormalClosure || !strings.Contains(err.Error(), "does not read the answers") {
				t.Errorf("Closed: %v", err)
			}
			return
		default:
		}
		var stream []byte
		for range 16 {
			stream = append(stream, p.keyUpdate(true, 5)...)
			stream = append(stream, p.record(tlsData, []byte{0})...)
		}
		if _, err := p.nc.Write(stream); err != nil && !errors.Is(err, io.EOF) {
			err := <-e.closed
			if !strings.Contains(err.Error(), "does not read the answers") {
				t.Errorf("Closed: %v", err)
			}
			return
		}
	}
}

// A peer that reads late gets everything in order; meanwhile the queue is bounded
// and counted, and Drained tells when to go on.
func TestServeTLSSlowReader(t *testing.T) {
	for _, size := range []int{100, 5000, 100_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			leakCheck(t)
			const limit = 256 << 10
			budget := ws.NewBudget(1 << 30)
			var sent atomic.Int64
			full, drained := make(chan struct{}), make(chan struct{})
			message := func(i int64) []byte {
				return append(binary.BigEndian.AppendUint64(nil, uint64(i)), make([]byte, size)...)
			}
			var server atomic.Pointer[ws.Conn]
			h := &events{
				message: func(c *ws.Conn, _ ws.MessageType, _ []byte) {
					server.Store(c)
					for c.Write(context.Background(), ws.Binary, message(sent.Load())) == nil {
						sent.Add(1)
					}
					close(full)
				},
				drained: func(c *ws.Conn) {
					c.Write(context.Background(), ws.Text, []byte("drained"))
					close(drained)
				},
			}
			c := dialTLS(t, serveSmall(t, tlsServer(h, ws.ConnOptions{
				WriteQueue: limit, QueuePolicy: ws.RefuseWrite, Budget: budget,
			})))
			mustWrite(t, c, ws.Text, []byte("go"))
			<-full
			if n := server.Load().Buffered(); n > limit+chunkOfTLS {
				t.Errorf("%d bytes are queued", n)
			}
			waitFor(t, func() bool { return budget.Used() > limit/4 })
			for i := range sent.Load() {
				if _, p := mustRead(t, c); !bytes.Equal(p, message(i)) {
					t.Fatalf("message %d of %d is %d bytes, %.8x", i, sent.Load(), len(p), p)
				}
			}
			if _, p := mustRead(t, c); string(p) != "drained" {
				t.Errorf("read %.20q", p)
			}
			<-drained
			waitFor(t, func() bool { return budget.Used() == 0 && server.Load().Buffered() == 0 })
			if err := c.Close(ws.StatusNormalClosure, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// chunkOfTLS is how much ciphertext may wait below the queue.
const chunkOfTLS = 128 << 10

// A peer that reads nothing is given up after WriteTimeout.
func TestServeTLSWriteStuck(t *testing.T) {
	leakCheck(t)
	e := ws.NewEngine()
	closed := make(chan error, 1)
	asked := make(chan struct{})
	c := dialTLS(t, serveSmall(t, tlsServer(&events{
		message: func(c *ws.Conn, _ ws.MessageType, _ []byte) {
			c.Write(context.Background(), ws.Binary, make([]byte, 32<<20))
			close(asked)
		},
		closed: func(_ *ws.Conn, err error) { closed <- err },
	}, ws.ConnOptions{WriteTimeout: time.Minute, PingInterval: -1, Engine: e})))
	mustWrite(t, c, ws.Text, nil)
	<-asked
	for {
		e.Jump(time.Minute)
		select {
		case err := <-closed:
			if !errors.Is(err, ws.ErrWriteStuck) {
				t.Errorf("Closed: %v", err)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Idle connections over TLS own no goroutine, and Shutdown reaches all of them.
func TestServeTLSIdle(t *testing.T) {
	leakCheck(t)
	const n = 500
	e := &witness{make(chan *ws.Conn, n), make(chan error, n)}
	srv := tlsServer(e, ws.ConnOptions{})
	addr := serveTLS(t, srv)
	first := dialTLS(t, addr)
	mustWrite(t, first, ws.Text, []byte("x"))
	mustRead(t, first)
	settled := func() int {
		last := runtime.NumGoroutine()
		for same := 0; same < 20; same++ {
			time.Sleep(time.Millisecond)
			if now := runtime.NumGoroutine(); now != last {
				last, same = now, 0
			}
		}
		return last
	}
	before := settled()
	conns := []*ws.Conn{first}
	for len(conns) < n {
		c := dialTLS(t, addr)
		mustWrite(t, c, ws.Text, []byte("x"))
		mustRead(t, c)
		conns = append(conns, c)
	}
	if after := settled(); after > before+2 {
		t.Errorf("%d goroutines with one connection, %d with %d", before, after, n)
	}
	over := make(chan error, 1)
	go func() { over <- srv.Shutdown(testContext(t)) }()
	for _, c := range conns {
		if _, _, err := c.Read(testContext(t)); ws.CloseStatus(err) != ws.StatusGoingAway {
			t.Fatalf("a connection ended with %v", err)
		}
	}
	if err := <-over; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	for range n {
		if err := <-e.closed; ws.CloseStatus(err) != ws.StatusGoingAway {
			t.Errorf("Closed: %v", err)
		}
	}
}

// NetConn gives the tls.Conn, and below it the socket's options. That somebody closes
// it is noticed.
func TestServeTLSNetConn(t *testing.T) {
	leakCheck(t)
	e := newWitness()
	dialTLS(t, serveTLS(t, tlsServer(e, ws.ConnOptions{})))
	c := <-e.opened
	secure, ok := c.NetConn().(*tls.Conn)
	if !ok || !secure.ConnectionState().HandshakeComplete {
		t.Fatalf("NetConn is a %T", c.NetConn())
	}
	if secure.RemoteAddr().String() != c.RemoteAddr().String() || c.LocalAddr().Network() != "tcp" {
		t.Errorf("from %v to %v", c.RemoteAddr(), c.LocalAddr())
	}
	raw, err := secure.NetConn().(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	called := false
	if err := raw.Control(func(uintptr) { called = true }); err != nil || !called {
		t.Errorf("Control: %v", err)
	}
	secure.Close() // the wrong way to end it, but noticed
	if err := <-e.closed; ws.CloseStatus(err) != ws.StatusAbnormalClosure {
		t.Errorf("Closed: %v", err)
	}
}
