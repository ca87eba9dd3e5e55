//go:build !js

package callback_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client/callback"
	"github.com/tidewire/tidewire/ws"
)

// within fails the test if f does not return.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s hangs", what)
	}
}

func TestPanicInOnConnectErrorIsLogged(t *testing.T) {
	h := httptest.NewServer(http.NotFoundHandler())
	defer h.Close()
	c, _ := log(strings.Replace(h.URL, "http", "ws", 1), nil)
	c.OnConnectError = func(error, *callback.Client) { panic("on purpose") }
	if err := c.Connect(context.Background()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("Connect: %v", err)
	}
	c.Wait()
}

// closingJar closes the client while Dial hands it the handshake's cookies, which
// is after the connection is made and before it is attached.
type closingJar struct {
	*cookiejar.Jar
	client *callback.Client
}

func (j closingJar) SetCookies(*url.URL, []*http.Cookie) { j.client.Close() }

func TestCloseBetweenDialAndAttach(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "a=b")
		if c, err := ws.Accept(w, r, nil); err == nil {
			c.Read(context.Background())
			c.CloseNow()
		}
	}))
	defer h.Close()
	jar, _ := cookiejar.New(nil)
	c, _ := log(strings.Replace(h.URL, "http", "ws", 1), nil)
	c.Options = &ws.DialOptions{Jar: closingJar{jar, c}}
	within(t, "Connect", func() {
		if err := c.Connect(context.Background()); err == nil {
			t.Error("Connect says nothing of the Close")
		}
	})
	within(t, "Wait", c.Wait)
	if c.Connected() {
		t.Error("still connected")
	}
}
