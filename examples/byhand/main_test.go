package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/conformance"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// start runs the program on a free port and returns its address. When the test ends,
// the program is stopped and must have left nothing behind.
func start(t *testing.T, args ...string) string {
	leak := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(context.Background())
	out, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), stdout)
		stdout.CloseWithError(errors.Join(io.EOF, err))
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(leak); err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, addr, _ := strings.Cut(strings.TrimSuffix(line, "/\n"), "http://")
	return addr
}

// Every case of the suite but those about compression, which this server does not
// speak, and two that want an offer of extensions to be well formed, which whoever
// has no extension need not read. Group 9, of huge messages, passes too, but takes a
// minute under the race detector.
func TestConformance(t *testing.T) {
	addr := start(t, "-limit", "67108864")
	// A pass waits none of these out: they are for machines with other things to do.
	r := &conformance.Runner{Parallel: 64, Timeout: 2 * time.Minute, Patience: 30 * time.Second, Grace: 30 * time.Second}
	results, err := r.RunServer(t.Context(), "ws://"+addr+"/", groups...)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(conformance.Count(results))
	if len(results) < 400 {
		t.Errorf("only %d cases were played", len(results))
	}
	for _, result := range results {
		if result.Verdict != conformance.Pass && result.Verdict != conformance.Informational {
			var dump bytes.Buffer
			result.Dump(&dump)
			t.Errorf("%s: %s\n%.3000s", result.ID, result.Verdict, dump.String())
		}
	}
}

var groups = []string{"*", "-9.*", "-12.*", "-13.*", "-26.*", "-27.*", "-23.2.37", "-23.2.38"}

// request is the tutorial's handshake, with changes: the value "-" removes a field.
func request(t *testing.T, addr string, changes map[string]string) (*http.Response, net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	head := "GET /chat HTTP/1.1\r\n"
	for _, field := range [][2]string{
		{"Host", "server.example.com"},
		{"Upgrade", "websocket"},
		{"Connection", "Upgrade"},
		{"Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="},
		{"Sec-WebSocket-Protocol", "chat, superchat"},
		{"Sec-WebSocket-Version", "13"},
		{"Origin", "http://server.example.com"},
	} {
		if value, ok := changes[field[0]]; ok {
			field[1] = value
		}
		if field[1] != "-" {
			head += field[0] + ": " + field[1] + "\r\n"
		}
	}
	if _, err := io.WriteString(nc, head+"\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(nc)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp, nc, in
}

func TestHandshake(t *testing.T) {
	addr := start(t)
	resp, nc, in := request(t, addr, nil)
	if got := resp.Header.Get("Sec-WebSocket-Accept"); resp.StatusCode != 101 || got != "HSmrc0sMlYUkAGmm5OPpG2HaGWk=" {
		t.Errorf("status %d, Sec-WebSocket-Accept %q", resp.StatusCode, got)
	}
	if got := resp.Header.Values("Sec-WebSocket-Protocol"); len(got) != 1 || got[0] != "chat" {
		t.Errorf("Sec-WebSocket-Protocol %q", got)
	}
	// What the client would send on, masked, and its echo, not masked.
	h := frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: frame.NewKey()}
	if _, err := nc.Write(frame.Append(nil, h, []byte("Hello"))); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, 7)
	if _, err := io.ReadFull(in, echo); err != nil || string(echo) != "\x81\x05Hello" {
		t.Errorf("echo %q, %v", echo, err)
	}
}

func TestHandshakeRefused(t *testing.T) {
	addr := start(t)
	for _, tc := range []struct {
		field, value string
		status       int
		words        string
	}{
		{"Connection", "keep-alive", 400, "Connection"},
		{"Upgrade", "h2c", 400, "Upgrade"},
		{"Sec-WebSocket-Version", "8", 426, "13"},
		{"Sec-WebSocket-Version", "-", 426, "13"},
		{"Sec-WebSocket-Key", "-", 400, "Sec-WebSocket-Key"},
		{"Sec-WebSocket-Key", "c2hvcnQ=", 400, "16 bytes"},
		{"Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDx==", 400, "base64"}, // loose bits behind the last byte
		{"Origin", "http://elsewhere.example.com", 403, "origin"},
		{"Origin", "null", 403, "origin"},
	} {
		resp, _, _ := request(t, addr, map[string]string{tc.field: tc.value})
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != tc.status || !strings.Contains(string(body), tc.words) {
			t.Errorf("%s %s: status %d %q, %v", tc.field, tc.value, resp.StatusCode, body, err)
		}
		if got := resp.Header.Get("Sec-WebSocket-Version"); tc.status == 426 && got != "13" {
			t.Errorf("426 with Sec-WebSocket-Version %q", got)
		}
	}
}

func TestLimit(t *testing.T) {
	addr := start(t, "-limit", "1000")
	c, _, err := ws.Dial(t.Context(), "ws://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	w, err := c.Writer(t.Context(), ws.Binary)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(make([]byte, 1001))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) != ws.StatusMessageTooBig {
		t.Errorf("%v, want 1009", err)
	}
}

// Stopping says goodbye to those who are connected, and the first frames may follow
// the handshake at once.
func TestStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-addr", "127.0.0.1:0"}, stdout) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := ws.Dial(t.Context(), strings.Replace(strings.TrimSpace(line[len("listening on "):]), "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	var text string
	if err := ws.Plain.Send(t.Context(), c, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := ws.Plain.Receive(t.Context(), c, &text); err != nil || text != "hello" {
		t.Fatalf("%q, %v", text, err)
	}
	cancel()
	if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Errorf("%v, want 1001", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Close is the tutorial's: it says goodbye and waits for the answer.
func TestClose(t *testing.T) {
	served := make(chan error, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		byHand, err := NewHandler(w, r)
		if err == nil {
			err = byHand.Handshake()
		}
		if err == nil {
			err = byHand.Send(Frame{Opcode: frame.Text, Payload: []byte("that is all")})
		}
		if err == nil {
			err = byHand.Close(frame.StatusNormalClosure, "done")
		}
		served <- err
	})}
	go srv.Serve(ln)
	defer srv.Close()
	c, _, err := ws.Dial(t.Context(), "ws://"+ln.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), ws.Text, []byte("still under way")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(t.Context()); err != nil || string(p) != "that is all" {
		t.Errorf("%q, %v", p, err)
	}
	var closed *ws.CloseError
	if _, _, err := c.Read(t.Context()); !errors.As(err, &closed) || closed.Code != 1000 || closed.Reason != "done" {
		t.Errorf("%v, want 1000 done", err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
