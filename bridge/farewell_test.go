package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// TestFarewellUnderWay has a WebSocket target close while it is spoken to. That is an end, not a break, whichever of the two is seen first.
func TestFarewellUnderWay(t *testing.T) {
	rule := pairRule(t, "ws", wsTarget(t, "ws", nil, func(ctx context.Context, c *ws.Conn) error {
		c.Read(ctx)
		return c.Close(4000, "enough")
	}))
	b := run(t, rule)
	where := b.at(0, rule.Listen)
	var group sync.WaitGroup
	for range 20 {
		c := dialWS(t, where)
		group.Go(func() {
			for c.Write(within(t), ws.Text, []byte("and then")) == nil {
			}
		})
		if _, _, err := c.Read(within(t)); ws.CloseStatus(err) != 4000 {
			t.Error(err)
		}
	}
	group.Wait()
	b.settled()
	if s := b.Stats()[0]; s.Broken != 0 {
		t.Errorf("%+v\n%s", s, b.logs)
	}
}

// TestMessagesStayWhole has messages pass between WebSocket connections with their type, and the close with its code and reason.
func TestMessagesStayWhole(t *testing.T) {
	rule := pairRule(t, "ws", wsTarget(t, "ws", &ws.AcceptOptions{Subprotocols: []string{"b"}, ConnOptions: ws.ConnOptions{MaxMessage: 8 << 20}}, func(ctx context.Context, c *ws.Conn) error {
		if c.Subprotocol() != "b" {
			t.Errorf("subprotocol %q", c.Subprotocol())
		}
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return nil
			}
			if string(m.Data) == "bye" {
				return c.Close(4321, "as you like")
			}
			c.Write(ctx, m.Type, m.Data)
		}
		return nil
	}))
	b := run(t, rule)
	c := dialWS(t, b.at(0, rule.Listen), "b", "a")
	if c.Subprotocol() != "b" {
		t.Fatalf("subprotocol %q", c.Subprotocol())
	}
	passed := int64(0)
	for _, n := range []int{0, 1, 65535, 65536, 65537, 5 << 20} {
		for _, typ := range []ws.MessageType{ws.Text, ws.Binary} {
			want := bytes.Repeat([]byte("é"), n/2+1)[:n&^1]
			if err := c.Write(within(t), typ, want); err != nil {
				t.Fatal(err)
			}
			passed += int64(len(want))
			back, got, err := c.Read(within(t))
			if err != nil || back != typ || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes of %d, %v, %v", len(got), len(want), back, err)
			}
		}
	}
	c.Write(within(t), ws.Text, []byte("bye"))
	_, _, err := c.Read(within(t))
	var closed *ws.CloseError
	if !errors.As(err, &closed) || closed.Code != 4321 || closed.Reason != "as you like" {
		t.Fatal(err)
	}
	b.settled()
	if s := b.Stats()[0]; s.Broken != 0 || s.In != passed+int64(len("bye")) || s.Out != passed {
		t.Fatalf("%+v\n%s", s, b.logs)
	}
	if want := fmt.Sprintf("in=%d out=%d", passed+int64(len("bye")), passed); !strings.Contains(b.logs.String(), "msg=ended") || !strings.Contains(b.logs.String(), want) {
		t.Errorf("the log does not say that it has ended with %s:\n%s", want, b.logs)
	}
}

