//go:build !js

package websocket_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/compat/websocket"
	"github.com/tidewire/tidewire/ws/frame"
)

// patience bounds what a test waits for; nothing waits it out but a failure.
const patience = 30 * time.Second

// leakCheck fails the test if it leaves a goroutine or a descriptor behind. Call it
// first.
func leakCheck(t testing.TB) {
	t.Helper()
	before := descriptors(t)
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		deadline := time.Now().Add(patience)
		for {
			err := goleak.Find(ignore)
			after := descriptors(t)
			if err == nil && after <= before {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("%d descriptors before, %d after; goroutines: %v", before, after, err)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
}

func descriptors(t testing.TB) int {
	d, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, os.ErrNotExist) {
		return 0 // not Linux
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// serve runs handle for each connection and returns the URL. It ends with the
// test, which waits for handle to return.
func serve(t testing.TB, u *websocket.Upgrader, handle func(c *websocket.Conn)) string {
	t.Helper()
	leakCheck(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("Upgrade: %v", err)
			return
		}
		defer c.Close()
		handle(c)
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func dial(t testing.TB, d *websocket.Dialer, url string) *websocket.Conn {
	t.Helper()
	c, _, err := d.Dial(url, nil)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

// pair returns both ends of a connection. The server's is the test's until it
// ends.
func pair(t testing.TB, u *websocket.Upgrader, d *websocket.Dialer) (client, server *websocket.Conn) {
	t.Helper()
	conns := make(chan *websocket.Conn, 1)
	over := make(chan struct{})
	url := serve(t, u, func(c *websocket.Conn) {
		conns <- c
		<-over
	})
	t.Cleanup(func() { close(over) })
	client = dial(t, d, url)
	server = <-conns
	server.SetReadDeadline(time.Now().Add(patience))
	return client, server
}

// rawPair is pair with a client that speaks raw bytes.
func rawPair(t testing.TB, u *websocket.Upgrader) (client net.Conn, server *websocket.Conn) {
	t.Helper()
	c, s := pair(t, u, &websocket.Dialer{EnableCompression: u.EnableCompression})
	c.NetConn().SetDeadline(time.Now().Add(patience))
	return c.NetConn(), s
}

func send(t testing.TB, nc net.Conn, h frame.Header, p string) {
	t.Helper()
	h.Masked, h.Key = true, frame.NewKey()
	if _, err := nc.Write(frame.Append(nil, h, []byte(p))); err != nil {
		t.Fatalf("raw peer: %v", err)
	}
}

func expect(t testing.TB, nc net.Conn, want frame.Header, payload string) {
	t.Helper()
	h, err := frame.ReadHeader(nc, make([]byte, frame.MaxHeaderSize))
	if err != nil {
		t.Fatalf("raw peer reads a header: %v", err)
	}
	p, err := frame.ReadPayload(nc, h, nil, 1<<20)
	if err != nil {
		t.Fatalf("raw peer reads a payload: %v", err)
	}
	want.Length = int64(len(payload))
	if h != want || string(p) != payload {
		t.Fatalf("raw peer got %+v %.40q, want %+v %.40q", h, p, want, payload)
	}
}

func mustWrite(t testing.TB, c *websocket.Conn, typ int, p []byte) {
	t.Helper()
	if err := c.WriteMessage(typ, p); err != nil {
		t.Fatalf("WriteMessage(%d, %d bytes): %v", typ, len(p), err)
	}
}

func mustRead(t testing.TB, c *websocket.Conn, typ int, want []byte) {
	t.Helper()
	got, p, err := c.ReadMessage()
	if err != nil || got != typ || !bytes.Equal(p, want) {
		t.Fatalf("ReadMessage: %d, %d bytes, %v; want %d, %d bytes", got, len(p), err, typ, len(want))
	}
}

func echo(c *websocket.Conn) {
	for {
		typ, r, err := c.NextReader()
		if err != nil {
			return
		}
		w, err := c.NextWriter(typ)
		if err != nil {
			return
		}
		if _, err := io.Copy(w, r); err != nil {
			return
		}
		if err := w.Close(); err != nil {
			return
		}
	}
}

func random(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(p)
	return p
}

func words(n int) []byte {
	return []byte(strings.Repeat("the tide comes in, ", n/19+1)[:n])
}
