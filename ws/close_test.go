//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

func closeError(t *testing.T, err error) *ws.CloseError {
	t.Helper()
	var ce *ws.CloseError
	if !errors.As(err, &ce) {
		t.Fatalf("no CloseError: %v", err)
	}
	return ce
}

func TestCloseHandshakeFromEitherSide(t *testing.T) {
	for kind := range streams {
		for _, first := range []string{"client", "server", "both"} {
			t.Run(kind+"/"+first, func(t *testing.T) {
				leakCheck(t)
				client, srv := pair(t, kind, ws.ConnOptions{})
				var wg sync.WaitGroup
				closing := func(c *ws.Conn) {
					wg.Go(func() {
						if err := c.Close(ws.StatusGoingAway, "done"); err != nil {
							t.Errorf("Close: %v", err)
						}
					})
				}
				reading := func(c *ws.Conn) {
					wg.Go(func() {
						_, _, err := c.Read(context.Background())
						ce := closeError(t, err)
						if ce.By != ws.Peer || ce.Code != ws.StatusGoingAway || ce.Reason != "done" || ce.At.IsZero() {
							t.Errorf("Read: %v", err)
						}
						if _, _, again := c.Read(context.Background()); again != err {
							t.Errorf("the second Read gave %v after %v", again, err)
						}
						if werr := c.Write(context.Background(), ws.Text, nil); werr != err {
							t.Errorf("Write gave %v after %v", werr, err)
						}
					})
				}
				switch first {
				case "client":
					closing(client)
					reading(srv)
				case "server":
					closing(srv)
					reading(client)
				case "both":
					closing(client)
					closing(srv)
				}
				wg.Wait()
				for _, c := range []*ws.Conn{client, srv} {
					select {
					case <-c.Context().Done():
					case <-time.After(patience):
						t.Fatal("the context did not end")
					}
					if cause := context.Cause(c.Context()); ws.CloseStatus(cause) != ws.StatusGoingAway {
						t.Errorf("the context's cause: %v", cause)
					}
				}
			})
		}
	}
}

func TestCloseManyTimesFromManyGoroutines(t *testing.T) {
	leakCheck(t)
	client, srv := pair(t, "tcp", ws.ConnOptions{})
	go echo(srv)
	go func() {
		for {
			if _, _, err := client.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := client.Close(ws.StatusNormalClosure, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	wg.Wait()
	if err := client.Close(ws.StatusNormalClosure, ""); err != nil {
		t.Errorf("Close after all: %v", err)
	}
}

func TestCloseRefusesWhatMayNotBeSent(t *testing.T) {
	client, srv := pair(t, "memory", ws.ConnOptions{})
	for _, bad := range []struct {
		code   ws.StatusCode
		reason string
	}{
		{0, ""}, {999, ""}, {1004, ""}, {ws.StatusNoStatusRcvd, "reason without a code"}, {ws.StatusAbnormalClosure, ""},
		{ws.StatusTLSHandshake, ""}, {1016, ""}, {2999, ""}, {5000, ""},
		{1000, string(bytes.Repeat([]byte("x"), 124))}, {1000, "\xff"},
	} {
		if err := client.Close(bad.code, bad.reason); err == nil {
			t.Errorf("Close(%d, %q) was accepted", bad.code, bad.reason)
		}
	}
	go client.Write(context.Background(), ws.Text, []byte("still open"))
	if _, p := mustRead(t, srv); string(p) != "still open" {
		t.Errorf("got %q", p)
	}
}

func TestCloseWithoutCode(t *testing.T) {
	client, srv := pair(t, "tcp", ws.ConnOptions{})
	go client.Close(ws.StatusNoStatusRcvd, "")
	_, _, err := srv.Read(testContext(t))
	if ce := closeError(t, err); ce.Code != ws.StatusNoStatusRcvd || ce.By != ws.Peer {
		t.Errorf("got %v", err)
	}
}

// A peer that never answers a close holds nobody up for longer than the timeout.
func TestPeerThatNeverAnswersClose(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			_, c := server(t, kind, ws.ConnOptions{CloseTimeout: 50 * time.Millisecond})
			err := c.Close(ws.StatusNormalClosure, "")
			if ce := closeError(t, err); ce.By != ws.Us || ce.Code != ws.StatusNormalClosure || ce.Cause == nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// A peer that reads nothing at all, not even our close frame.
func TestPeerThatStopsReading(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			_, c := server(t, kind, ws.ConnOptions{CloseTimeout: 50 * time.Millisecond, WriteQueue: 100 << 20})
			for c.Buffered() < 1<<20 {
				if !c.TryWrite(ws.Binary, make([]byte, 1<<20)) {
					t.Fatal("TryWrite said no")
				}
			}
			if err := c.Close(ws.StatusNormalClosure, ""); err == nil {
				t.Error("Close claims that a peer which reads nothing has answered")
			}
		})
	}
}

func TestNetworkLossIsToldFromClose(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			nc, c := server(t, kind, ws.ConnOptions{})
			nc.Close()
			_, _, err := c.Read(testContext(t))
			ce := closeError(t, err)
			if ce.By != ws.Network || ce.Code != ws.StatusAbnormalClosure || ce.Cause == nil {
				t.Errorf("got %v", err)
			}
		})
	}
	nc, c := server(t, "memory", ws.ConnOptions{})
	nc.Write([]byte{0x82})
	nc.Close()
	_, _, err := c.Read(testContext(t))
	if !errors.Is(err, io.EOF) {
		t.Errorf("the cause is not found: %v", err)
	}
}

