//go:build !js

package websocket_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/compat/websocket"
	"github.com/tidewire/tidewire/ws/frame"
)

const goodRequest = "GET /x HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// ask sends a request to a server with that handler and returns the answer.
func ask(t *testing.T, h http.HandlerFunc, request string) (*http.Response, *bufio.Reader) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	nc, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	if _, err := nc.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp, r
}

func TestUpgradeRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string // replaced in goodRequest
		header   http.Header
		check    func(*http.Request) bool
		status   int
	}{
		"no Connection":  {old: "Connection: keep-alive, Upgrade\r\n", status: 400},
		"no Upgrade":     {old: "Upgrade: websocket\r\n", status: 400},
		"POST":           {old: "GET", new: "POST", status: 405},
		"version 8":      {old: "Version: 13", new: "Version: 8", status: 400},
		"no version":     {old: "Sec-WebSocket-Version: 13\r\n", status: 400},
		"no key":         {old: "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", status: 400},
		"short key":      {old: "dGhlIHNhbXBsZSBub25jZQ==", new: "c2hvcnQ=", status: 400},
		"key of nothing": {old: "dGhlIHNhbXBsZSBub25jZQ==", new: "?", status: 400},
		"two keys":       {old: "Host", new: "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost", status: 400},
		"foreign origin": {old: "Host", new: "Origin: https://evil.example\r\nHost", status: 403},
		"CheckOrigin":    {check: func(*http.Request) bool { return false }, status: 403},
		"extensions":     {header: http.Header{"Sec-Websocket-Extensions": {"x"}}, status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			request := strings.Replace(goodRequest, tc.old, tc.new, 1) + "\r\n"
			errs := make(chan error, 1)
			resp, _ := ask(t, func(w http.ResponseWriter, r *http.Request) {
				u := websocket.Upgrader{CheckOrigin: tc.check}
				_, err := u.Upgrade(w, r, tc.header)
				errs <- err
			}, request)
			if _, ok := (<-errs).(websocket.HandshakeError); !ok || resp.StatusCode != tc.status || resp.Header.Get("Sec-Websocket-Version") != "13" {
				t.Fatalf("answered %s %v, want %d and a HandshakeError", resp.Status, resp.Header, tc.status)
			}
			// The same through Upgrader.Error.
			resp, _ = ask(t, func(w http.ResponseWriter, r *http.Request) {
				u := websocket.Upgrader{CheckOrigin: tc.check, Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
					w.Header().Set("X-Reason", reason.Error())
					w.WriteHeader(status + 50)
				}}
				_, err := u.Upgrade(w, r, tc.header)
				errs <- err
			}, request)
			err := <-errs
			if err == nil || resp.StatusCode != tc.status+50 || resp.Header.Get("X-Reason") != err.Error() || !strings.HasPrefix(err.Error(), "websocket: ") {
				t.Fatalf("Error answered %s %v to %v", resp.Status, resp.Header, err)
			}
		})
	}
}

func TestUpgradeNeedsAHijacker(t *testing.T) {
	r := httptest.NewRequest("GET", "http://example.com/", nil)
	r.Header = http.Header{
		"Connection": {"upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	w := httptest.NewRecorder()
	u := websocket.Upgrader{}
	if _, err := u.Upgrade(w, r, nil); err == nil || w.Code != 500 {
		t.Fatalf("answered %d, %v; want 500", w.Code, err)
	}
}

// wrapped is a middleware's writer.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestUpgradeAnswers(t *testing.T) {
	leakCheck(t)
	over := make(chan struct{})
	resp, _ := ask(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Handler", "not sent")
		u := websocket.Upgrader{Subprotocols: []string{"superchat", "chat"}, HandshakeTimeout: patience, WriteBufferPool: nil}
		c, err := u.Upgrade(wrapped{w}, r, http.Header{
			"Set-Cookie": {"a=1", "b=2"}, "X-Split": {"x\r\nX-Injected: y"}, "Upgrade": {"other"}, "Sec-Websocket-Protocol": {"other"},
		})
		if err != nil {
			t.Error(err)
		} else {
			if c.Subprotocol() != "superchat" {
				t.Errorf("Subprotocol is %q", c.Subprotocol())
			}
			c.Close()
		}
		close(over)
	}, goodRequest+"Origin: http://example.com\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: superchat\r\n\r\n")
	h := resp.Header
	if resp.StatusCode != 101 || h.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || h.Get("Sec-Websocket-Protocol") != "superchat" ||
		fmt.Sprint(h["Set-Cookie"]) != "[a=1 b=2]" || h.Get("X-Injected") != "" || h.Get("X-Split") != "x  X-Injected: y" ||
		fmt.Sprint(h["Upgrade"]) != "[websocket]" || h.Get("X-Handler") != "" {
		t.Fatalf("answered %s %v", resp.Status, h)
	}
	<-over
}

