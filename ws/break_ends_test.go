//go:build !js

package ws_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// MaxMessage is exact: a message of that size passes and one byte more does not,
// however it is cut, compressed or read.
func TestMaxMessageIsExact(t *testing.T) {
	for _, z := range []bool{false, true} {
		for _, frag := range []bool{false, true} {
			for _, how := range []string{"read", "reader", "messages", "into"} {
				for _, n := range []int{100, 5000, 70000} {
					for _, d := range []int{0, 1} {
						o := ws.ConnOptions{MaxMessage: int64(n)}
						if z {
							o.Compression = &deflate.Options{}
						}
						client, server := pair(t, "tcp", o)
						p := randomBytes(n + d)
						go func() {
							if frag {
								w, _ := client.Writer(context.Background(), ws.Binary)
								w.Write(p)
								w.Close()
							} else {
								client.Write(context.Background(), ws.Binary, p)
							}
							client.Read(context.Background())
						}()
						var got int
						var err error
						switch how {
						case "read":
							var q []byte
							_, q, err = server.Read(testContext(t))
							got = len(q)
						case "into":
							var q []byte
							_, q, err = server.ReadInto(testContext(t), make([]byte, 0, n+10))
							got = len(q)
						case "reader":
							var r io.Reader
							_, r, err = server.Reader(testContext(t))
							if err == nil {
								var q []byte
								q, err = io.ReadAll(r)
								got = len(q)
							}
						default:
							for m, e := range server.Messages(testContext(t)) {
								got, err = len(m.Data), e
								break
							}
						}
						if d == 0 && (err != nil || got != n) || d == 1 && !errors.Is(err, ws.ErrTooBig) {
							t.Error(z, frag, how, n, d, got, err)
						}
						client.CloseNow()
						server.CloseNow()
					}
				}
			}
		}
	}
}

// Both ends close at once, while readers read: soon over, and one answer for ever.
func TestBothEndsCloseAtOnce(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			for i := range 40 {
				client, server := pair(t, kind, ws.ConnOptions{CloseTimeout: patience})
				done := make(chan error, 8)
				go func() { _, _, err := server.Read(context.Background()); done <- err }()
				go func() { done <- server.Close(1000, "a") }()
				go func() { done <- client.Close(1001, "b") }()
				if i%2 == 0 {
					go func() { _, _, err := client.Read(context.Background()); done <- err }()
				} else {
					go func() { done <- nil }()
				}
				for range 4 {
					select {
					case <-done:
					case <-time.After(patience / 2):
						t.Fatal("somebody waits still")
					}
				}
				for _, c := range []*ws.Conn{client, server} {
					_, _, e1 := c.Read(context.Background())
					e2 := c.Write(context.Background(), ws.Text, nil)
					_, e3 := c.Ping(context.Background())
					if e1 != e2 || e2 != e3 || context.Cause(c.Context()) != e1 {
						t.Error(e1, e2, e3, context.Cause(c.Context()))
					}
					var ce *ws.CloseError
					if !errors.As(e1, &ce) || ce.Cause != nil || ce.Code != 1000 && ce.Code != 1001 {
						t.Error(e1)
					}
				}
			}
		})
	}
}

// A panic in the body of a Messages loop leaves the connection whole.
func TestPanicInMessagesBody(t *testing.T) {
	for kind := range streams {
		client, server := pair(t, kind, ws.ConnOptions{})
		for range 3 {
			mustWrite(t, client, ws.Binary, []byte("x"))
			mustWrite(t, client, ws.Binary, []byte("y"))
			func() {
				defer func() { recover() }()
				for range server.Messages(testContext(t)) {
					server.Write(context.Background(), ws.Binary, []byte("z"))
					panic("body")
				}
			}()
			if _, p := mustRead(t, client); string(p) != "z" {
				t.Error(string(p))
			}
			if _, p := mustRead(t, server); string(p) != "y" {
				t.Error(string(p))
			}
		}
	}
}
