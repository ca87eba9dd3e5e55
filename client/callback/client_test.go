//go:build !js

package callback_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/client/callback"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers each message with itself, "ping me" with a ping, "bye" with a
// close and "drop" with a cut.
func server(t *testing.T, addr string) (url string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	for deadline := time.Now().Add(patience); err != nil; ln, err = net.Listen("tcp", addr) {
		// For a moment another program's outgoing connection may have the port.
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	srv := &ws.Server{Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		greeting := r.Header("X-Greeting")
		return ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
			switch string(p) {
			case "greet":
				c.Write(context.Background(), ws.Text, []byte(greeting+" "+c.Subprotocol()))
			case "bye":
				c.Close(ws.StatusGoingAway, "bye")
			case "drop":
				c.CloseNow()
			case "ping me":
				go c.Ping(c.Context())
			default:
				c.Write(context.Background(), typ, p)
			}
		}), &ws.AcceptOptions{Subprotocols: []string{"chat"}}, nil
	}}
	done := make(chan struct{})
	go func() {
		srv.Serve(ln)
		close(done)
	}()
	stop = func() {
		srv.Close()
		<-done
	}
	t.Cleanup(stop)
	return "ws://" + ln.Addr().String(), stop
}

// log makes a client whose callbacks tell what they see.
func log(url string, o *ws.DialOptions) (*callback.Client, chan string) {
	seen := make(chan string, 1000)
	return &callback.Client{
		URL: url, Options: o,
		OnConnected:    func(*callback.Client) { seen <- "connected" },
		OnConnectError: func(err error, _ *callback.Client) { seen <- "connect error" },
		OnDisconnected: func(err error, _ *callback.Client) {
			seen <- fmt.Sprint("disconnected ", ws.CloseStatus(err) == ws.StatusNormalClosure)
		},
		OnTextMessage:   func(m string, _ *callback.Client) { seen <- "text " + m },
		OnBinaryMessage: func(p []byte, _ *callback.Client) { seen <- fmt.Sprintf("binary %x", p) },
		OnPing:          func(p string, _ *callback.Client) { seen <- "ping" },
		OnPong:          func(p string, _ *callback.Client) { seen <- "pong" },
	}, seen
}

func expect(t *testing.T, seen chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-seen:
			if got != w {
				t.Fatalf("saw %q, want %q", got, w)
			}
		case <-time.After(patience):
			t.Fatalf("saw nothing, want %q", w)
		}
	}
}

