package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// selfSigned is a certificate for 127.0.0.1 and a pool that trusts it.
func selfSigned(t *testing.T, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: names, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// some is a selection that touches every group with little traffic.
var some = []string{"1.*", "2.*", "3.*", "5.*", "6.4.*", "7.*", "20.*", "22.*", "25.*", "26.*", "27.[1-4].*", "-26.5.13", "-26.5.16", "-7.13.*"}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, pool := selfSigned(t)
	ln := listen(t)
	serveOn(t, tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}}), nil)
	r := small()
	r.TLS = &tls.Config{RootCAs: pool}
	results, err := r.RunServer(context.Background(), "wss://"+ln.Addr().String()+"/", applicable(server, some)...)
	if err != nil {
		t.Fatal(err)
	}
	passes(t, results, nil)

	r.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	config := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	results, err = r.RunClient(context.Background(), nil, func(_ context.Context, url string) error {
		if !strings.HasPrefix(url, "wss://") {
			t.Errorf("the URL is %s", url)
		}
		return visit(url, config, nil, fullOffer)
	}, applicable(client, some)...)
	if err != nil {
		t.Fatal(err)
	}
	passes(t, results, nil)
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, ln, nil)
	r := small()
	r.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", name)
	}
	results, err := r.RunServer(context.Background(), "ws://socket/", applicable(server, some)...)
	if err != nil {
		t.Fatal(err)
	}
	passes(t, results, nil)
}

// TestInMemory runs over net.Pipe, which buffers nothing and cannot end one direction alone.
func TestInMemory(t *testing.T) {
	t.Parallel()
	var group sync.WaitGroup
	defer group.Wait()
	r := small()
	r.Dial = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		group.Go(func() { (&peer{c: far, br: bufio.NewReader(far)}).serve() })
		return near, nil
	}
	results, err := r.RunServer(context.Background(), "ws://memory/", "1.*", "2.*", "5.*", "22.2.1", "-2.5", "-5.[12]")
	if err != nil {
		t.Fatal(err)
	}
	var rest []conformance.Result
	for _, res := range results {
		if res.ID == "22.2.1" {
			if res.Verdict != conformance.Unsupported {
				t.Errorf("half-close over a pipe: %v: %s", res.Verdict, res.Reason)
			}
			continue
		}
		rest = append(rest, res)
	}
	passes(t, rest, nil)
}

// TestAutobahnLoop drives a client as the Autobahn suite's test clients do.
func TestAutobahnLoop(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	base := "ws://" + ln.Addr().String()
	type outcome struct {
		results []conformance.Result
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		results, err := small().ServeClient(context.Background(), ln, "2.*", "7.1.*")
		done <- outcome{results, err}
	}()
	for _, path := range []string{"/getCaseCount", "/nonsense", "/case/0.0", "/runCase?case=99&agent=peer"} {
		err := visitPath(base, path)
		if refused := err != nil; refused != (path != "/getCaseCount") {
			t.Errorf("%s: %v", path, err)
		}
	}
	told := func(path, want string) {
		t.Helper()
		if got, err := hear(base, path); err != nil || got != want {
			t.Errorf("%s: %q, %v; expected %q", path, got, err, want)
		}
	}
	told("/getCaseCount", "17")
	told("/getCaseStatus?case=1&agent=peer", `{"behavior":"MISSING"}`)
	for n := 1; n <= 17; n++ {
		if err := visitPath(base, fmt.Sprintf("/runCase?case=%d&agent=peer", n)); err != nil {
			t.Error(n, err)
		}
	}
	told("/getCaseStatus?case=1&agent=peer", `{"behavior":"OK"}`)
	if info, err := hear(base, "/getCaseInfo?case=1"); err != nil || !strings.HasPrefix(info, `{"description":"ping`) || !strings.HasSuffix(info, `"id":"2.1"}`) {
		t.Errorf("the first case is %s, %v", info, err)
	}
	if err := visitPath(base, "/updateReports?agent=peer"); err != nil {
		t.Error(err)
	}
	out := <-done
	if out.err != nil || len(out.results) != 17 {
		t.Fatalf("%d results, %v", len(out.results), out.err)
	}
	passes(t, out.results, nil)
	for _, res := range out.results {
		if res.Agent != "peer" {
			t.Errorf("%s: the agent is %q", res.ID, res.Agent)
		}
	}
}