func TestCloseNow(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{})
			reading := make(chan error, 1)
			go func() {
				_, _, err := client.Read(context.Background())
				reading <- err
			}()
			client.CloseNow()
			client.CloseNow()
			if ce := closeError(t, <-reading); ce.By != ws.Us {
				t.Errorf("Read: %v", ce)
			}
			_, _, err := srv.Read(testContext(t))
			if ce := closeError(t, err); ce.By != ws.Network {
				t.Errorf("the peer: %v", ce)
			}
		})
	}
}

// A peer that is in the middle of sending 16 MiB when it is refused still reads
// why.
func TestRefusalReachesAPeerThatIsSending(t *testing.T) {
	for _, kind := range []string{"tcp", "unix", "tls", "wire"} {
		for _, way := range []string{"read", "attach"} {
			t.Run(kind+"/"+way, func(t *testing.T) {
				leakCheck(t)
				client, srv := pair(t, kind, ws.ConnOptions{CloseTimeout: patience})
				switch way {
				case "read":
					go srv.Read(context.Background())
				case "attach":
					srv.Attach(ws.HandlerFunc(func(*ws.Conn, ws.MessageType, []byte) {}))
				}
				sent := make(chan error, 1)
				go func() { sent <- client.Write(context.Background(), ws.Binary, make([]byte, 16<<20)) }()
				_, _, err := client.Read(testContext(t))
				if ce := closeError(t, err); ce.By != ws.Peer || ce.Code != ws.StatusMessageTooBig {
					t.Errorf("the sender was told %v", err)
				}
				<-sent
			})
		}
	}
}

