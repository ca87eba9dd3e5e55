//go:build !js

package ws_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

func TestDialRefusesBadAnswers(t *testing.T) {
	leakCheck(t)
	type answer = func(r *http.Request) string
	fixed := func(s string) answer { return func(*http.Request) string { return s } }
	more := func(s string) answer { return func(r *http.Request) string { return switching(r, s) } }
	swap := func(from, to string) answer {
		return func(r *http.Request) string { return strings.Replace(switching(r, ""), from, to, 1) }
	}
	for name, c := range map[string]struct {
		answer answer
		want   string // part of the error
		status int    // of the response, 0 for none
	}{
		"403 with body":       {fixed("HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nnot you!"), `403 Forbidden instead of 101 Switching Protocols: "not you!"`, 403},
		"404 chunked":         {fixed("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), `404 Not Found instead of 101 Switching Protocols: "abc"`, 404},
		"200":                 {fixed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "200 OK", 200},
		"426":                 {fixed("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8, 7\r\nContent-Length: 0\r\n\r\n"), `"8, 7"`, 426},
		"401":                 {fixed("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"), "Basic realm=x", 401},
		"bare LF":             {fixed("HTTP/1.0 403 Forbidden\nContent-Length: 2\n\nno"), `"no"`, 403},
		"redirect off":        {fixed("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"), "FollowRedirects is off", 302},
		"not HTTP":            {fixed("SSH-2.0-OpenSSH_9.9\r\n"), `not HTTP: "SSH-2.0`, 0},
		"TLS alert":           {fixed("\x15\x03\x01\x00\x02\x02\x32"), "wss://", 0},
		"HTTP/2":              {fixed("\x00\x00\x12\x04\x00\x00\x00\x00\x00"), "not HTTP", 0},
		"huge head":           {fixed("HTTP/1.1 101 X\r\nX: " + strings.Repeat("x", 9000)), "DialOptions.MaxHeader", 0},
		"no status":           {fixed("HTTP/1.1 abc\r\n\r\n"), "malformed", 0},
		"101 of HTTP/1.0":     {swap("HTTP/1.1", "HTTP/1.0"), "malformed", 0},
		"folded":              {more("X: a\r\n b\r\n"), "malformed", 0},
		"101 with bare LF":    {more("X: a\n"), "malformed", 0},
		"NUL":                 {more("X: \x00\r\n"), "malformed", 0},
		"no Upgrade":          {swap("Upgrade: websocket\r\n", ""), "without Upgrade", 101},
		"wrong Upgrade":       {swap("Upgrade: websocket", "Upgrade: h2c"), `Upgrade "h2c"`, 101},
		"doubled Upgrade":     {more("Upgrade: websocket\r\n"), "Upgrade", 101},
		"Upgrade list":        {swap("Upgrade: websocket", "Upgrade: websocket, h2c"), "Upgrade", 101},
		"no Connection":       {swap("Connection: Upgrade\r\n", ""), "without Connection", 101},
		"wrong Connection":    {swap("Connection: Upgrade", "Connection: close"), `Connection "close"`, 101},
		"no Accept":           {swap("Sec-WebSocket-Accept", "X-Accept"), "without Sec-WebSocket-Accept", 101},
		"wrong Accept":        {swap("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x"), "Sec-WebSocket-Accept", 101},
		"constant Accept":     {fixed("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"), "Sec-WebSocket-Accept", 101},
		"doubled Accept":      {func(r *http.Request) string { return switching(r, "Sec-WebSocket-Accept: "+acceptOf(r)+"\r\n") }, "Sec-WebSocket-Accept", 101},
		"unasked subprotocol": {more("Sec-WebSocket-Protocol: v9\r\n"), `Sec-WebSocket-Protocol "v9"`, 101},
		"empty subprotocol":   {more("Sec-WebSocket-Protocol: \r\n"), "Sec-WebSocket-Protocol", 101},
		"subprotocol case":    {more("Sec-WebSocket-Protocol: V1\r\n"), `"V1"`, 101},
		"two subprotocols":    {more("Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: v2\r\n"), "once", 101},
		"subprotocol list":    {more("Sec-WebSocket-Protocol: v1, v2\r\n"), "v1, v2", 101},
		"unknown extension":   {more("Sec-WebSocket-Extensions: x-mux\r\n"), "x-mux", 101},
		"bad extension":       {more("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n"), "Sec-WebSocket-Extensions", 101},
		"doubled extension":   {more("Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"), "Sec-WebSocket-Extensions", 101},
		"body of a 101":       {more("Content-Length: 5\r\n"), "body", 101},
		"chunked 101":         {more("Transfer-Encoding: chunked\r\n"), "body", 101},
		"10x":                 {fixed("HTTP/1.1 10x Odd\r\n\r\n"), "malformed", 0},
		"too many 1xx":        {fixed(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10)), "1xx", 0},
		"1xx then not HTTP":   {fixed("HTTP/1.1 100 Continue\r\n\r\nhello"), "not HTTP", 0},
		"1xx then 403":        {fixed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), "403 Forbidden", 403},
	} {
		addr := scripted(t, func(r *http.Request, nc net.Conn) { io.WriteString(nc, c.answer(r)) })
		conn, resp, err := ws.Dial(testContext(t), "ws://user:hunter2@"+addr+"/path?token=hunter2", &ws.DialOptions{
			ConnOptions:  ws.ConnOptions{Compression: &deflate.Options{}},
			Subprotocols: []string{"v1", "v2"},
		})
		if err == nil || conn != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "ws: dial ws://"+addr+"/path: ") {
			t.Errorf("%s: the error reads %v", name, err)
		}
		if status := 0; resp != nil {
			if status = resp.StatusCode; status != c.status {
				t.Errorf("%s: status %d, want %d", name, status, c.status)
			}
			if _, err := io.ReadAll(resp.Body); err != nil || resp.Body.Close() != nil {
				t.Errorf("%s: the body: %v", name, err)
			}
		} else if c.status != 0 {
			t.Errorf("%s: no response", name)
		}
	}
}

