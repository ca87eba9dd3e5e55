package conformance_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	serveOn(t, ln, nil)
	target := "ws://" + ln.Addr().String() + "/"
	if err := small().Probe(context.Background(), target); err != nil {
		t.Error(err)
	}

	gone := listen(t)
	gone.Close()
	answers := func(answer string) func(net.Conn) {
		return func(c net.Conn) {
			io.WriteString(c, answer)
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
		}
	}
	for _, tc := range []struct{ name, target, want string }{
		{"nobody listens", "ws://" + gone.Addr().String() + "/", "no connection: "},
		{"no WebSocket URL", "tcp://127.0.0.1:1/", "is no ws, wss, http or https URL"},
		{"another path", hostile(t, answers("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")), `"HTTP/1.1 404 Not Found": is the path right?`},
		{"wants a token", hostile(t, answers("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")), "it may want a header"},
		{"moved", hostile(t, answers("HTTP/1.1 301 Moved Permanently\r\nLocation: wss://x/\r\n\r\n")), "is the scheme"},
		{"no HTTP", hostile(t, answers("\x16\x03\x01\x00\n\r\n\x1b[2Jred\r\n\r\n")), "it answered the handshake with"},
		{"closes", hostile(t, answers("")), "it did not answer the handshake: closed without"},
		{"says nothing", hostile(t, func(c net.Conn) { io.Copy(io.Discard, c) }), "within 200ms"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := small()
			if tc.name == "says nothing" {
				r.Patience = 200 * time.Millisecond
			}
			err := r.Probe(context.Background(), tc.target)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, expected %q in it", err, tc.want)
			}
			if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("%q would reach a terminal", err)
			}
		})
	}
}

func TestFailFast(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	faults := map[string]bool{"answers pings twice": true}
	serveOn(t, ln, faults)
	r := small()
	r.Parallel, r.FailFast = 1, true
	results, err := r.RunServer(context.Background(), "ws://"+ln.Addr().String()+"/", "1.1.1", "2.*")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(results); n != 2 || results[0].Verdict != conformance.Pass || results[1].Verdict != conformance.Fail {
		t.Errorf("%d results: %v", n, conformance.Count(results))
	}

	results, err = r.RunClient(context.Background(), nil, func(_ context.Context, url string) error {
		return visit(url, nil, faults, "")
	}, "1.1.1", "2.*")
	if err != nil || len(results) != 2 {
		t.Errorf("a client that is called: %d results, %v", len(results), err)
	}

	ln = listen(t)
	go func() {
		for _, id := range []string{"1.1.1", "2.1", "2.2"} {
			visit("ws://"+ln.Addr().String()+"/case/"+id, nil, faults, "") // the last one finds nobody
		}
	}()
	results, err = r.ServeClient(context.Background(), ln, "1.1.1", "2.*")
	if err != nil || len(results) != 2 {
		t.Errorf("a client that comes: %d results, %v", len(results), err)
	}
}

// What is not strict ends a run as well if it counts.
func TestFailFastStrict(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{false, true} {
		r := small()
		r.Parallel, r.FailFast, r.Strict = 1, true, strict
		results := runServer(t, r, map[string]bool{"drops when it refuses": true}, "3.*")
		if all := len(results) == 7; all == strict || results[0].Verdict != conformance.NotStrict {
			t.Errorf("strict %v: %d results, the first of them %v", strict, len(results), results[0].Verdict)
		}
	}
}

// A certificate's names come from the server, too, and crypto/x509 tells them as they are.
func TestCertificateOfControlCharacters(t *testing.T) {
	t.Parallel()
	cert, pool := selfSigned(t, "\x1b[2J\x1b[31mred\u0007")
	ln := listen(t)
	serveOn(t, tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}}), nil)
	r := small()
	r.TLS = &tls.Config{RootCAs: pool, ServerName: "other.example"}
	target := "wss://" + ln.Addr().String() + "/"
	err := r.Probe(context.Background(), target)
	results, runErr := r.RunServer(context.Background(), target, "1.1.1")
	if err == nil || runErr != nil {
		t.Fatal(err, runErr)
	}
	var out strings.Builder
	conformance.Print(&out, results)
	for _, s := range []string{err.Error(), results[0].Reason, strings.ReplaceAll(out.String(), "\n", "")} {
		if !strings.Contains(s, "red") || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%q would reach a terminal", s)
		}
	}
}
