package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// hosted is a "tidewire connect --listen" that runs in this process.
type hosted struct {
	t        *testing.T
	url      string
	input    io.WriteCloser
	out, err heard
	stop     func() // as Ctrl-C does
	ended    chan struct{}
	result   error
}

// heard is what was printed so far, behind what was waited for.
type heard struct {
	logged
	text string
}

// until waits for the text.
func (h *heard) until(t *testing.T, text string) {
	t.Helper()
	eventually(t, fmt.Sprintf("it prints %q", text), func() error {
		h.text += h.take()
		_, rest, ok := strings.Cut(h.text, text)
		if !ok {
			return fmt.Errorf("it prints %q", h.text)
		}
		h.text = rest
		return nil
	})
}

// hosting runs the command with args until the test ends.
func hosting(t *testing.T, args ...string) *hosted {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	h := &hosted{t: t, input: w, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		h.result = run(ctx, append([]string{"connect"}, args...), stdio{r, &h.out, &h.err})
	}()
	t.Cleanup(func() {
		stop()
		w.Close()
		<-h.ended
	})
	h.err.until(t, "tidewire: listening on ")
	eventually(t, "it says where", func() error {
		h.err.text += h.err.take()
		m := regexp.MustCompile(`^(\S+)\n`).FindStringSubmatch(h.err.text)
		if m == nil {
			return errors.New(h.err.text)
		}
		h.url, h.err.text = m[1], h.err.text[len(m[0]):]
		return nil
	})
	return h
}

// meet dials it.
func (h *hosted) meet(o ws.DialOptions) (*ws.Conn, *http.Response, error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, resp, err := ws.Dial(ctx, h.url, &o)
	if err == nil {
		h.t.Cleanup(func() { c.CloseNow() })
	}
	return c, resp, err
}

