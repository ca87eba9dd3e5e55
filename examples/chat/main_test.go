package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/ws"
)

// launch runs the chat until stop is called, which may be done again.
func launch(args ...string) (host string, stop func() error, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	out, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, args, stdout)
		stdout.CloseWithError(err)
		done <- err
		close(done)
	}()
	stop = func() error {
		cancel()
		return <-done
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, err
	}
	_, host, _ = strings.Cut(strings.TrimSuffix(line, "/\n"), "http://")
	return host, stop, nil
}

// start runs the chat on a free port until stop is called, or the test ends.
func start(t *testing.T, args ...string) (host string, stop func()) {
	t.Helper()
	leak := goleak.IgnoreCurrent()
	host, end, err := launch(append([]string{"-addr", "127.0.0.1:0", "-heartbeat", "1h"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		stop()
		if err := goleak.Find(leak); err != nil {
			t.Error(err)
		}
	})
	return host, stop
}

// guest is a page, in Go.
type guest struct {
	t *testing.T
	c *ws.Conn
}

func enter(t *testing.T, host string) guest {
	t.Helper()
	c, _, err := ws.Dial(t.Context(), "ws://"+host+"/chat", &ws.DialOptions{Origin: "http://" + host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return guest{t, c}
}

func (g guest) send(typ, data string) {
	g.t.Helper()
	if err := ws.JSON.Send(g.t.Context(), g.c, message{typ, data}); err != nil {
		g.t.Fatal(err)
	}
}

func (g guest) wants(typ, data string) {
	g.t.Helper()
	var m message
	if err := ws.JSON.Receive(g.t.Context(), g.c, &m); err != nil {
		g.t.Fatalf("%v, want %s %q", err, typ, data)
	}
	if m != (message{typ, data}) {
		g.t.Fatalf("%+v, want %s %q", m, typ, data)
	}
}

func (g guest) wantsClose(code ws.StatusCode) {
	g.t.Helper()
	if _, p, err := g.c.Read(g.t.Context()); ws.CloseStatus(err) != code {
		g.t.Fatalf("%q %v, want %d", p, err, code)
	}
}

func TestChat(t *testing.T) {
	host, stop := start(t)
	ada := enter(t, host)
	ada.send("join", " Ada ")
	ada.wants("joined", "Ada")
	bob := enter(t, host)
	bob.send("say", "too early")
	bob.wants("error", "join first")
	bob.send("join", "Bob")
	bob.wants("joined", "Bob")
	ada.wants("joined", "Bob")

	// data is a string that holds JSON, and what is in it comes through as it was.
	const text = `<b>"tide" & \wire</b>`
	ada.send("say", text)
	data, err := json.Marshal(said{"Ada", text})
	if err != nil {
		t.Fatal(err)
	}
	ada.wants("said", string(data))
	bob.wants("said", string(data))

	bob.send("dance", "")
	bob.wants("error", "no such type")
	bob.send("join", "Bob again")
	bob.wants("error", "you are here already")
	if err := bob.c.Close(ws.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	ada.wants("left", "Bob")

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	ada.wantsClose(ws.StatusGoingAway)
	<-stopped
}

func TestRefusals(t *testing.T) {
	host, _ := start(t)
	no := enter(t, host)
	if err := no.c.Write(t.Context(), ws.Text, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	no.wantsClose(ws.StatusUnsupportedData)

	long := enter(t, host)
	long.send("say", strings.Repeat("x", 5000))
	long.wantsClose(ws.StatusMessageTooBig)

	_, resp, err := ws.Dial(t.Context(), "ws://"+host+"/chat", &ws.DialOptions{Origin: "http://elsewhere.example.com"})
	if err == nil || resp == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site's page: %v", err)
	}
	if _, _, err := ws.Dial(t.Context(), "ws://"+host+"/", nil); err == nil {
		t.Error("a WebSocket at /")
	}
}

func TestFull(t *testing.T) {
	host, _ := start(t, "-members", "1")
	first := enter(t, host)
	first.send("join", "first")
	first.wants("joined", "first")
	enter(t, host).wantsClose(ws.StatusTryAgainLater)
	first.send("say", "hello")
	first.wants("said", `{"name":"first","text":"hello"}`)
}

func TestHeartbeat(t *testing.T) {
	host, _ := start(t, "-heartbeat", "10ms")
	g := enter(t, host)
	g.send("join", "Ada")
	g.wants("joined", "Ada")
	g.wants("heartbeat", "10ms")
	g.wants("heartbeat", "10ms")
}

func TestPage(t *testing.T) {
	host, _ := start(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://" + host + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || string(body) != strings.Replace(page, "{{heartbeat}}", "3600000", 1) {
		t.Errorf("status %d, %d bytes, %v", resp.StatusCode, len(body), err)
	}
	// Every type that one end sends, the other end knows.
	for _, typ := range []string{"joined", "left", "said", "error", "heartbeat"} {
		if !strings.Contains(page, "    "+typ+": (") {
			t.Errorf("the page knows no %q", typ)
		}
	}
	for typ := range types {
		if !strings.Contains(page, `send("`+typ+`", `) {
			t.Errorf("the page never sends %q", typ)
		}
	}
}