// The same for a peer that looks for an answer only when it has sent everything: a
// reset would make its Write fail, and it would never know why.
func TestRefusalReachesAPeerThatReadsWhenItHasSent(t *testing.T) {
	for _, kind := range []string{"tcp", "unix", "tls", "wire"} {
		for _, way := range []string{"read", "attach"} {
			t.Run(kind+"/"+way, func(t *testing.T) {
				leakCheck(t)
				nc, srv := server(t, kind, ws.ConnOptions{CloseTimeout: patience})
				switch way {
				case "read":
					go srv.Read(context.Background())
				case "attach":
					srv.Attach(ws.HandlerFunc(func(*ws.Conn, ws.MessageType, []byte) {}))
				}
				nc.SetDeadline(time.Now().Add(patience))
				if n, err := nc.Write(rawFrame(true, frame.Binary, make([]byte, 16<<20))); err != nil {
					t.Fatalf("cut off after %d bytes: %v", n, err)
				}
				h, err := frame.ReadHeader(nc, make([]byte, frame.MaxHeaderSize))
				if err != nil || h.Opcode != frame.Close {
					t.Fatalf("%+v, %v", h, err)
				}
				p, err := frame.ReadPayload(nc, h, nil, -1)
				if err != nil || len(p) < 2 || binary.BigEndian.Uint16(p) != 1009 {
					t.Errorf("%q, %v", p, err)
				}
				nc.Close()
			})
		}
	}
}

// A message and the end of the stream in one go: the end is noticed at once, and
// not by keepalive.
func TestMessageAndFINTogether(t *testing.T) {
	for _, kind := range []string{"tcp", "unix", "tls", "wire", "memory"} {
		for _, way := range []string{"attach", "messages", "read"} {
			t.Run(kind+"/"+way, func(t *testing.T) {
				leakCheck(t)
				for range 50 {
					nc, c := server(t, kind, ws.ConnOptions{PingInterval: -1})
					h := &recorder{closed: make(chan error, 1)}
					nc.Write(rawFrame(true, frame.Text, []byte("last")))
					nc.Close()
					go func() {
						switch way {
						case "attach":
							c.Attach(h)
						case "messages":
							for m, err := range c.Messages(context.Background()) {
								if err != nil {
									h.Closed(c, err)
								} else {
									h.Message(c, m.Type, m.Data)
								}
							}
						case "read":
							for {
								typ, p, err := c.Read(context.Background())
								if err != nil {
									h.Closed(c, err)
									return
								}
								h.Message(c, typ, p)
							}
						}
					}()
					select {
					case err := <-h.closed:
						if got := h.all(); len(got) != 1 || got[0] != "last" {
							t.Fatalf("got %q before %v", got, err)
						}
					case <-time.After(patience):
						t.Fatal("the end of the stream was not noticed")
					}
				}
			})
		}
	}
}

// So is a reset that came with the message, though the kernel counts it nowhere.
func TestMessageAndResetTogether(t *testing.T) {
	for _, way := range []string{"attach", "messages"} {
		t.Run(way, func(t *testing.T) {
			leakCheck(t)
			nc, c := server(t, "tcp", ws.ConnOptions{PingInterval: -1})
			h := &recorder{closed: make(chan error, 1)}
			nc.Write(rawFrame(true, frame.Text, []byte("last")))
			nc.(*net.TCPConn).SetLinger(0)
			nc.Close()
			if way == "attach" {
				c.Attach(h)
			} else {
				go func() {
					for m, err := range c.Messages(context.Background()) {
						if err != nil {
							h.Closed(c, err)
						} else {
							h.Message(c, m.Type, m.Data)
						}
					}
				}()
			}
			select {
			case err := <-h.closed:
				if got := h.all(); len(got) != 1 || !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("got %q before %v", got, err)
				}
			case <-time.After(patience):
				t.Fatal("the reset was not noticed")
			}
		})
	}
}

// recorder is a Handler that keeps what it sees.
type recorder struct {
	mu     sync.Mutex
	got    []string
	opened int
	closed chan error
}

func (r *recorder) Opened(*ws.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened++
}

func (r *recorder) Message(_ *ws.Conn, _ ws.MessageType, p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, string(p))
}

func (r *recorder) Closed(_ *ws.Conn, err error) { r.closed <- err }

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.got...)
}

