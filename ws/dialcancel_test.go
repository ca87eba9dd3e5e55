//go:build !js

package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// A Dial is ended by its context in whatever phase it is, at once, and leaves
// nothing behind.
func TestDialIsCancelledInEveryPhase(t *testing.T) {
	phases := map[string]func(t *testing.T, cancel func()) (string, *ws.DialOptions){
		"dialling": func(t *testing.T, cancel func()) (string, *ws.DialOptions) {
			return "ws://example.com", &ws.DialOptions{NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			}}
		},
		"TLS": func(t *testing.T, cancel func()) (string, *ws.DialOptions) {
			return "wss://" + listen(t, func(nc net.Conn) { nc.Read(make([]byte, 1)); cancel() }), nil
		},
		"waiting": func(t *testing.T, cancel func()) (string, *ws.DialOptions) {
			return "ws://" + scripted(t, func(*http.Request, net.Conn) { cancel() }), nil
		},
		"in the head": func(t *testing.T, cancel func()) (string, *ws.DialOptions) {
			return "ws://" + scripted(t, func(_ *http.Request, nc net.Conn) {
				io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgr")
				cancel()
			}), nil
		},
		"in the body": func(t *testing.T, cancel func()) (string, *ws.DialOptions) {
			return "ws://" + scripted(t, func(_ *http.Request, nc net.Conn) {
				io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nabc")
				cancel()
			}), nil
		},
		"asking a proxy": func(t *testing.T, cancel func()) (string, *ws.DialOptions) {
			addr := scripted(t, func(*http.Request, net.Conn) { cancel() })
			return "ws://example.com", &ws.DialOptions{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: addr})}
		},
		"TLS with a proxy": func(t *testing.T, cancel func()) (string, *ws.DialOptions) {
			addr := listen(t, func(nc net.Conn) { nc.Read(make([]byte, 1)); cancel() })
			return "ws://example.com", &ws.DialOptions{Proxy: http.ProxyURL(&url.URL{Scheme: "https", Host: addr})}
		},
		"asking SOCKS": func(t *testing.T, cancel func()) (string, *ws.DialOptions) {
			addr := listen(t, func(nc net.Conn) { nc.Read(make([]byte, 1)); cancel() })
			return "ws://example.com", &ws.DialOptions{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5", Host: addr})}
		},
		"HTTPClient": func(t *testing.T, cancel func()) (string, *ws.DialOptions) {
			client := &http.Client{Transport: &http.Transport{}}
			t.Cleanup(client.CloseIdleConnections)
			return "ws://" + scripted(t, func(*http.Request, net.Conn) { cancel() }), &ws.DialOptions{HTTPClient: client}
		},
	}
	for name, phase := range phases {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			ctx, cancel := context.WithCancel(testContext(t))
			defer cancel()
			rawURL, o := phase(t, cancel)
			c, _, err := ws.Dial(ctx, rawURL, o)
			if c != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
		t.Run(name+" until the timeout", func(t *testing.T) {
			leakCheck(t)
			rawURL, o := phase(t, func() {})
			if o == nil {
				o = &ws.DialOptions{}
			}
			o.HandshakeTimeout = 50 * time.Millisecond
			c, _, err := ws.Dial(testContext(t), rawURL, o)
			if c != nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "HandshakeTimeout") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestDialContextDoesNotBindTheConnection(t *testing.T) {
	for name, o := range map[string]*ws.DialOptions{"own": nil, "HTTPClient": {HTTPClient: &http.Client{Timeout: time.Hour}}} {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			addr := acceptServer(t, nil).Listener.Addr().String()
			ctx, cancel := context.WithCancel(context.Background())
			c, _, err := ws.Dial(ctx, "ws://"+addr, o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			cancel()
			mustWrite(t, c, ws.Text, []byte("still here"))
			if _, p := mustRead(t, c); string(p) != "still here" {
				t.Errorf("read %q", p)
			}
		})
	}
}
