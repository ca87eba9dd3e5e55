//go:build !js

package ws_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// the deadline that passed must not break the stream: bytes in order under random deadlines
func TestBreakNetConnRandomDeadlines(t *testing.T) {
	a, b := pair(t, "tcp", ws.ConnOptions{})
	n1, n2 := ws.NetConn(context.Background(), a, ws.Binary), ws.NetConn(context.Background(), b, ws.Binary)
	const total = 1 << 20
	go func() {
		for off := 0; off < total; {
			k := min(1+rand.IntN(20000), total-off)
			p := make([]byte, k)
			for i := range p {
				p[i] = byte((off + i) * 7 >> 3)
			}
			n1.SetWriteDeadline(time.Now().Add(time.Duration(rand.IntN(500)) * time.Microsecond))
			n, err := n1.Write(p)
			if n != 0 && n != k {
				t.Error("half a write", n, k)
			}
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
				return
			}
			off += n
		}
	}()
	p := make([]byte, 3000)
	for off := 0; off < total; {
		n2.SetReadDeadline(time.Now().Add(time.Duration(rand.IntN(500)) * time.Microsecond))
		n, err := n2.Read(p)
		for i := range n {
			if p[i] != byte((off+i)*7>>3) {
				t.Fatal("corrupt at", off+i)
			}
		}
		off += n
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

type drainHandler struct {
	n      atomic.Int64
	closed chan struct{}
}

func (h *drainHandler) Opened(c *ws.Conn)                              {}
func (h *drainHandler) Message(c *ws.Conn, t ws.MessageType, p []byte) {}
func (h *drainHandler) Closed(c *ws.Conn, err error)                   { close(h.closed) }
func (h *drainHandler) Drained(c *ws.Conn)                             { h.n.Add(1) }

// After every refusal exactly one Drained follows.
func TestBreakDrainedFollowsRefusal(t *testing.T) {
	for _, kind := range []string{"tcp", "memory", "tls", "wire"} {
		t.Run(kind, func(t *testing.T) {
			client, server := pair(t, kind, ws.ConnOptions{WriteQueue: 64 << 10, QueuePolicy: ws.RefuseWrite})
			h := &drainHandler{closed: make(chan struct{})}
			server.Attach(h)
			var got, sent atomic.Int64
			go func() {
				for {
					_, _, err := client.Read(context.Background())
					if err != nil {
						return
					}
					got.Add(1)
				}
			}()
			for round := range 20 {
				before := h.n.Load()
				var wg sync.WaitGroup
				var refused atomic.Bool
				for range 4 {
					wg.Go(func() {
						for range 200 {
							var err error
							if rand.IntN(2) == 0 {
								err = server.Write(context.Background(), ws.Binary, make([]byte, 20000))
							} else if !server.TryWrite(ws.Binary, make([]byte, 20000)) {
								err = ws.ErrQueueFull
							}
							if errors.Is(err, ws.ErrQueueFull) {
								refused.Store(true)
								return
							} else if err != nil {
								t.Error(err)
							}
							sent.Add(1)
						}
					})
				}
				wg.Wait()
				if refused.Load() {
					deadline := time.Now().Add(patience)
					for h.n.Load() == before {
						if time.Now().After(deadline) {
							t.Fatal("no Drained after a refusal, round", round, "buffered", server.Buffered())
						}
						runtime.Gosched()
					}
				}
			}
			deadline := time.Now().Add(patience)
			for got.Load() != sent.Load() {
				if time.Now().After(deadline) {
					t.Fatal(got.Load(), sent.Load())
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}

func fragments(n int, payload int) []byte {
	var b []byte
	for i := range n {
		h := byte(0)
		if i == 0 {
			h = 2
		}
		if i == n-1 {
			h |= 0x80
		}
		b = append(b, h, 0x80|byte(payload), 0, 0, 0, 0)
		for range payload {
			b = append(b, 'x')
		}
	}
	return b
}

func TestBreakFragments(t *testing.T) {
	for _, attach := range []bool{false, true} {
		a, b := netPair(t, "tcp", "127.0.0.1:0")
		server := ws.NewConn(b, ws.Params{})
		raw := fragments(65536, 1)
		start := time.Now()
		go func() {
			a.Write(raw)
			a.Write(fragments(65536, 0))
			a.Write(fragments(1<<20, 1))
		}()
		want := []int{65536, 0, 1 << 20}
		if attach {
			i := 0
			for m, err := range server.Messages(testContext(t)) {
				if err != nil || len(m.Data) != want[i] {
					t.Fatal(i, len(m.Data), err)
				}
				if i++; i == 3 {
					break
				}
			}
		} else {
			for _, n := range want {
				if _, p := mustRead(t, server); len(p) != n {
					t.Fatal(len(p))
				}
			}
		}
		t.Log(attach, time.Since(start), "for", 65536*2+1<<20, "fragments")
		server.CloseNow()
		a.Close()
	}
}

// Connections with a partial header, or the first byte of a message, hold little,
// whatever length was declared.
func TestBreakSlowLoris(t *testing.T) {
	for name, raw := range map[string][]byte{
		"1 byte": {0x82}, "partial ping": append([]byte{0x89, 0xfd, 1, 2, 3, 4}, make([]byte, 100)...),
		"first byte of 100": {0x82, 0x80 | 100, 0, 0, 0, 0, 1},
		"fragment of 1":     {0x02, 0x81, 0, 0, 0, 0, 1},
		"first byte of 1M":  {0x82, 0xff, 0, 0, 0, 0, 0, 0xf, 0, 0, 0, 0, 0, 0, 1},
	} {
		for _, attach := range []bool{false, true} {
			const n = 300
			bud := ws.NewBudget(1 << 30)
			var as []net.Conn
			var cs []*ws.Conn
			for range n {
				a, s := netPair(t, "tcp", "127.0.0.1:0")
				as, cs = append(as, a), append(cs, ws.NewConn(s, ws.Params{ConnOptions: ws.ConnOptions{Budget: bud}}))
			}
			for _, c := range cs {
				if attach {
					c.Attach(ws.HandlerFunc(func(*ws.Conn, ws.MessageType, []byte) {}))
				} else {
					go c.Read(context.Background())
				}
			}
			arrived(t, as, nil)
			before := memory()
			arrived(t, as, raw)
			waitFor(t, func() bool {
				per, counted := (memory()-before)/n, bud.Used()/n
				t.Logf("%-18s attach=%-5v %6d B/conn more, budget %d/conn", name, attach, per, counted)
				return per <= 16<<10 && counted <= 8<<10
			})
			for i := range cs {
				as[i].Close()
				cs[i].CloseNow()
			}
		}
	}
}

// pings without end and no reading: bounded, and the peer is not answered without bound.
func TestBreakPongsBounded(t *testing.T) {
	a, b := netPair(t, "tcp", "127.0.0.1:0")
	b.(*net.TCPConn).SetWriteBuffer(4096)
	server := ws.NewConn(b, ws.Params{ConnOptions: ws.ConnOptions{ControlRate: -1, WriteQueue: 10000}})
	server.Attach(ws.HandlerFunc(func(*ws.Conn, ws.MessageType, []byte) {}))
	ping := append([]byte{0x89, 0xfd, 0, 0, 0, 0}, make([]byte, 125)...)
	a.SetWriteDeadline(time.Now().Add(2 * time.Second))
	for range 100000 {
		if _, err := a.Write(ping); err != nil {
			t.Log(err)
			break
		}
	}
	if n := server.Buffered(); n > 80000 {
		t.Error("queued", n)
	} else {
		t.Log(n)
	}
	server.CloseNow()
	a.Close()
}

var _ = binary.BigEndian
