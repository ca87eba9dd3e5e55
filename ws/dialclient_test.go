//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

func TestDialHTTPClient(t *testing.T) {
	leakCheck(t)
	addr := acceptServer(t, &ws.AcceptOptions{Subprotocols: []string{"v1"},
		ConnOptions: ws.ConnOptions{Compression: &deflate.Options{}}}).Listener.Addr().String()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, resp, err := ws.Dial(testContext(t), "ws://"+addr, &ws.DialOptions{
		HTTPClient:   &http.Client{Transport: transport},
		Subprotocols: []string{"v1"},
		ConnOptions:  ws.ConnOptions{Compression: &deflate.Options{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if c.Subprotocol() != "v1" || resp.StatusCode != 101 {
		t.Errorf("subprotocol %q, %s", c.Subprotocol(), resp.Status)
	}
	big := randomBytes(200_000)
	mustWrite(t, c, ws.Binary, big)
	if _, p := mustRead(t, c); !bytes.Equal(p, big) {
		t.Error("the echo differs")
	}
	_, resp, err = ws.Dial(testContext(t), "ws://"+addr, &ws.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Origin: "http://evil.example"})
	if err == nil || resp == nil || resp.StatusCode != 403 || !strings.Contains(err.Error(), "Origins") {
		t.Errorf("%v, %v", resp, err)
	}
}

// stuckBody answers 500 with the start of a body that then goes on for as long
// as the request's context.
type stuckBody struct{}

func (stuckBody) RoundTrip(r *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	go func() {
		io.WriteString(pw, "the database is down")
		<-r.Context().Done()
		pw.CloseWithError(r.Context().Err())
	}()
	return &http.Response{Status: "500 Oops", StatusCode: 500, Header: http.Header{}, Body: pr, Request: r}, nil
}

func TestDialHTTPClientDoesNotWaitForABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, resp, err := ws.Dial(context.Background(), "ws://example.com", &ws.DialOptions{
			HTTPClient: &http.Client{Transport: stuckBody{}}})
		if err == nil || resp == nil || !strings.Contains(err.Error(), `500 Oops instead of 101 Switching Protocols: "the database is down"`) {
			t.Errorf("%v, %v", resp, err)
		}
	})
}