// met is a connection to it.
func (h *hosted) met(o ws.DialOptions) *ws.Conn {
	h.t.Helper()
	c, _, err := h.meet(o)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// exit waits until it has ended by itself.
func (h *hosted) exit() int {
	h.t.Helper()
	late := context.AfterFunc(patient(h.t), h.stop)
	defer late()
	<-h.ended
	return exitCode(h.result)
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func says(t *testing.T, c *ws.Conn, text string) {
	t.Helper()
	if err := c.Write(patient(t), ws.Text, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hears(t *testing.T, c *ws.Conn, want string) {
	t.Helper()
	if _, p, err := c.Read(patient(t)); err != nil || string(p) != want {
		t.Fatalf("%q, %v; want %q", p, err, want)
	}
}

// closes waits for the connection's end, which the peer says.
func closes(t *testing.T, c *ws.Conn, code ws.StatusCode) {
	t.Helper()
	_, p, err := c.Read(patient(t))
	if ws.CloseStatus(err) != code {
		t.Errorf("%q, %v; want %v", p, err, code)
	}
}

// TestConnectListenKeeps has one come after the other, and turns away who comes meanwhile.
func TestConnectListenKeeps(t *testing.T) {
	h := hosting(t, "--listen", "127.0.0.1:0", "-k", "-x", "welcome")
	for round := range 3 {
		var c *ws.Conn
		eventually(t, "there is room again", func() (err error) {
			c, _, err = h.meet(ws.DialOptions{})
			return err
		})
		hears(t, c, "welcome")
		if _, resp, err := h.meet(ws.DialOptions{}); err == nil || resp == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("another one is answered %v, %v", resp, err)
		}
		says(t, c, fmt.Sprint("hello ", round))
		h.out.until(t, fmt.Sprint("hello ", round, "\n"))
		fmt.Fprintln(h.input, "hi")
		hears(t, c, "hi")
		if round == 2 {
			h.stop()
			closes(t, c, ws.StatusNormalClosure)
			break
		}
		c.Close(4000, "enough")
		h.err.until(t, `closed by the peer: 4000 (private code) "enough"; waiting for the next connection`)
	}
	if code := h.exit(); code != exitDone {
		t.Errorf("exit status %d", code)
	}
}

// TestConnectListenEnds ends the only connection in each way there is.
func TestConnectListenEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		args string
		do   func(h *hosted, c *ws.Conn)
		code int
	}{
		"the peer closes":       {"", func(_ *hosted, c *ws.Conn) { c.Close(1000, "") }, exitDone},
		"it closes badly":       {"", func(_ *hosted, c *ws.Conn) { c.Close(4001, "") }, exitBroken},
		"it breaks":             {"", func(_ *hosted, c *ws.Conn) { c.CloseNow() }, exitBroken},
		"the input ends":        {"", func(h *hosted, c *ws.Conn) { h.input.Close(); closes(t, c, 1000) }, exitDone},
		"Ctrl-C":                {"", func(h *hosted, c *ws.Conn) { h.stop(); closes(t, c, 1000) }, exitDone},
		"enough has come":       {"-n 2", func(_ *hosted, c *ws.Conn) { says(t, c, "1"); says(t, c, "2"); closes(t, c, 1000) }, exitDone},
		"what is wanted":        {"-e ^a -e b", func(_ *hosted, c *ws.Conn) { says(t, c, "a"); says(t, c, "b"); closes(t, c, 1000) }, exitDone},
		"less than wanted":      {"-n 2", func(_ *hosted, c *ws.Conn) { says(t, c, "1"); c.Close(1000, "") }, exitUnseen},
		"no line to be sent":    {"--hex", func(h *hosted, c *ws.Conn) { io.WriteString(h.input, "x\n"); closes(t, c, 1000) }, exitFailed},
		"Ctrl-C, before enough": {"-n 2", func(h *hosted, c *ws.Conn) { h.stop(); closes(t, c, 1000) }, exitUnseen},
	} {
		t.Run(name, func(t *testing.T) {
			h := hosting(t, append([]string{"--listen", "127.0.0.1:0", "-x", "68"}, strings.Fields(tc.args)...)...)
			c := h.met(ws.DialOptions{})
			hears(t, c, map[bool]string{true: "h", false: "68"}[tc.args == "--hex"])
			tc.do(h, c)
			if code := h.exit(); code != tc.code {
				t.Errorf("exit status %d, want %d: %v", code, tc.code, h.result)
			}
		})
	}
	t.Run("Ctrl-C, and nobody has come", func(t *testing.T) {
		h := hosting(t, "--listen", "127.0.0.1:0")
		h.stop()
		if code := h.exit(); code != exitDone {
			t.Errorf("exit status %d", code)
		}
	})
	t.Run("Ctrl-C, as one comes", func(t *testing.T) {
		for range 200 {
			h := hosting(t, "--listen", "127.0.0.1:0")
			c := h.met(ws.DialOptions{})
			h.stop()
			if _, _, err := c.Read(patient(t)); errors.Is(err, context.DeadlineExceeded) {
				t.Fatal("it is forgotten")
			}
		}
	})
	t.Run("nobody comes in time", func(t *testing.T) {
		h := hosting(t, "--listen", "127.0.0.1:0", "-n", "1", "--timeout", "10ms")
		if code := h.exit(); code != exitUnseen {
			t.Errorf("exit status %d", code)
		}
	})
}

// TestConnectListenAddresses listens in each way there is.
func TestConnectListenAddresses(t *testing.T) {
	dir := t.TempDir()
	pair := filepath.Join(dir, "pair")
	if err := writePair(pair, time.Now()); err != nil {
		t.Fatal(err)
	}
	trusted, err := certificates(pair + ".pem")
	if err != nil {
		t.Fatal(err)
	}
	anybody, known := &tls.Config{InsecureSkipVerify: true}, &tls.Config{RootCAs: trusted}
	for _, tc := range []struct {
		args   string
		url    string
		config *tls.Config
	}{
		{"127.0.0.1:0", `^ws://127\.0\.0\.1:\d+$`, nil},
		{"0", `^ws://127\.0\.0\.1:\d+$`, nil}, // a port alone
		{":0", `^ws://localhost:\d+$`, nil},
		{"unix:SOCKET", `^ws\+unix://SOCKET$`, nil},
		{"unix://SOCKET", `^ws\+unix://SOCKET$`, nil},
		{"0 --tls-self-signed", `^wss://127\.0\.0\.1:\d+$`, anybody},
		{"unix:SOCKET --tls-self-signed", `^wss\+unix://SOCKET$`, anybody},
		{"0 --tls-cert PAIR.pem --tls-key PAIR-key.pem", `^wss://127\.0\.0\.1:\d+$`, known},
		{"0 --tls-cert PAIR.pem --tls-key PAIR-key.pem -v", `^wss://127\.0\.0\.1:\d+$`, known},
	} {
		t.Run(tc.args, func(t *testing.T) {
			socket := filepath.Join(shortDir(t), "s")
			names := strings.NewReplacer("SOCKET", socket, "PAIR", pair)
			h := hosting(t, append([]string{"--listen"}, strings.Fields(names.Replace(tc.args))...)...)
			if !regexp.MustCompile(names.Replace(tc.url)).MatchString(h.url) {
				t.Fatal(h.url)
			}
			o := ws.DialOptions{TLSConfig: tc.config}
			if scheme, path, ok := strings.Cut(h.url, "+unix://"); ok {
				o.UnixSocket, h.url = path, scheme+"://localhost"
			}
			c := h.met(o)
			says(t, c, "hello")
			h.out.until(t, "hello\n")
			c.Close(1000, "")
			if code := h.exit(); code != exitDone {
				t.Errorf("exit status %d", code)
			}
		})
	}
}

// TestConnectListenRenews has who comes later be shown a certificate that has changed.
func TestConnectListenRenews(t *testing.T) {
	t.Parallel()
	pair := filepath.Join(t.TempDir(), "pair")
	renew := func() *x509.CertPool {
		t.Helper()
		if err := writePair(pair, time.Now()); err != nil {
			t.Fatal(err)
		}
		trusted, err := certificates(pair + ".pem")
		if err != nil {
			t.Fatal(err)
		}
		return trusted
	}
	first := renew()
	h := hosting(t, "--listen", "0", "-k", "--tls-cert", pair+".pem", "--tls-key", pair+"-key.pem")
	h.met(ws.DialOptions{TLSConfig: &tls.Config{RootCAs: first}}).Close(1000, "")
	second := renew()
	h.err.until(t, "the certificate is renewed")
	eventually(t, "the first one has left", func() error {
		c, _, err := h.meet(ws.DialOptions{TLSConfig: &tls.Config{RootCAs: second}})
		if err == nil {
			c.Close(1000, "")
		}
		return err
	})
}

// TestConnectListenAgrees agrees on what it is told to, and shows that.
func TestConnectListenAgrees(t *testing.T) {
	stranger := ws.DialOptions{Origin: "https://evil.example"}
	h := hosting(t, "--listen", "127.0.0.1:0", "-k", "-v", "-s", "chat", "-s", "mqtt", "--compress")
	if _, resp, err := h.meet(stranger); err == nil || resp == nil || resp.StatusCode != 403 {
		t.Errorf("a page of another origin is answered %v, %v", resp, err)
	}
	h.err.until(t, " Origin: https://evil.example\n")
	h.err.until(t, " HTTP/1.1 403 Forbidden\n")
	c := h.met(ws.DialOptions{
		Origin: "http" + strings.TrimPrefix(h.url, "ws"), Subprotocols: []string{"mqtt", "chat"}, Header: http.Header{"Cookie": {"hush"}},
		ConnOptions: ws.ConnOptions{Compression: &deflate.Options{}},
	})
	if c.Subprotocol() != "chat" {
		t.Errorf("the subprotocol is %q", c.Subprotocol())
	}
	for _, line := range []string{
		"GET / HTTP/1.1", "Cookie: xxxxx (--show-secrets)", "Sec-Websocket-Protocol: mqtt, chat",
		"HTTP/1.1 101 Switching Protocols", "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate",
	} {
		h.err.until(t, " "+line)
	}
	if _, resp, err := h.meet(ws.DialOptions{}); err == nil || resp == nil || resp.StatusCode != 503 {
		t.Errorf("another one is answered %v, %v", resp, err)
	}
	h.err.until(t, " HTTP/1.1 503 Service Unavailable\n")
	h.err.until(t, " Retry-After: 1\n")
	resp, err := http.Post("http"+strings.TrimPrefix(h.url, "ws")+"/?key=hush", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	h.err.until(t, " POST /?key=xxxxx HTTP/1.1\n")
	c.Close(1000, "")
	h.err.until(t, " close FIN mask=")
	h.err.until(t, " close FIN len=2 (+2 header bytes)\n")
	h.stop()
	h.exit()
	if rest := h.err.text + h.err.take(); regexp.MustCompile("HTTP/1.1|no frame|close FIN").MatchString(rest) {
		t.Errorf("it goes on with %q", rest)
	}

	h = hosting(t, "--listen", "127.0.0.1:0", "--any-origin")
	if c := h.met(stranger); c.Subprotocol() != "" {
		t.Errorf("the subprotocol is %q", c.Subprotocol())
	}
}
