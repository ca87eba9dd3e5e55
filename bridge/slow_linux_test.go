package bridge_test

import (
	"bytes"
	"context"
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