func TestUpgradeSubprotocolFromTheHeader(t *testing.T) {
	leakCheck(t)
	for offered, want := range map[string]string{"chat, other": "other", "chat": ""} {
		over := make(chan struct{})
		resp, _ := ask(t, func(w http.ResponseWriter, r *http.Request) {
			defer close(over)
			u := websocket.Upgrader{}
			c, err := u.Upgrade(w, r, http.Header{"Sec-Websocket-Protocol": {"other"}})
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		}, goodRequest+"Sec-WebSocket-Protocol: "+offered+"\r\n\r\n")
		if got := resp.Header.Get("Sec-Websocket-Protocol"); got != want {
			t.Errorf("offered %q: answered %q, want %q", offered, got, want)
		}
		<-over
	}
}

func TestUpgradeKeepsFramesBehindTheHandshake(t *testing.T) {
	leakCheck(t)
	early := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: [4]byte{1, 2, 3, 4}}, []byte("early"))
	over := make(chan struct{})
	_, r := ask(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(over)
		u := websocket.Upgrader{}
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		typ, p, err := c.ReadMessage()
		if err != nil {
			t.Error(err)
			return
		}
		c.WriteMessage(typ, p)
	}, goodRequest+"\r\n"+string(early))
	p := make([]byte, 7)
	if _, err := r.Read(p); err != nil || string(p) != "\x81\x05early" {
		t.Fatalf("got %q, %v", p, err)
	}
	<-over
}

func TestDeprecatedUpgrade(t *testing.T) {
	leakCheck(t)
	over := make(chan struct{})
	resp, _ := ask(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(over)
		c, err := websocket.Upgrade(w, r, nil, 1024, 1024)
		if err != nil {
			t.Error(err)
			return
		}
		c.Close()
	}, goodRequest+"Origin: https://anywhere.example\r\n\r\n")
	if resp.StatusCode != 101 {
		t.Fatalf("answered %s", resp.Status)
	}
	<-over
	resp, _ = ask(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := websocket.Upgrade(w, r, nil, 1024, 1024)
		if _, ok := err.(websocket.HandshakeError); !ok {
			t.Errorf("Upgrade: %v", err)
		}
		http.Error(w, "own words", http.StatusTeapot)
	}, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	if resp.StatusCode != http.StatusTeapot {
		t.Fatalf("answered %s", resp.Status)
	}
}

func TestRequestHelpers(t *testing.T) {
	for _, tc := range []struct {
		header       http.Header
		upgrade      bool
		subprotocols []string
	}{
		{http.Header{}, false, nil},
		{http.Header{"Connection": {"keep-alive", "close , UPGRADE"}, "Upgrade": {"h2c, WebSocket"}}, true, nil},
		{http.Header{"Connection": {"upgrade"}, "Upgrade": {"websockets"}}, false, nil},
		{http.Header{"Connection": {"upgrade"}}, false, nil},
		{http.Header{"Sec-Websocket-Protocol": {"a, b,,c ", "d"}}, false, []string{"a", "b", "c", "d"}},
	} {
		r := &http.Request{Header: tc.header}
		if websocket.IsWebSocketUpgrade(r) != tc.upgrade || !slices.Equal(websocket.Subprotocols(r), tc.subprotocols) {
			t.Errorf("%v: %v, %q", tc.header, websocket.IsWebSocketUpgrade(r), websocket.Subprotocols(r))
		}
	}
}
