package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/tunnel"
)

// served is a "tidewire serve" that runs in this process.
type served struct {
	*running
	host string // host:port
	out  string // all that it printed
}

// serve runs the command with args until the test ends.
func serve(t *testing.T, args ...string) *served {
	t.Helper()
	s := &served{running: starting(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--log-level", "error"}, args...)...)}
	if !s.lines.Scan() {
		t.Fatal("it printed nothing")
	}
	m := regexp.MustCompile(`^Tidewire is serving on http(s?)://(127\.0\.0\.1:\d+)/$`).FindStringSubmatch(s.lines.Text())
	if m == nil {
		t.Fatalf("it printed %q first", s.lines.Text())
	}
	s.host = m[2]
	for s.lines.Scan() && s.lines.Text() != "Press Ctrl-C to stop." {
		s.out += s.lines.Text() + "\n"
	}
	paths := []string{"echo", "live"}
	if slices.Contains(args, "--rooms") {
		paths = paths[1:]
	}
	for _, path := range paths {
		if line := "  " + path + ": ws" + m[1] + "://" + s.host + "/" + path + "\n"; !strings.Contains(s.out, line) {
			t.Errorf("it printed %q, without %q", s.out, line)
		}
	}
	return s
}

func (s *served) dial(t *testing.T, path string, o *ws.DialOptions) *ws.Conn {
	t.Helper()
	c, _, err := ws.Dial(t.Context(), "ws://"+s.host+path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestServesThePage(t *testing.T) {
	s := serve(t)
	r, err := http.Get("http://" + s.host + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	page, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 || !strings.Contains(string(page), "<title>Tidewire</title>") {
		t.Errorf("%d, %v: %.80s", r.StatusCode, err, page)
	}
	if r.Header.Get("Content-Security-Policy") == "" {
		t.Error("no Content-Security-Policy")
	}
}

// An endpoint that is opened in a browser's address bar says what it is for, and what is nothing here is 404.
func TestRoutes(t *testing.T) {
	s := serve(t)
	defer http.DefaultClient.CloseIdleConnections()
	for _, tc := range []struct {
		method, path, body, origin string
		status                     int
		says                       string
	}{
		{"GET", "/live", "", "", http.StatusUpgradeRequired, "ws://" + s.host + "/live"},
		{"GET", "/chat/", "", "", http.StatusOK, "<h1>Chat</h1>"},
		{"GET", "/chat", "", "", http.StatusOK, "<h1>Chat</h1>"},
		{"GET", "/tidewire.js", "", "", http.StatusOK, "export"},
		{"GET", "/nothing", "", "", http.StatusNotFound, ""},
		{"GET", "/live/", "", "", http.StatusNotFound, ""},
		{"POST", "/", "", "", http.StatusMethodNotAllowed, ""},
		{"POST", "/live", "open tidewire.v9\n", "", http.StatusBadRequest, "tidewire.v1.json"},
		{"POST", "/live", "open tidewire.v1.json\n", "https://elsewhere.example", http.StatusForbidden, ""},
		{"POST", "/live", "post NOBODY 1\n", "", http.StatusNotFound, ""},
	} {
		request, err := http.NewRequest(tc.method, "http://"+s.host+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		if tc.origin != "" {
			request.Header.Set("Origin", tc.origin)
		}
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != tc.status || !strings.Contains(string(text), tc.says) {
			t.Errorf("%s %s: %d %.200q, want %d and %q", tc.method, tc.path, r.StatusCode, text, tc.status, tc.says)
		}
	}
	own, other := "http://"+s.host, "https://elsewhere.example"
	for _, tc := range []struct {
		path, origin string
		status       int
	}{
		{"/live", own, http.StatusSwitchingProtocols},
		{"/live", other, http.StatusForbidden},
		{"/echo", other, http.StatusSwitchingProtocols}, // it knows nobody
		{"/", own, http.StatusNotFound},
		{"/chat/", own, http.StatusNotFound},
	} {
		c, r, err := ws.Dial(t.Context(), "ws://"+s.host+tc.path, &ws.DialOptions{Header: http.Header{"Origin": {tc.origin}}})
		if r == nil || r.StatusCode != tc.status {
			t.Errorf("a WebSocket to %s from %s: %v, %v; want %d", tc.path, tc.origin, r, err, tc.status)
		}
		if err == nil {
			c.CloseNow()
		}
	}
}

// Where no WebSocket passes, the Go client comes through posts to the same address.
func TestServesPosts(t *testing.T) {
	s := serve(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	door := tunnel.Dialer{URL: "http://" + s.host + "/live", Client: &http.Client{Transport: transport}}
	guest := func(name string, by *client.Options) *client.Client {
		by.Token = func(context.Context, client.Reason) (string, error) { return name, nil }
		c, err := client.Dial(t.Context(), "ws://"+s.host+"/live", by)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		return c
	}
	ada := guest("Ada", &client.Options{DialOptions: ws.DialOptions{NetDial: door.DialContext}})
	grace := guest("Grace", &client.Options{})
	heard := make(chan string, 10)
	for _, c := range []*client.Client{ada, grace} {
		room, err := c.Room("chat:lobby", nil)
		if err != nil {
			t.Fatal(err)
		}
		client.OnMessage(room, "chat", func(_ context.Context, said struct{ Name, Text string }, _ client.Meta) {
			heard <- said.Name + ": " + said.Text
		})
		if err := room.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := room.Send(t.Context(), "chat", map[string]string{"text": "hello"}); err != nil {
			t.Fatal(err)
		}
	}
	got := []string{<-heard, <-heard, <-heard}
	slices.Sort(got)
	if want := "Ada: hello,Grace: hello,Grace: hello"; strings.Join(got, ",") != want { // Grace came behind Ada's
		t.Errorf("they heard %q", got)
	}
}

// Ctrl-C tells every connection, waits for their answers, and ends well.
func TestStopDrains(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	s := serve(t)
	type end struct {
		path string
		told string // the last message
		err  error
	}
	paths := []string{"/echo", "/echo" + watched, "/live"}
	ends := make(chan end, len(paths))
	for _, path := range paths {
		c := s.dial(t, path, nil)
		if path == "/live" {
			if err := c.Write(t.Context(), ws.Text, []byte(`{"type":"$hello","id":1}`)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.Read(t.Context()); err != nil { // $welcome
				t.Fatal(err)
			}
		}
		go func() {
			told := ""
			for {
				_, m, err := c.Read(context.Background())
				if err != nil {
					ends <- end{path, told, err}
					return
				}
				told = string(m)
			}
		}()
	}
	s.stop()
	for range paths {
		e := <-ends
		want, told := ws.StatusGoingAway, ""
		if e.path == "/live" { // and its guests hear when to come back
			want, told = ws.StatusServiceRestart, `{"type":"$drain","data":{"backoff":[500,5000]}}`
		}
		if ws.CloseStatus(e.err) != want || e.told != told {
			t.Errorf("%s ended with %v after %q, want %d after %q", e.path, e.err, e.told, want, told)
		}
	}
	if err := <-s.done; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if c, err := net.Dial("tcp", s.host); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	goleak.VerifyNone(t, leaks)
}

// A peer that does not answer is cut off when the time is up, and the exit
// status tells.
func TestStopIsBounded(t *testing.T) {
	s := serve(t, "--drain", "50ms")
	openAndIgnore(t, s.host)
	s.stop()
	if err := <-s.done; exitCode(err) != exitCut || !strings.Contains(err.Error(), "--drain") {
		t.Errorf("it ended with %v, want a cut", err)
	}
	// A session, whose hub waits first.
	s = serve(t, "--drain", "200ms")
	c, err := net.Dial("tcp", s.host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	began := time.Now()
	s.stop()
	if err := <-s.done; exitCode(err) != exitCut {
		t.Errorf("with a session it ended with %v, want a cut", err)
	}
	if took := time.Since(began); took > 4*time.Second { // a session that does not answer has 5 s, where there is time
		t.Errorf("it took %v", took)
	}
}

// openAndIgnore opens a connection to /echo that, after one message, never
// answers again.
func openAndIgnore(t *testing.T, host string) {
	t.Helper()
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	io.WriteString(c, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n")
	r := bufio.NewReader(c)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	io.WriteString(c, "\x81\x82\x00\x00\x00\x00hi")
	echo := make([]byte, 4)
	if _, err := io.ReadFull(r, echo); string(echo) != "\x81\x02hi" {
		t.Fatalf("%q, %v", echo, err)
	}
}

// Whoever presses Ctrl-C twice does not want to wait.
func TestSecondSignalEndsTheProcess(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := command("serve", "--addr", "127.0.0.1:0", "--drain", "1h")
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Process.Kill()
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		_, host, _ := strings.Cut(strings.TrimSuffix(line, "/\n"), "http://")
		openAndIgnore(t, host)
		cmd.Process.Signal(sig)
		log := bufio.NewReader(stderr)
		if line, err := log.ReadString('\n'); !strings.Contains(line, "msg=draining open=1") {
			t.Errorf("%v: it logged %q, %v", sig, line, err)
		}
		defer time.AfterFunc(patience, func() { cmd.Process.Kill() }).Stop()
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for again := true; again; {
			select {
			case <-ended:
				again = false
			case <-time.After(50 * time.Millisecond): // at once it would be the first one
				cmd.Process.Signal(sig)
			}
		}
		if got, want := cmd.ProcessState.ExitCode(), 128+int(sig); got != want {
			t.Errorf("%v: it ended with %v, want exit status %d", sig, cmd.ProcessState, want)
		}
	}
}

func TestVisibleAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8080":   "127.0.0.1:8080",
		"0.0.0.0:80":       "localhost:80",
		"[::]:80":          "localhost:80",
		"[::1]:80":         "[::1]:80",
		"192.168.1.7:9000": "192.168.1.7:9000",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := visible(tcp); got != want {
			t.Errorf("%s is shown as %s, want %s", addr, got, want)
		}
	}
}
