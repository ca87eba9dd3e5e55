package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/tidewire/tidewire/ws"
)

// TestGoldenHandshakes makes the handshakes that are printed in RFC 6455
// section 1.3 and in the tutorial of golang.org/x/net/websocket's day, byte by
// byte over a raw socket, at every plain door.
func TestGoldenHandshakes(t *testing.T) {
	requests := map[string]struct{ request, accept, protocol string }{
		"RFC 6455": {
			"GET /chat HTTP/1.1\r\n" +
				"Host: server.example.com\r\n" +
				"Upgrade: websocket\r\n" +
				"Connection: Upgrade\r\n" +
				"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
				"Origin: http://example.com\r\n" +
				"Sec-WebSocket-Protocol: chat, superchat\r\n" +
				"Sec-WebSocket-Version: 13\r\n\r\n",
			"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "chat",
		},
		"tutorial": {
			"GET /chat HTTP/1.1\r\n" +
				"Host: server.example.com\r\n" +
				"Upgrade: websocket\r\n" +
				"Connection: Upgrade\r\n" +
				"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n" +
				"Sec-WebSocket-Protocol: chat, superchat\r\n" +
				"Sec-WebSocket-Version: 13\r\n" +
				"Origin: http://example.com\r\n\r\n",
			"HSmrc0sMlYUkAGmm5OPpG2HaGWk=", "chat",
		},
	}
	o := ws.AcceptOptions{Subprotocols: []string{"chat"}, Origins: []string{"example.com"}}
	echo := func(c *ws.Conn) error {
		typ, p, err := c.Read(context.Background())
		if err != nil {
			return err
		}
		return c.Write(context.Background(), typ, p)
	}
	doors := map[string]func(t *testing.T) (addr string){
		"HTTPHandler": func(t *testing.T) string {
			return listenHTTP(t, false, ws.HTTPHandler(func(_ context.Context, c *ws.Conn) error { return echo(c) }, &o))
		},
		"Accept": func(t *testing.T) string {
			return listenHTTP(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := ws.Accept(w, r, &o)
				if err != nil {
					t.Error(err)
					return
				}
				must(t, echo(c))
				must(t, c.Close(ws.StatusNormalClosure, ""))
			}))
		},
		"Upgrade": func(t *testing.T) string {
			ln := listenTCP(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				nc, err := ln.Accept()
				must(t, err)
				c, err := ws.Upgrade(nc, &ws.UpgradeOptions{Subprotocols: o.Subprotocols, Origins: o.Origins})
				if err != nil {
					t.Error(err)
					return
				}
				must(t, echo(c))
				must(t, c.Close(ws.StatusNormalClosure, ""))
			}()
			t.Cleanup(func() { ln.Close(); <-done })
			return "ws://" + ln.Addr().String()
		},
		"Server": func(t *testing.T) string {
			srv := &ws.Server{Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
				return ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
					must(t, c.Write(context.Background(), typ, p))
					must(t, c.Close(ws.StatusNormalClosure, ""))
				}), &o, nil
			}}
			ln, done := listenTCP(t), make(chan struct{})
			go func() {
				defer close(done)
				if err := srv.Serve(ln); err != ws.ErrServerClosed {
					t.Error(err)
				}
			}()
			t.Cleanup(func() { srv.Close(); <-done })
			return "ws://" + ln.Addr().String()
		},
	}
	for name, listen := range doors {
		for what, g := range requests {
			t.Run(name+"/"+what, func(t *testing.T) {
				leakCheck(t)
				nc, err := net.Dial("tcp", strings.TrimPrefix(listen(t), "ws://"))
				must(t, err)
				defer nc.Close()
				must(t, nc.SetDeadline(time.Now().Add(patience)))
				// The masked "Hello" of RFC 6455 section 5.7 comes in the handshake's segment.
				_, err = io.WriteString(nc, g.request+"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
				must(t, err)
				br := bufio.NewReader(nc)
				resp, err := http.ReadResponse(br, &http.Request{Method: "GET"})
				must(t, err)
				h := resp.Header
				if resp.StatusCode != 101 || h.Get("Sec-WebSocket-Accept") != g.accept || h.Get("Sec-WebSocket-Protocol") != g.protocol ||
					!strings.EqualFold(h.Get("Upgrade"), "websocket") || !strings.EqualFold(h.Get("Connection"), "upgrade") || h.Get("Sec-WebSocket-Extensions") != "" {
					t.Errorf("%d %v", resp.StatusCode, h)
				}
				got := make([]byte, 7+4)
				_, err = io.ReadFull(br, got)
				must(t, err)
				if want := "\x81\x05Hello\x88\x02\x03\xe8"; string(got) != want {
					t.Errorf("got the frames %q, want %q", got, want)
				}
				_, err = io.WriteString(nc, "\x88\x82\x00\x00\x00\x00\x03\xe8")
				must(t, err)
				if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
					t.Errorf("after the close: %q, %v", rest, err)
				}
			})
		}
	}
}