// call asks for a path and a query, which visit leaves out.
func call(base, path string) (*peer, error) {
	addr := strings.TrimPrefix(base, "ws://")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n", path, addr, key)
	p := &peer{client: true, c: c, br: bufio.NewReader(c)}
	if err := p.answered(key, ""); err != nil {
		c.Close()
		return nil, err
	}
	return p, nil
}

// visitPath calls and echoes.
func visitPath(base, path string) error {
	p, err := call(base, path)
	if err != nil {
		return err
	}
	defer p.c.Close()
	p.echo()
	return nil
}

// hear calls and returns the one text message that comes.
func hear(base, path string) (string, error) {
	p, err := call(base, path)
	if err != nil {
		return "", err
	}
	defer p.c.Close()
	h, err := p.br.Peek(2)
	if err != nil || h[0] != 0x81 || h[1] > 125 && h[1] != 126 {
		return "", fmt.Errorf("it began with % x, %v", h, err)
	}
	n := int(h[1])
	p.br.Discard(2)
	if n == 126 {
		var long [2]byte
		if _, err := io.ReadFull(p.br, long[:]); err != nil {
			return "", err
		}
		n = int(long[0])<<8 | int(long[1])
	}
	text := make([]byte, n)
	_, err = io.ReadFull(p.br, text)
	return string(text), err
}

func TestServeClientStopsByItself(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	go visit("ws://"+ln.Addr().String()+"/case/1.1.1", nil, nil, "")
	results, err := small().ServeClient(context.Background(), ln, "1.1.1")
	if err != nil || len(results) != 1 {
		t.Fatal(results, err)
	}
	passes(t, results, nil)
}

func TestStoppedRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	target := hostile(t, func(c net.Conn) {
		cancel()
		io.Copy(io.Discard, c)
	})
	results, err := (&conformance.Runner{Parallel: 1}).RunServer(ctx, target)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if len(results) != 0 { // nothing can be said of the server
		t.Errorf("%d results, the first of them %v: %s", len(results), results[0].Verdict, results[0].Reason)
	}

	ctx, cancel = context.WithCancel(context.Background())
	results, err = (&conformance.Runner{Parallel: 1}).RunClient(ctx, nil, func(inner context.Context, url string) error {
		if strings.HasSuffix(url, "/1.1.2") {
			cancel()
			<-inner.Done()
			return inner.Err()
		}
		return visit(url, nil, nil, "")
	}, "1.1.*")
	if !errors.Is(err, context.Canceled) || len(results) != 1 || results[0].Verdict != conformance.Pass {
		t.Errorf("a client: %d results, %v", len(results), err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	ln.Close()
	results, err := small().RunServer(context.Background(), "ws://"+ln.Addr().String()+"/", "1.1.1")
	if err != nil || results[0].Verdict != conformance.Fail || !strings.Contains(results[0].Reason, "no connection") {
		t.Error(results, err)
	}
	for _, bad := range []string{"", "tcp://127.0.0.1:1/", "ws://", "%"} {
		if _, err := small().RunServer(context.Background(), bad, "1.1.1"); err == nil {
			t.Errorf("the URL %q was taken", bad)
		}
	}
	results, err = small().RunClient(context.Background(), nil, func(context.Context, string) error {
		return errors.New("no legs")
	}, "1.1.1")
	if err != nil || len(results) != 1 || results[0].Verdict != conformance.Fail || !strings.Contains(results[0].Reason, "no legs") {
		t.Error(results, err)
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	ids := func(role conformance.Role, globs ...string) []string {
		cases, err := conformance.Select(role, globs...)
		if err != nil {
			return []string{err.Error()}
		}
		var ids []string
		for _, c := range cases {
			ids = append(ids, c.ID)
		}
		return ids
	}
	if got := ids(server, "6.4.[12]", "2.1"); !slices.Equal(got, []string{"2.1", "6.4.1", "6.4.2"}) {
		t.Error(got)
	}
	if got := ids(client, "2.*", "-2.[2-9]", "-2.1?"); !slices.Equal(got, []string{"2.1"}) {
		t.Error(got)
	}
	for _, bad := range []string{"77.*", "[", "-77", "23.1.1"} {
		if got := ids(client, bad); !strings.HasPrefix(got[0], "conformance: ") {
			t.Errorf("%q selects %q", bad, got)
		}
	}
	if got := len(ids(server, "[1-7].*")) + len(ids(server, "9.*")) + len(ids(server, "1[023].*")); got != 517 {
		t.Errorf("%d cases cover Autobahn's 517", got)
	}
}

func TestCasesAreWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range conformance.Cases() {
		if seen[c.ID] {
			t.Errorf("the ID %s occurs twice", c.ID)
		}
		seen[c.ID] = true
		for name, v := range map[string]string{"Group": c.Group, "Title": c.Title, "Section": c.Section, "Rule": c.Rule, "Sends": c.Sends, "Expects": c.Expects} {
			if v == "" {
				t.Errorf("%s has no %s", c.ID, name)
			}
		}
		if !strings.HasPrefix(c.Section, "RFC ") {
			t.Errorf("%s: section %q", c.ID, c.Section)
		}
		if c.Roles == 0 || c.Roles&^both != 0 {
			t.Errorf("%s: roles %v", c.ID, c.Roles)
		}
	}
}

func TestPrinting(t *testing.T) {
	t.Parallel()
	results := runServer(t, small(), map[string]bool{"answers pings twice": true}, "2.1", "2.2")
	var table, dump bytes.Buffer
	if err := conformance.Print(&table, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" 2 Pings and pongs", "fail          2.2      ping with text: a pong"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	if err := results[1].Dump(&dump); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"case 2.2: ping with text", "verdict:  fail for the server", `→ ping "Hello, world!" [19 bytes]`,
		`← pong "Hello, world!" [15 bytes]`, "00000000  8a 0d 48 65", "GET / HTTP/1.1"} {
		if !strings.Contains(dump.String(), want) {
			t.Errorf("the dump lacks %q:\n%s", want, dump.String())
		}
	}
	if n := conformance.Count(results); n[conformance.Fail] != 2 || n.String() != "0 pass, 0 not strict, 2 fail, 0 unsupported, 0 informational" {
		t.Error(n)
	}
	b, err := json.Marshal(results[1])
	if err != nil || !strings.Contains(string(b), `"Verdict":"fail"`) || !strings.Contains(string(b), `"Role":"server"`) {
		t.Error(string(b), err)
	}
	var v conformance.Verdict
	for want := conformance.Pass; want <= conformance.Informational; want++ {
		text, _ := want.MarshalText()
		if err := v.UnmarshalText(text); err != nil || v != want {
			t.Error(v, err)
		}
	}
	if v.UnmarshalText([]byte("perhaps")) == nil {
		t.Error("an unknown verdict was taken")
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	var seen []string
	r := small()
	r.Progress = func(res conformance.Result) { seen = append(seen, res.ID) }
	runServer(t, r, nil, "1.*")
	if len(seen) != 16 {
		t.Errorf("server: %d calls", len(seen))
	}
	seen = nil
	runClient(t, r, nil, "", "24.1.*")
	slices.Sort(seen)
	if !slices.Equal(seen, []string{"24.1.1", "24.1.2", "24.1.3", "24.1.4"}) {
		t.Errorf("client: %q", seen)
	}
}