// TestMessageIsCut has one of two WebSocket connections die or close between messages or within one: the other one must not take
// what it got for all, nor half a message for a whole one, and learns why.
func TestMessageIsCut(t *testing.T) {
	for from, key := range map[string]string{"client": "\x00\x00\x00\x00", "target": ""} {
		frame := func(opcode byte, announced int, payload string) string {
			b := []byte{opcode, byte(announced)}
			if announced > 125 {
				b = []byte{opcode, 126, byte(announced >> 8), byte(announced)}
			}
			if key != "" {
				b[1] |= 0x80
			}
			return string(b) + key + payload
		}
		kilo, much := strings.Repeat("x", 1000), strings.Repeat("x", 60_000)
		long := frame(0x02, len(much), much) + frame(0x00, len(much), much)
		for where, tc := range map[string]struct {
			said string
			code ws.StatusCode
		}{
			"between messages":      {"", ws.StatusBadGateway},
			"within a frame":        {frame(0x82, 1000, "x"), ws.StatusBadGateway},
			"between frames":        {frame(0x02, 1000, kilo), ws.StatusBadGateway},
			"within much":           {long + frame(0x80, 1000, "x"), ws.StatusBadGateway},
			"closes between frames": {frame(0x02, 1000, kilo) + frame(0x88, 2, "\x0f\xa0"), 4000},
			"closes within much":    {long + frame(0x88, 2, "\x0f\xa0"), 4000},
		} {
			t.Run("by the "+from+", "+where, func(t *testing.T) {
				t.Parallel()
				ended := make(chan error, 1)
				dies := func(ctx context.Context, c *ws.Conn) {
					if _, _, err := c.Read(ctx); err != nil {
						t.Error(err)
					}
					io.WriteString(c.NetConn(), tc.said)
					die(c.NetConn(), false)
				}
				lives := func(ctx context.Context, c *ws.Conn) {
					c.Write(ctx, ws.Text, []byte("hello"))
					_, _, err := c.Read(ctx)
					ended <- err
				}
				client, server := dies, lives
				if from == "target" {
					client, server = lives, dies
				}
				rule := pairRule(t, "ws", wsTarget(t, "ws", nil, func(ctx context.Context, c *ws.Conn) error {
					server(ctx, c)
					return nil
				}))
				b := run(t, rule)
				client(within(t), dialWS(t, b.at(0, rule.Listen)))
				var closed *ws.CloseError
				if err := <-ended; !errors.As(err, &closed) || closed.Code != tc.code || strings.HasPrefix(closed.Reason, from+": ") != (tc.code != 4000) {
					t.Error(err)
				}
				b.settled()
				if s := b.Stats()[0]; s.Broken != 1 {
					t.Errorf("%+v\n%s", s, b.logs)
				}
			})
		}
	}
}

// TestTakerDies has a WebSocket target die while it is sent messages, short ones and long ones.
func TestTakerDies(t *testing.T) {
	for _, n := range []int{1000, 100_000} {
		rule := pairRule(t, "ws", wsTarget(t, "ws", nil, func(ctx context.Context, c *ws.Conn) error {
			c.Read(ctx)
			die(c.NetConn(), true)
			return nil
		}))
		b := run(t, rule)
		c := dialWS(t, b.at(0, rule.Listen))
		var group sync.WaitGroup
		group.Go(func() {
			for p := noise(n); c.Write(within(t), ws.Binary, p) == nil; {
			}
		})
		var closed *ws.CloseError
		if _, _, err := c.Read(within(t)); !errors.As(err, &closed) || closed.Code != ws.StatusBadGateway || !strings.HasPrefix(closed.Reason, "target: ") {
			t.Errorf("messages of %d bytes: %v", n, err)
		}
		group.Wait()
		b.settled()
	}
}

// TestMessagesToStream has messages be written to a stream that dies, which is the client's fault, and end within one, for which the
// stream is reset.
func TestMessagesToStream(t *testing.T) {
	told := make(chan error, 1)
	rule := pairRule(t, "tcp", wsTarget(t, "ws", nil, func(ctx context.Context, c *ws.Conn) error {
		go func() {
			for p := noise(1 << 20); c.Write(ctx, ws.Binary, p) == nil; {
			}
		}()
		_, _, err := c.Read(within(t))
		told <- err
		return nil
	}))
	b := run(t, rule)
	client := dialStream(t, b.at(0, rule.Listen))
	if _, err := io.ReadFull(client, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	die(client, true)
	// Where the kernel was moving bytes there is no close frame.
	if err := <-told; ws.CloseStatus(err) == ws.StatusNormalClosure || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	b.settled()
	if s := b.Stats()[0]; s.Broken != 1 || !strings.Contains(b.logs.String(), `error="client: `) {
		t.Errorf("%+v\n%s", s, b.logs)
	}

	for _, n := range []int{10, 50_000} {
		rule = pairRule(t, "tcp", wsTarget(t, "ws", nil, func(ctx context.Context, c *ws.Conn) error {
			c.Read(ctx)
			io.WriteString(c.NetConn(), "\x82\x7e\xea\x60"+strings.Repeat("x", n)) // of 60,000
			die(c.NetConn(), false)
			return nil
		}))
		b = run(t, rule)
		client = dialStream(t, b.at(0, rule.Listen))
		io.WriteString(client, "hello")
		if got, err := io.ReadAll(client); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d bytes came of %d, and %v", len(got), n, err)
		}
	}
}
