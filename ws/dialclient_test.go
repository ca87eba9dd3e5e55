//go:build !js

package ws_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

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
