//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/wstest"
)

// patience bounds what a test waits for. It is long because the machine may be
// slow; nothing waits it out but a failure.
const patience = 30 * time.Second

// soon is the CloseTimeout of a connection whose peer is known not to answer.
const soon = 300 * time.Millisecond

// streams are the kinds of stream that a Conn runs over, each with a reading and
// writing path of its own.
var streams = map[string]func(t testing.TB) (client, server io.ReadWriteCloser){
	"tcp":    tcpPair,
	"unix":   unixPair,
	"tls":    tlsPair,
	"wire":   wirePair, // what ServeTLS makes: TLS that the engine may drive
	"memory": memoryPair,
	"plain":  plainPair,
}

func memoryPair(testing.TB) (client, server io.ReadWriteCloser) { return wstest.Pipe() }

// plainPair has no deadlines.
func plainPair(testing.TB) (client, server io.ReadWriteCloser) {
	a, b := wstest.Pipe()
	return struct{ io.ReadWriteCloser }{a}, struct{ io.ReadWriteCloser }{b}
}

func tcpPair(t testing.TB) (client, server io.ReadWriteCloser) {
	return netPair(t, "tcp", "127.0.0.1:0")
}

func unixPair(t testing.TB) (client, server io.ReadWriteCloser) {
	dir, err := os.MkdirTemp("", "ws")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	return netPair(t, "unix", dir+"/s")
}

func netPair(t testing.TB, network, addr string) (client, server net.Conn) {
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err = net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

func tlsPair(t testing.TB) (client, server io.ReadWriteCloser) {
	a, b := netPair(t, "tcp", "127.0.0.1:0")
	return secured(t, a, b)
}

func wirePair(t testing.TB) (client, server io.ReadWriteCloser) {
	a, b := netPair(t, "tcp", "127.0.0.1:0")
	return secured(t, ws.Wire(a), ws.Wire(b))
}

// secured returns TLS over two ends.
func secured(t testing.TB, a, b net.Conn) (client, server io.ReadWriteCloser) {
	c := tls.Client(a, &tls.Config{RootCAs: certificate().roots, ServerName: "localhost"})
	s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{certificate().cert}})
	errs := make(chan error, 1)
	go func() { errs <- s.Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	return c, s
}

type testCert struct {
	cert  tls.Certificate
	roots *x509.CertPool
}

var certificate = sync.OnceValue(func() testCert {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return testCert{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots}
})

// pair returns two connected Conns and ends them with the test.
func pair(t testing.TB, kind string, o ws.ConnOptions) (client, server *ws.Conn) {
	a, b := streams[kind](t)
	return connect(t, a, b, o)
}

func connect(t testing.TB, a, b io.ReadWriteCloser, o ws.ConnOptions) (client, server *ws.Conn) {
	pc, ps := ws.Params{ConnOptions: o, Client: true}, ws.Params{ConnOptions: o}
	if o.Compression != nil {
		p, ok, err := negotiate(o.Compression)
		if err != nil || !ok {
			t.Fatalf("negotiate: %v, %v", ok, err)
		}
		pc.Deflate, ps.Deflate = &p, &p
	}
	client, server = ws.NewConn(a, pc), ws.NewConn(b, ps)
	t.Cleanup(func() {
		client.CloseNow()
		server.CloseNow()
	})
	return client, server
}

func negotiate(o *deflate.Options) (deflate.Params, bool, error) {
	_, answer, ok := o.Negotiate([]string{o.Offer()})
	if !ok {
		return deflate.Params{}, false, nil
	}
	return o.Confirm([]string{answer})
}

// leakCheck fails the test if it leaves a goroutine or a descriptor behind. Call
// it first.
func leakCheck(t testing.TB) {
	t.Helper()
	before := descriptors(t)
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		deadline := time.Now().Add(patience)
		for {
			err := goleak.Find(ignore)
			after := descriptors(t)
			if err == nil && after <= before {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("%d descriptors before, %d after; goroutines: %v", before, after, err)
				return
			}
			runtime.Gosched()
			time.Sleep(5 * time.Millisecond)
		}
	})
}

func descriptors(t testing.TB) int {
	if runtime.GOOS != "linux" {
		return 0
	}
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// waitForStack returns when some goroutine's stack holds all of parts: a function
// by name, or a state in brackets, such as "[IO wait". It is for a test that must
// not go on before another goroutine is stuck.
func waitForStack(t *testing.T, parts ...string) {
	t.Helper()
	waitFor(t, func() bool {
	stacks:
		for _, one := range stacks() {
			for _, part := range parts {
				if !strings.Contains(one, part) {
					continue stacks
				}
			}
			return true
		}
		return false
	})
}

// waitStuck returns when a goroutine that runs in the function fn waits for
// something, whatever it is.
func waitStuck(t *testing.T, fn string) {
	t.Helper()
	waitFor(t, func() bool {
		for _, one := range stacks() {
			state, _, _ := strings.Cut(one, "\n")
			if strings.Contains(one, fn) && !strings.Contains(state, "[run") && !strings.Contains(state, "[syscall") {
				return true
			}
		}
		return false
	})
}

// stacks returns the stack of every goroutine.
func stacks() []string {
	for n := 64 << 10; ; n *= 4 {
		all := make([]byte, n)
		if n := runtime.Stack(all, true); n < len(all) {
			return strings.Split(string(all[:n]), "\n\n")
		}
	}
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// randomBytes returns n bytes that do not compress.
func randomBytes(n int) []byte {
	p := make([]byte, n)
	g := mrand.NewChaCha8([32]byte{1, byte(n), byte(n >> 8)})
	g.Read(p)
	return p
}

// words returns n bytes of text that compresses well.
func words(n int) []byte {
	return bytes.Repeat([]byte("the tide comes in, the tide goes out; "), n/38+1)[:n]
}

func mustRead(t testing.TB, c *ws.Conn) (ws.MessageType, []byte) {
	t.Helper()
	typ, p, err := c.Read(testContext(t))
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return typ, p
}

func mustWrite(t testing.TB, c *ws.Conn, typ ws.MessageType, p []byte) {
	t.Helper()
	if err := c.Write(testContext(t), typ, p); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// echo answers each message until the connection ends.
func echo(c *ws.Conn) error {
	for {
		typ, p, err := c.Read(context.Background())
		if err != nil {
			return err
		}
		if err := c.Write(context.Background(), typ, p); err != nil {
			return err
		}
	}
}

// countingConn counts the writes on a pipe.
type countingConn struct {
	*wstest.PipeConn
	writes atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.PipeConn.Write(p)
}
