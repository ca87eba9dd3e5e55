package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestEcho(t *testing.T) {
	s := serve(t)
	noise := make([]byte, maxEcho)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for name, compression := range map[string]*deflate.Options{"plain": nil, "deflate": {}} {
		t.Run(name, func(t *testing.T) {
			c := s.dial(t, "/echo", &ws.DialOptions{ConnOptions: ws.ConnOptions{MaxMessage: maxEcho, Compression: compression}})
			for _, m := range []struct {
				typ  ws.MessageType
				data []byte
			}{
				{ws.Text, nil},
				{ws.Binary, []byte{}},
				{ws.Text, []byte("{message}")},
				{ws.Text, []byte("naïve 日本語 🌊")},
				{ws.Binary, []byte{0, 0xff, 0x80}},
				{ws.Text, []byte(strings.Repeat("tidewire ", 20_000))},
				{ws.Binary, noise[:65536]},
				{ws.Binary, noise},
			} {
				if err := c.Write(t.Context(), m.typ, m.data); err != nil {
					t.Fatal(err)
				}
				typ, data, err := c.Read(t.Context())
				if err != nil || typ != m.typ || !bytes.Equal(data, m.data) {
					t.Fatalf("%d bytes of type %d came back as %d bytes of type %d, %v", len(m.data), m.typ, len(data), typ, err)
				}
			}
			if err := c.Close(ws.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

// watched has the server tell of the frames on a connection to /echo.
const watched = "?frames=0123456789abcdef0123456789abcdef&connection=1"

// What is looked at is the same.
func TestEchoWatched(t *testing.T) {
	s := serve(t)
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for _, query := range []string{watched, watched + "&plain"} {
		c := s.dial(t, "/echo"+query, &ws.DialOptions{ConnOptions: ws.ConnOptions{MaxMessage: maxEcho, Compression: &deflate.Options{}}})
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, len(noise)} {
			if err := c.Write(t.Context(), ws.Binary, noise[:size]); err != nil {
				t.Fatal(err)
			}
			if typ, p, err := c.Read(t.Context()); err != nil || typ != ws.Binary || !bytes.Equal(p, noise[:size]) {
				t.Fatalf("%s: %d bytes came back as %d of type %v, %v", query, size, len(p), typ, err)
			}
		}
		if err := c.Close(ws.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
	}
}

// A browser offers compression whether its page wants it or not.
func TestEchoPlain(t *testing.T) {
	s := serve(t)
	for path, want := range map[string]string{"/echo": "permessage-deflate", "/echo?plain": "", "/echo?x": "permessage-deflate"} {
		c, resp, err := ws.Dial(t.Context(), "ws://"+s.host+path, &ws.DialOptions{ConnOptions: ws.ConnOptions{Compression: &deflate.Options{}}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		got, _, _ := strings.Cut(resp.Header.Get("Sec-WebSocket-Extensions"), ";")
		if got != want {
			t.Errorf("%s: extensions %q, want %q", path, got, want)
		}
	}
}

func TestEchoRefusesTooMuch(t *testing.T) {
	c := serve(t).dial(t, "/echo", nil)
	// Whether the write still succeeds is a race; what the peer says is not.
	c.Write(t.Context(), ws.Binary, make([]byte, maxEcho+1))
	if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) != ws.StatusMessageTooBig {
		t.Errorf("33,554,433 bytes ended in %v, want 1009", err)
	}
}

func TestEchoIsForAnyPage(t *testing.T) {
	s := serve(t)
	c := s.dial(t, "/echo", &ws.DialOptions{Header: http.Header{"Origin": {"https://elsewhere.example"}}})
	c.Write(t.Context(), ws.Text, []byte("hi"))
	if _, data, err := c.Read(t.Context()); string(data) != "hi" {
		t.Errorf("%q, %v", data, err)
	}
}

// A peer that sends and does not receive is not read from any more; nothing is
// lost, and nothing is closed.
func TestEchoWaitsForASlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := echoOptions.ConnOptions
		o.WriteQueue = 1 << 10
		o.Compression = nil
		client, server := wstest.Pair(t, &wstest.PairOptions{Server: o})
		if err := server.Attach(newEcho()); err != nil {
			t.Fatal(err)
		}
		const messages = 2000
		sent := make(chan error, 1)
		go func() {
			var err error
			for i := 0; i < messages && err == nil; i++ {
				err = client.Write(context.Background(), ws.Binary, bytes.Repeat([]byte{byte(i)}, 512))
			}
			sent <- err
		}()
		synctest.Wait() // until all are stuck
		if len(sent) != 0 {
			t.Fatal("a megabyte went out, and nothing held it up")
		}
		if n := server.Buffered(); n > 2<<10 {
			t.Errorf("%d bytes are queued", n)
		}
		for i := range messages {
			_, data, err := client.Read(t.Context())
			if err != nil || len(data) != 512 || data[0] != byte(i) {
				t.Fatalf("message %d: %d bytes, %v", i, len(data), err)
			}
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

// A peer that goes away while the echo waits for it ends the waiting.
func TestEchoOfAPeerThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := echoOptions.ConnOptions
		o.WriteQueue = 1 << 10
		o.Compression = nil
		client, server := wstest.Pair(t, &wstest.PairOptions{Server: o})
		if err := server.Attach(newEcho()); err != nil {
			t.Fatal(err)
		}
		go func() {
			for client.Write(context.Background(), ws.Binary, make([]byte, 512)) == nil {
			}
		}()
		synctest.Wait()
		client.CloseNow()
		<-server.Context().Done()
		if err := context.Cause(server.Context()); errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
}