// After our close frame nothing more is sent, and what comes after the peer's is
// not looked at.
func TestNothingPassesAClose(t *testing.T) {
	nc, c := server(t, "memory", ws.ConnOptions{})
	closing := make(chan error, 1)
	go func() { closing <- c.Close(ws.StatusNormalClosure, "") }()
	if got := readRaw(t, nc); got.Opcode != frame.Close {
		t.Fatalf("got %v", got)
	}
	if err := c.Write(context.Background(), ws.Text, []byte("late")); ws.CloseStatus(err) != ws.StatusNormalClosure {
		t.Errorf("Write after Close: %v", err)
	}
	wire := rawFrame(true, frame.Close, binary.BigEndian.AppendUint16(nil, 1000))
	nc.Write(append(wire, rawFrame(true, frame.Text, []byte("after the close"))...))
	if err := <-closing; err != nil {
		t.Errorf("Close: %v", err)
	}
	if rest, err := io.ReadAll(nc); err != nil || len(rest) > 0 {
		t.Errorf("%x came after the close frame, %v", rest, err)
	}
}

// readRaw reads one frame from a server's stream.
func readRaw(t *testing.T, nc net.Conn) frame.Header {
	t.Helper()
	nc.SetReadDeadline(time.Now().Add(patience))
	h, err := frame.ReadHeader(nc, make([]byte, frame.MaxHeaderSize))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, nc, h.Length); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestWriteStuckEndsTheConnection(t *testing.T) {
	a, b := wstest.Pipe()
	c := ws.NewConn(a, ws.Params{ConnOptions: ws.ConnOptions{WriteTimeout: time.Millisecond, PingInterval: -1}})
	defer c.CloseNow()
	defer b.Close()
	err := c.Write(testContext(t), ws.Binary, make([]byte, 1<<20))
	if !errors.Is(err, ws.ErrWriteStuck) {
		t.Errorf("got %v", err)
	}
}

// A Read that comes while a Close is waiting for the peer waits with it.
func TestReadDuringClose(t *testing.T) {
	leakCheck(t)
	client, srv := pair(t, "tcp", ws.ConnOptions{})
	closed := make(chan error, 1)
	go func() { closed <- srv.Close(ws.StatusNormalClosure, "bye") }()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	waitFor(t, func() bool { // Close has taken the reading
		err := srv.Write(context.Background(), ws.Text, nil)
		return ws.CloseStatus(err) == ws.StatusNormalClosure
	})
	read := make(chan error, 1)
	go func() {
		_, _, err := srv.Read(context.Background())
		read <- err
	}()
	if _, _, err := srv.Read(ended); !errors.Is(err, context.Canceled) && !errors.Is(err, ws.ErrReading) {
		t.Errorf("a Read whose context has ended: %v", err)
	}
	for err := error(nil); ws.CloseStatus(err) == 0; {
		_, _, err = client.Read(testContext(t))
		if err != nil && ws.CloseStatus(err) != ws.StatusNormalClosure {
			t.Fatalf("the peer: %v", err)
		}
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	if ce := closeError(t, <-read); ce.By != ws.Us || ce.Code != ws.StatusNormalClosure {
		t.Errorf("Read: %v", ce)
	}
}

// "defer c.CloseNow()" behind a Read that told of the end does not take back the
// close frame that is on its way.
func TestCloseNowLeavesTheAnswer(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{})
			over := make(chan struct{})
			go func() {
				defer close(over)
				srv.Read(context.Background())
				srv.CloseNow()
			}()
			if err := client.Close(ws.StatusNormalClosure, "bye"); err != nil {
				t.Errorf("Close: %v", err)
			}
			<-over
			client, srv = pair(t, kind, ws.ConnOptions{MaxMessage: 100, CloseTimeout: soon})
			go func() {
				srv.Read(context.Background())
				srv.CloseNow()
			}()
			go client.Write(context.Background(), ws.Binary, make([]byte, 1<<20))
			if _, _, err := client.Read(testContext(t)); ws.CloseStatus(err) != ws.StatusMessageTooBig {
				t.Errorf("the refused peer: %v", err)
			}
		})
	}
}