func connect(t *testing.T, c *callback.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Connect(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestEveryCallback(t *testing.T) {
	url, _ := server(t, "127.0.0.1:0")
	c, seen := log(url, &ws.DialOptions{Header: http.Header{"X-Greeting": {"hello"}}, Subprotocols: []string{"other", "chat"}})
	if err := c.SendText("too early"); !errors.Is(err, callback.ErrNotConnected) {
		t.Errorf("SendText before Connect: %v", err)
	}
	connect(t, c)
	if !c.Connected() {
		t.Error("not Connected after Connect")
	}
	expect(t, seen, "connected")
	c.SendText("greet")
	expect(t, seen, "text hello chat")
	c.SendBinary([]byte{1, 2})
	expect(t, seen, "binary 0102")
	c.SendText("ping me")
	expect(t, seen, "ping")
	if err := c.Connect(context.Background()); !errors.Is(err, callback.ErrStarted) {
		t.Errorf("Connect again: %v", err)
	}
	c.Close()
	c.Close()
	c.Wait()
	expect(t, seen, "disconnected true")
	if c.Connected() || !errors.Is(c.SendText("late"), callback.ErrNotConnected) {
		t.Error("still connected after Close")
	}
}

func TestConnectErrorIsToldAndReturned(t *testing.T) {
	h := httptest.NewServer(http.NotFoundHandler())
	defer h.Close()
	c, seen := log(strings.Replace(h.URL, "http", "ws", 1), nil)
	if err := c.Connect(context.Background()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("Connect: %v", err)
	}
	expect(t, seen, "connect error")
	c.Wait()
}

func TestConnectEndsWithItsContext(t *testing.T) {
	c, _ := log("ws://127.0.0.1:1", nil)
	c.Reconnect = &callback.Backoff{Min: time.Millisecond, Max: time.Millisecond}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := c.Connect(ctx); err == nil {
		t.Error("connected to nobody")
	}
	c.Wait()
}

// A context that ends while OnConnected runs leaves no connection behind.
func TestConnectThatIsTooLate(t *testing.T) {
	url, _ := server(t, "127.0.0.1:0")
	c, seen := log(url, nil)
	c.Reconnect = &callback.Backoff{}
	ctx, cancel := context.WithCancel(context.Background())
	c.OnConnected = func(*callback.Client) { cancel() }
	if err := c.Connect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Connect: %v", err)
	}
	expect(t, seen, "disconnected true")
	c.Wait()
}

func TestConnectWhenOnConnectedPanics(t *testing.T) {
	url, _ := server(t, "127.0.0.1:0")
	c, seen := log(url, &ws.DialOptions{ConnOptions: ws.ConnOptions{Logger: slog.New(slog.DiscardHandler)}})
	c.OnConnected = func(*callback.Client) { panic("oh") }
	connected := make(chan error, 1)
	go func() { connected <- c.Connect(context.Background()) }()
	expect(t, seen, "disconnected false")
	select {
	case err := <-connected:
		if err != nil {
			t.Errorf("Connect: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Connect does not return")
	}
	c.Wait()
}

func TestReconnect(t *testing.T) {
	url, stop := server(t, "127.0.0.1:0")
	c, seen := log(url, nil)
	c.Reconnect = &callback.Backoff{Min: time.Millisecond, Max: 10 * time.Millisecond}
	connect(t, c)
	expect(t, seen, "connected")
	for _, how := range []string{"bye", "drop"} {
		c.SendText(how)
		expect(t, seen, "disconnected false", "connected")
		c.SendText("back")
		expect(t, seen, "text back")
	}
	stop()
	expect(t, seen, "disconnected false", "connect error")
	server(t, strings.TrimPrefix(url, "ws://"))
	for got := range seen {
		if got == "connected" {
			break
		}
		if got != "connect error" {
			t.Fatalf("saw %q", got)
		}
	}
	c.SendText("back again")
	expect(t, seen, "text back again")
	c.Close()
	c.Wait()
}

// A connection that came about makes the next wait short again, however often it
// is lost.
func TestBackoffBeginsAnewAfterSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := wstest.Listen()
		srv := &ws.Server{Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			return ws.HandlerFunc(func(c *ws.Conn, _ ws.MessageType, _ []byte) { c.CloseNow() }), nil, nil
		}}
		served := make(chan struct{})
		go func() {
			srv.Serve(ln)
			close(served)
		}()
		c, seen := log("ws://wstest/", &ws.DialOptions{NetDial: ln.DialContext})
		c.Reconnect = &callback.Backoff{Min: time.Second, Max: time.Hour}
		connect(t, c)
		expect(t, seen, "connected")
		for range 15 {
			c.SendText("drop")
			expect(t, seen, "disconnected false")
			start := time.Now()
			expect(t, seen, "connected")
			if waited := time.Since(start); waited > 2*time.Second {
				t.Fatalf("it came back after %v", waited)
			}
		}
		c.Close()
		c.Wait()
		srv.Close()
		<-served
	})
}

func TestCloseInsideACallback(t *testing.T) {
	url, _ := server(t, "127.0.0.1:0")
	c, seen := log(url, nil)
	c.Reconnect = &callback.Backoff{}
	c.OnTextMessage = func(string, *callback.Client) { c.Close() }
	connect(t, c)
	c.SendText("x")
	c.Wait()
	expect(t, seen, "connected", "disconnected true")
}

// Certificates are verified unless the switch that says otherwise is set.
func TestTLSIsVerified(t *testing.T) {
	h := httptest.NewTLSServer(ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
		_, _, err := c.Read(ctx)
		return err
	}, nil))
	defer h.Close()
	url := strings.Replace(h.URL, "https", "wss", 1)
	c, _ := log(url, nil)
	if err := c.Connect(context.Background()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate was accepted: %v", err)
	}
	c.Wait()
	c, seen := log(url, &ws.DialOptions{InsecureSkipVerify: true})
	connect(t, c)
	expect(t, seen, "connected")
	c.Close()
	c.Wait()
}