// TestJSON: what JSON.Send sends, x/net's codec receives as it was, and the
// other way round; so do programs written for either side of the tutorial.
func TestJSON(t *testing.T) {
	type note struct {
		Message string `json:"message"`
	}
	type envelope struct {
		Type string `json:"type"`
		Data string `json:"data"`
	}
	inner, err := json.Marshal(envelope{"inner", `quote " and \ and <b> & 潮`})
	must(t, err)
	want := envelope{"chat", string(inner)}

	theirEcho := websocket.Server{Handler: func(c *websocket.Conn) {
		defer c.Close() // x/net answers a close frame with this alone
		for {
			var v map[string]any
			if err := websocket.JSON.Receive(c, &v); err != nil {
				return
			}
			if err := websocket.JSON.Send(c, v); err != nil {
				return
			}
		}
	}}
	ourEcho := ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
		for {
			var v map[string]any
			if err := ws.JSON.Receive(ctx, c, &v); err != nil {
				return err
			}
			if err := ws.JSON.Send(ctx, c, v); err != nil {
				return err
			}
		}
	}, nil)

	t.Run("our client", func(t *testing.T) {
		leakCheck(t)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, _, err := ws.Dial(ctx, listenHTTP(t, false, theirEcho), nil)
		must(t, err)
		must(t, ws.JSON.Send(ctx, c, note{"hello"}))
		var n note
		must(t, ws.JSON.Receive(ctx, c, &n))
		if n.Message != "hello" {
			t.Errorf("got %+v", n)
		}
		must(t, ws.JSON.Send(ctx, c, want))
		var e envelope
		must(t, ws.JSON.Receive(ctx, c, &e))
		if e != want {
			t.Errorf("got %+v, want %+v", e, want)
		}
		// What encoding/json escapes, and what it would have escaped.
		must(t, ws.JSON.Send(ctx, c, json.RawMessage(`{"message":"<&>\u2028"}`)))
		must(t, ws.JSON.Receive(ctx, c, &n))
		if n.Message != "<&>\u2028" {
			t.Errorf("got %+v", n)
		}
		must(t, c.Close(ws.StatusNormalClosure, ""))
	})
	t.Run("their client", func(t *testing.T) {
		leakCheck(t)
		url := listenHTTP(t, false, ourEcho)
		c, err := websocket.Dial(url, "", "http"+strings.TrimPrefix(url, "ws"))
		must(t, err)
		defer c.Close()
		must(t, websocket.JSON.Send(c, note{"hello"}))
		var n note
		must(t, websocket.JSON.Receive(c, &n))
		if n.Message != "hello" {
			t.Errorf("got %+v", n)
		}
		must(t, websocket.JSON.Send(c, want))
		var e envelope
		must(t, websocket.JSON.Receive(c, &e))
		if e != want {
			t.Errorf("got %+v, want %+v", e, want)
		}
		var again envelope
		must(t, json.Unmarshal([]byte(e.Data), &again))
		if again.Type != "inner" {
			t.Errorf("data holds %+v", again)
		}
	})
}

// TestSmallReads reads a message of 2,000 bytes with a buffer of 1,024, as the
// tutorial does, and then the next message. Beside it stands x/net's own Read,
// which loses nothing either: a program that takes each Read for a message is
// what loses. Both end a Read where a message ends.
func TestSmallReads(t *testing.T) {
	long, short := text(2000), []byte("the next one")
	whole := append(append([]byte(nil), long...), short...)
	drain := func(t *testing.T, r io.Reader) {
		t.Helper()
		var got []byte
		buf := make([]byte, 1024)
		for reads := 1; len(got) < len(whole); reads++ {
			n, err := r.Read(buf)
			if err != nil {
				t.Fatalf("read %d: %v after %d bytes", reads, err, len(got))
			}
			if len(got) < len(long) && len(got)+n > len(long) {
				t.Errorf("read %d crosses from one message into the next", reads)
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, whole) {
			t.Error("the bytes differ")
		}
	}

	t.Run("NetConn", func(t *testing.T) {
		leakCheck(t)
		done := make(chan struct{})
		url := listenHTTP(t, false, ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
			defer close(done)
			drain(t, ws.NetConn(ctx, c, ws.Text))
			return nil
		}, nil))
		c, err := websocket.Dial(url, "", "http"+strings.TrimPrefix(url, "ws"))
		must(t, err)
		defer c.Close()
		must(t, websocket.Message.Send(c, string(long)))
		must(t, websocket.Message.Send(c, string(short)))
		await(t, done)
	})
	t.Run("x/net", func(t *testing.T) {
		leakCheck(t)
		url := listenHTTP(t, false, websocket.Server{Handler: func(c *websocket.Conn) {
			defer c.Close()
			drain(t, c)
			_, _ = c.Read(make([]byte, 1))
		}})
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, _, err := ws.Dial(ctx, url, nil)
		must(t, err)
		must(t, c.Write(ctx, ws.Text, long))
		must(t, c.Write(ctx, ws.Text, short))
		must(t, c.Close(ws.StatusNormalClosure, ""))
	})
}
