package bridge_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// narrow has a socket pass small segments and keep little, as on a slow way: the kernel has no room for much on either side.
func narrow(_, _ string, raw syscall.RawConn) error {
	var err error
	if e := raw.Control(func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1000); err == nil {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10)
		}
	}); e != nil {
		return e
	}
	return err
}

// slowly reads to the end, at half a MiB a second.
func slowly(r io.Reader) ([]byte, error) {
	tick := time.NewTicker(32 * time.Millisecond)
	defer tick.Stop()
	var all bytes.Buffer
	for {
		_, err := io.CopyN(&all, r, 16<<10)
		if err == io.EOF {
			return all.Bytes(), nil
		}
		if err != nil {
			return all.Bytes(), err
		}
		<-tick.C
	}
}

// TestIdleUnsent has what the kernel was given take longer than Idle to be taken, after the target has fallen silent.
func TestIdleUnsent(t *testing.T) {
	sent := noise(512 << 10)
	for _, door := range []string{"tcp", "tls", "ws"} {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			rule := pairRule(t, door, streamTarget(t, "tcp", func(conn halfCloser) {
				conn.Write(sent)
				io.Copy(io.Discard, conn)
			}))
			rule.Idle = 2 * time.Second
			b := run(t, rule)
			dialer := net.Dialer{Control: narrow}
			conn, err := dialer.Dial("tcp", b.Addr(0).String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			var r io.Reader = conn
			switch door {
			case "tls":
				_, client := certificate()
				config := client.Clone()
				config.ServerName = "127.0.0.1"
				r = tls.Client(conn, config)
			case "ws":
				c, _, err := tryWS(b.at(0, rule.Listen), ws.DialOptions{
					ConnOptions: ws.ConnOptions{MaxMessage: -1},
					NetDial:     func(context.Context, string, string) (net.Conn, error) { return conn, nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				r = ws.NetConn(within(t), c, ws.Binary)
			}
			got := make([]byte, len(sent))
			for p := got; len(p) > 0; {
				n, err := io.ReadFull(r, p[:min(len(p), 8<<10)])
				if p = p[n:]; err != nil {
					t.Fatalf("%d bytes are left: %v\n%s", len(p), err, b.logs)
				}
				<-time.After(80 * time.Millisecond)
			}
			if !bytes.Equal(got, sent) {
				t.Error("what came differs")
			}
			if _, err := io.ReadFull(r, make([]byte, 1)); err == nil || err == io.EOF && door == "tcp" {
				t.Errorf("and then %v, which is not idle", err)
			}
			b.settled()
		})
	}
}

// TestIdleSlow has much wait for somebody who takes it slowly, but never stops: that is no silence.
func TestIdleSlow(t *testing.T) {
	sent := noise(3 << 20)
	for _, pair := range []string{"tcp tcp", "ws tcp", "tcp ws"} {
		t.Run(pair, func(t *testing.T) {
			t.Parallel()
			kind, targetKind, _ := strings.Cut(pair, " ")
			var once sync.Once
			var target bridge.Endpoint
			if targetKind == "ws" {
				target = wsTarget(t, "ws", nil, func(ctx context.Context, c *ws.Conn) error {
					if err := c.Write(ctx, ws.Binary, sent); err != nil {
						return err
					}
					_, _, err := c.Read(ctx)
					return err
				})
			} else {
				target = streamTarget(t, "tcp", func(conn halfCloser) {
					once.Do(func() { conn.Write(sent) })
					conn.CloseWrite()
					io.Copy(io.Discard, conn)
				})
			}
			rule := pairRule(t, kind, target)
			rule.Idle, rule.Linger = 1500*time.Millisecond, 1500*time.Millisecond
			b := run(t, rule)
			dialer := net.Dialer{Control: narrow}
			conn, err := dialer.Dial("tcp", b.Addr(0).String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			var r io.Reader = conn
			if kind == "ws" {
				c, _, err := tryWS(b.at(0, rule.Listen), ws.DialOptions{
					ConnOptions: ws.ConnOptions{MaxMessage: -1}, Subprotocols: []string{bridge.StreamProtocol},
					NetDial: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				r = ws.NetConn(within(t), c, ws.Binary)
			} else {
				conn.(*net.TCPConn).CloseWrite() // what the kernel has at the end is then left to it
			}
			got, err := slowly(io.LimitReader(r, int64(len(sent))))
			if err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("%d bytes of %d came: %v\n%s", len(got), len(sent), err, b.logs)
			}
		})
	}
}
