package bridge_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// A running bridge.
type running struct {
	*bridge.Bridge
	t    *testing.T
	logs *journal
	stop func()
}

// run starts a bridge, which ends with the test.
func run(t *testing.T, rules ...bridge.Rule) *running {
	t.Helper()
	logs := &journal{}
	b, err := bridge.Listen(rules, &bridge.Options{Logger: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	var once sync.Once
	r := &running{b, t, logs, func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			b.Close()
		})
	}}
	t.Cleanup(r.stop)
	return r
}

// at is where the rule of that number listens, as Parse takes it.
func (r *running) at(rule int, listen bridge.Endpoint) bridge.Endpoint {
	if a, ok := r.Addr(rule).(*net.TCPAddr); ok {
		return parse(r.t, strings.Replace(listen.String(), "127.0.0.1:0", a.String(), 1))
	}
	if a, ok := r.Addr(rule).(*net.UDPAddr); ok {
		return parse(r.t, strings.Replace(listen.String(), "127.0.0.1:0", a.String(), 1))
	}
	return listen
}

// settled waits until no relay is left.
func (r *running) settled() {
	r.t.Helper()
	eventually(r.t, "all relays have ended", func() bool { return r.Open() == 0 })
}

type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func parse(t *testing.T, s string) bridge.Endpoint {
	t.Helper()
	e, err := bridge.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not come true: %s", what)
		}
	}
}

// listening is an endpoint of that kind for a rule to listen on.
func listening(t *testing.T, kind string) bridge.Endpoint {
	t.Helper()
	switch kind {
	case "ws", "wss":
		return parse(t, kind+"://127.0.0.1:0/path")
	case "unix":
		return parse(t, "unix:"+socketName(t))
	case "ws+unix":
		return parse(t, "ws+unix:"+socketName(t)+":/path")
	}
	return parse(t, kind+":127.0.0.1:0")
}

func socketName(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bridge") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// certificate is one for 127.0.0.1, and who trusts it.
var certificate = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
})

// A halfCloser is a stream.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// streamTarget serves f on each connection, and returns where.
func streamTarget(t *testing.T, kind string, f func(conn halfCloser)) bridge.Endpoint {
	t.Helper()
	network, addr := "tcp", "127.0.0.1:0"
	if kind == "unix" {
		network, addr = "unix", socketName(t)
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	where := parse(t, kind+":"+ln.Addr().String())
	if kind == "tls" {
		server, _ := certificate()
		ln = tls.NewListener(ln, server)
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	group.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			group.Go(func() {
				defer conn.Close()
				f(conn.(halfCloser))
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		group.Wait()
	})
	return where
}

func echoStream(conn halfCloser) {
	io.Copy(conn, conn)
	conn.CloseWrite()
}

// udpTarget answers each datagram with itself.
func udpTarget(t *testing.T) bridge.Endpoint {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFrom(p)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				conn.WriteTo(p[:n], from)
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return parse(t, "udp:"+conn.LocalAddr().String())
}

// wsTarget serves f on each WebSocket connection, and returns where.
func wsTarget(t *testing.T, kind string, o *ws.AcceptOptions, f func(ctx context.Context, c *ws.Conn) error) bridge.Endpoint {
	t.Helper()
	server := httptest.NewUnstartedServer(ws.HTTPHandler(f, o))
	switch kind {
	case "ws+unix":
		name := socketName(t)
		ln, err := net.Listen("unix", name)
		if err != nil {
			t.Fatal(err)
		}
		server.Listener.Close()
		server.Listener = ln
		server.Start()
		t.Cleanup(server.Close)
		return parse(t, "ws+unix:"+name+":/echo")
	case "wss":
		server.TLS, _ = certificate()
		server.TLS = server.TLS.Clone()
		server.StartTLS()
	default:
		server.Start()
	}
	t.Cleanup(server.Close)
	return parse(t, kind+"://"+server.Listener.Addr().String()+"/echo")
}

func echoMessages(ctx context.Context, c *ws.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.Write(ctx, m.Type, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// echo starts a service of that kind that answers with what it is told.
func echo(t *testing.T, kind string) bridge.Endpoint {
	t.Helper()
	switch kind {
	case "udp":
		return udpTarget(t)
	case "ws", "wss", "ws+unix":
		return wsTarget(t, kind, nil, echoMessages)
	}
	return streamTarget(t, kind, echoStream)
}

// dialStream connects to a door that is no WebSocket's.
func dialStream(t *testing.T, e bridge.Endpoint) net.Conn {
	t.Helper()
	kind, addr, _ := strings.Cut(e.String(), ":")
	var conn net.Conn
	var err error
	switch kind {
	case "tls":
		_, client := certificate()
		conn, err = tls.Dial("tcp", addr, client)
	default:
		conn, err = net.Dial(kind, addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// tryWS connects to a WebSocket door.
func tryWS(e bridge.Endpoint, o ws.DialOptions) (*ws.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url := e.String()
	if rest, ok := strings.CutPrefix(url, "ws+unix:"); ok {
		socket, path, _ := strings.Cut(rest, ":")
		o.UnixSocket, url = socket, "ws://localhost"+path
	}
	_, o.TLSConfig = certificate()
	return ws.Dial(ctx, url, &o)
}

func dialWS(t *testing.T, e bridge.Endpoint, subprotocols ...string) *ws.Conn {
	t.Helper()
	c, _, err := tryWS(e, ws.DialOptions{Subprotocols: subprotocols, ConnOptions: ws.ConnOptions{MaxMessage: -1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// within is a context for one step of a test.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// noise is bytes without a pattern.
func noise(n int) []byte {
	p := make([]byte, n)
	rand.Read(p)
	return p
}