func TestDialWithoutCompressionRefusesExtensions(t *testing.T) {
	addr := scripted(t, func(r *http.Request, nc net.Conn) {
		io.WriteString(nc, switching(r, "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
	})
	_, resp, err := ws.Dial(testContext(t), "ws://"+addr, nil)
	if err == nil || resp == nil || !strings.Contains(err.Error(), "none was offered") {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestDialReturnsTheFirstKiBOfTheBody(t *testing.T) {
	leakCheck(t)
	body := strings.Repeat("0123456789abcdef", 100<<10/16)
	addr := scripted(t, func(r *http.Request, nc net.Conn) {
		fmt.Fprintf(nc, "HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	})
	_, resp, err := ws.Dial(testContext(t), "ws://"+addr, nil)
	if err == nil || resp == nil {
		t.Fatalf("%v, %v", resp, err)
	}
	got, err2 := io.ReadAll(resp.Body)
	if err2 != nil || string(got) != body[:1<<10] {
		t.Errorf("%d bytes, %v", len(got), err2)
	}
	if len(err.Error()) > 500 || !strings.Contains(err.Error(), "0123456789abcdef") {
		t.Errorf("the error is %d bytes: %v", len(err.Error()), err)
	}
}

func TestDialSkipsInformationalAnswers(t *testing.T) {
	addr := scripted(t, func(r *http.Request, nc net.Conn) {
		io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n")
		io.WriteString(nc, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"+switching(r, "")+"\x81\x02ok")
	})
	c, _, err := ws.Dial(testContext(t), "ws://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, p := mustRead(t, c); string(p) != "ok" {
		t.Errorf("read %q", p)
	}
}
