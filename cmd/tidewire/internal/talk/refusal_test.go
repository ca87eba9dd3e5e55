package talk_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
)

// TestRefusals has a handshake come to nothing in every way that there is advice for, and in some that there is none for.
func TestRefusals(t *testing.T) {
	answer := func(status int, header ...string) func(http.ResponseWriter) {
		return func(rw http.ResponseWriter) {
			for i := 0; i < len(header); i += 2 {
				rw.Header().Set(header[i], header[i+1])
			}
			rw.WriteHeader(status)
		}
	}
	for _, tc := range []struct {
		answer func(http.ResponseWriter)
		try    string
		final  bool
	}{
		{answer(200), "this is an HTTP page", true},
		{answer(204), "this is an HTTP page", true},
		{answer(302, "Location", "https://elsewhere.example/a?b=hush"), "try wss://elsewhere.example/a?b=xxxxx", true},
		{answer(302), "", true},
		{answer(400), "no sound WebSocket handshake", true},
		{answer(401), "who you are: -H", true},
		{answer(403), "try --origin http://127.0.0.1", true},
		{answer(404), "nothing under this path", true},
		{answer(405), "this is an HTTP page", true},
		{answer(407), "--proxy http://user:password@host:port", true},
		{answer(408), "", false},
		{answer(418), "", true},
		{answer(425), "", false},
		{answer(426, "Sec-WebSocket-Version", "14"), "another version of the protocol", true},
		{answer(426), "no sound WebSocket handshake", true},
		{answer(429), "it is busy", false},
		{answer(500), "", false},
		{answer(502), "does not reach it", false},
		{answer(503), "it is busy", false},
		{answer(504), "does not reach it", false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { tc.answer(rw) }))
		_, err := connect(t, "ws"+strings.TrimPrefix(server.URL, "http"), ws.DialOptions{})
		server.Close()
		advised(t, err, tc.try, tc.final)
		if r := talk.RefusalIn(err); r != nil && !strings.HasPrefix(r.Details(), "  HTTP "+r.Status+"\n") {
			t.Errorf("%q", r.Details())
		}
	}
	for _, tc := range []struct {
		err   error
		try   string
		final bool
	}{
		{&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}, "there is no such host", false},
		{&net.DNSError{Err: "server misbehaving", Name: "h"}, "is there a network?", false},
		{x509.CertificateInvalidError{Reason: x509.Expired}, "out of date", false},
		{x509.CertificateInvalidError{Reason: x509.TooManyIntermediates}, "", false},
		{errors.New("remote error: tls: certificate required"), "it wants a certificate", false},
		{errors.New("remote error: tls: bad certificate"), "it wants another certificate", false},
		{errors.New("remote error: tls: unknown certificate authority"), "it wants another certificate", false},
		{errors.New("something else"), "", false},
	} {
		_, err := connect(t, "ws://h/", ws.DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, tc.err }})
		advised(t, err, tc.try, tc.final)
	}
}

func connect(t *testing.T, url string, o ws.DialOptions) (talk.Peer, error) {
	t.Helper()
	target, err := talk.ParseTarget(url)
	if err != nil {
		t.Fatal(err)
	}
	o.Proxy = http.ProxyURL(nil) // whatever the environment names
	return (&talk.Dialer{Target: target, WebSocket: o}).Connect(t.Context())
}

// advised looks at what is advised, and whether another attempt is.
func advised(t *testing.T, err error, try string, final bool) {
	t.Helper()
	r := talk.RefusalIn(err)
	if r == nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Try, try) || (r.Try == "") != (try == "") {
		t.Errorf("%v: the advice is %q, want %q", r.Err, r.Try, try)
	}
	if errors.As(err, new(talk.Final)) != final {
		t.Errorf("%v: final is %v", r.Err, !final)
	}
}
