//go:build !js

package ws_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// describe tells all that a Request knows.
func describe(r *ws.Request) string {
	token, ok := r.Cookie("token")
	_, none := r.Cookie("TOKEN")
	host, _, _ := net.SplitHostPort(r.RemoteAddr().String())
	local, _, _ := net.SplitHostPort(r.LocalAddr().String())
	h := r.Headers()
	return fmt.Sprintln(r.Method(), r.RequestURI(), r.Path(), r.RawQuery(), r.Query()["q"], r.Host(), r.Origin(),
		r.Header("x-token"), r.Header("X-None"), r.Header("host"), h["X-Token"], h["Host"], token, ok, none, r.Subprotocols(),
		host, local, r.TLS() != nil, r.Context().Err())
}

func TestRequestIsTheSameThroughBothDoors(t *testing.T) {
	leakCheck(t)
	saw := make(chan string, 1)
	accept := func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		saw <- describe(r)
		return nil, nil, &ws.Refusal{Status: 418}
	}
	srv, raw := serve(t, &ws.Server{Accept: accept})
	web := httptest.NewServer(srv)
	defer web.Close()
	request := handshakeRequest("GET /a%20b/../c?q=1&q=%202&r HTTP/1.1", "Origin: http://server.example.com",
		"Cookie: other=1; token=\"abc=\"; token=second", "+Cookie: late=1", "X-Token: one", "+x-token: two",
		"Sec-WebSocket-Protocol: v1, v2", "+Sec-WebSocket-Protocol: v3")
	want := "GET /a%20b/../c?q=1&q=%202&r /a b/../c q=1&q=%202&r [1  2] server.example.com http://server.example.com" +
		" one  server.example.com [one two] [] abc= true false [v1 v2 v3] 127.0.0.1 127.0.0.1 false <nil>\n"
	for door, addr := range map[string]string{"raw": raw, "net/http": web.Listener.Addr().String()} {
		resp, _, nc := talk(t, addr, request)
		nc.Close()
		if got := <-saw; resp.StatusCode != 418 || got != want {
			t.Errorf("%s: %s\ngot  %swant %s", door, resp.Status, got, want)
		}
		_, _, nc = talk(t, addr, handshakeRequest("GET http://server.example.com HTTP/1.1"))
		nc.Close()
		if got := <-saw; !strings.HasPrefix(got, "GET / / ") {
			t.Errorf("%s: an absolute target without a path is %s", door, got)
		}
	}
}

func TestRequestKnowsTLS(t *testing.T) {
	leakCheck(t)
	saw := make(chan bool, 1)
	addr := serveTLS(t, &ws.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate().cert}},
		Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			s := r.TLS()
			saw <- s != nil && s.HandshakeComplete && s.NegotiatedProtocol == "http/1.1"
			return nil, nil, nil
		},
	})
	_, resp, err := ws.Dial(testContext(t), "wss://"+addr, &ws.DialOptions{TLSConfig: &tls.Config{RootCAs: certificate().roots}})
	if err == nil || resp == nil || resp.StatusCode != 404 {
		t.Errorf("%v, %v", resp, err)
	}
	if !<-saw {
		t.Error("no TLS state")
	}
}

// What a Request returned stays valid when its memory is used again.
func TestRequestStringsAreTheCallersOwn(t *testing.T) {
	leakCheck(t)
	kept := make(chan []string, 1)
	_, addr := serve(t, &ws.Server{Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		c, _ := r.Cookie("c")
		kept <- append(r.Subprotocols(), r.Host(), r.Origin(), r.Path(), r.RequestURI(), r.RawQuery(), r.Header("X-Token"),
			c, r.Headers().Get("X-Token"), r.Query().Get("q"))
		return nil, nil, nil
	}})
	ask := func(mark string) []string {
		talk(t, addr, handshakeRequest("GET /"+mark+"?q="+mark+" HTTP/1.1", "Host: "+mark, "Origin: "+mark, "X-Token: "+mark,
			"Cookie: c="+mark, "Sec-WebSocket-Protocol: "+mark))
		return <-kept
	}
	first := ask("aaaaaaaa")
	for range 20 {
		ask("bbbbbbbb")
	}
	if got := strings.Join(first, " "); strings.Contains(got, "b") || strings.Count(got, "aaaaaaaa") < len(first) {
		t.Errorf("kept %s", got)
	}
}
