//go:build !js

package ws_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// gate is a stream that counts its writes and holds one of them back.
type gate struct {
	net.Conn
	hold   int32 // which
	writes atomic.Int32
	inside chan struct{} // closed when it has come
	open   chan struct{} // lets it through
}

func (s *gate) Write(p []byte) (int, error) {
	if s.writes.Add(1) == s.hold {
		close(s.inside)
		<-s.open
	}
	return s.Conn.Write(p)
}

// A Write that found nothing going on is the flusher of those that come meanwhile,
// and is counted with them.
func TestQuickWriteFlushesForOthers(t *testing.T) {
	leakCheck(t)
	a, b := wstest.Pipe()
	stream := &gate{Conn: a, hold: 3, inside: make(chan struct{}), open: make(chan struct{})}
	c := ws.NewConn(stream, ws.Params{})
	peer := ws.NewConn(b, ws.Params{Client: true})
	defer peer.CloseNow()
	defer c.CloseNow()
	var all sync.WaitGroup
	write := func() {
		if err := c.Write(context.Background(), ws.Binary, make([]byte, 100)); err != nil {
			t.Error(err)
		}
	}
	write()
	write()
	all.Go(write)
	<-stream.inside
	for range 63 {
		all.Go(write)
	}
	waitFor(t, func() bool { return c.Buffered() == 64*102 })
	close(stream.open)
	for range 66 {
		if _, _, err := peer.Read(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if n := stream.writes.Load(); n != 4 {
		t.Errorf("66 messages left in %d writes", n)
	}
	waitFor(t, func() bool { return c.Buffered() == 0 })
}

// Writes that take the short way and those that do not, with everything that may come
// between them: each writer's messages arrive in its order, whole, and none is lost
// that was accepted.
func TestQuickWritesAmongOthers(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			client, server := pair(t, kind, ws.ConnOptions{})
			go func() { // answers what server sends
				for {
					if _, _, err := server.Read(context.Background()); err != nil {
						return
					}
				}
			}()
			const writers, each = 6, 300
			var sent [writers][]uint32
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					p := make([]byte, 1000)
					for i := range uint32(each) {
						p[0] = byte(w)
						binary.BigEndian.PutUint32(p[1:], i)
						p = p[:5+(int(i)*7919+w)%900]
						var err error
						ctx, cancel := context.WithCancel(context.Background())
						switch (int(i) + w) % 5 {
						case 0:
							go cancel() // before, while or after
							err = server.Write(ctx, ws.Binary, p)
						case 1:
							if !server.TryWrite(ws.Binary, p) {
								err = context.Canceled
							}
						case 2:
							server.Buffered()
							err = server.Write(ctx, ws.Binary, p)
						case 3:
							err = server.Write(context.Background(), ws.Binary, p)
						default:
							err = server.Write(ctx, ws.Binary, p)
							if i%50 == 4 {
								timed, stop := context.WithTimeout(ctx, time.Millisecond)
								server.Ping(timed)
								stop()
							}
						}
						cancel()
						if err == nil {
							sent[w] = append(sent[w], i)
						} else if !errors.Is(err, context.Canceled) {
							t.Errorf("writer %d: %v", w, err)
							return
						}
						p = p[:1000]
					}
				})
			}
			var got [writers][]uint32
			read := make(chan error, 1)
			go func() {
				for n := 0; ; n++ {
					ctx, cancel := context.WithCancel(context.Background())
					if n%7 == 0 {
						go cancel()
					}
					_, p, err := client.Read(ctx)
					cancel()
					if errors.Is(err, context.Canceled) {
						continue
					}
					if err != nil {
						read <- err
						return
					}
					w, i := int(p[0]), binary.BigEndian.Uint32(p[1:])
					if len(p) != 5+(int(i)*7919+w)%900 {
						t.Errorf("message %d of writer %d has %d bytes", i, w, len(p))
					}
					got[w] = append(got[w], i)
				}
			}()
			all.Wait()
			server.Close(ws.StatusNormalClosure, "")
			if err := <-read; ws.CloseStatus(err) != ws.StatusNormalClosure {
				t.Error(err)
			}
			for w := range writers {
				if len(got[w]) != len(sent[w]) {
					t.Fatalf("writer %d: %d of %d arrived", w, len(got[w]), len(sent[w]))
				}
				for k := range got[w] {
					if got[w][k] != sent[w][k] {
						t.Fatalf("writer %d: %d arrived instead of %d", w, got[w][k], sent[w][k])
					}
				}
			}
		})
	}
}

// A Write under a context that the peer keeps waiting, the short way.
func TestQuickWriteInterrupted(t *testing.T) {
	for _, kind := range []string{"tcp", "unix", "memory"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			client, server := pair(t, kind, ws.ConnOptions{WriteQueue: 1 << 10, WriteTimeout: -1})
			p := make([]byte, 15<<10)
			sent, stuck := 0, 0
			for stuck < 3 {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
				err := server.Write(ctx, ws.Binary, p)
				cancel()
				switch {
				case err == nil:
					sent++
				case errors.Is(err, context.DeadlineExceeded):
					stuck++
				default:
					t.Fatal(err)
				}
			}
			go server.Write(context.Background(), ws.Text, []byte("last"))
			for n := 0; ; n++ {
				typ, p, err := client.Read(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if typ == ws.Text {
					if n != sent {
						t.Errorf("%d of %d messages arrived", n, sent)
					}
					break
				}
				if len(p) != 15<<10 {
					t.Fatalf("message of %d bytes", len(p))
				}
			}
		})
	}
}
