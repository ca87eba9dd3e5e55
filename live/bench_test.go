package live_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// rawClient joins a room by hand and then only holds its socket.
func rawClient(tb testing.TB, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr)
	join := []byte(`{"type":"$join","id":1,"room":"room:7"}`)
	h := frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Length: int64(len(join))}
	c.Write(frame.Append(nil, h, join))
	r := bufio.NewReader(c)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 {
		tb.Fatal(resp, err)
	}
	for range 2 { // $ok and $live, each below 126 bytes
		var head [2]byte
		if _, err := r.Read(head[:1]); err != nil {
			tb.Fatal(err)
		}
		r.Read(head[1:])
		r.Discard(int(head[1]))
	}
	return c
}

func serveTCP(tb testing.TB, o *live.Options, ro live.RoomOptions) (*live.Hub, string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	h := live.NewHub(o)
	h.ConfigureRooms("room:*", ro)
	go h.Serve(ln)
	tb.Cleanup(func() { h.Close() })
	return h, ln.Addr().String()
}

// BenchmarkIdleSession reports what a session costs that is in a room with history
// and does nothing: heap and stacks in use, the half of the client's socket that
// package net keeps included.
//
//	go test ./live -run '^$' -bench IdleSession -benchtime 1x
func BenchmarkIdleSession(b *testing.B) {
	const n = 4000
	_, addr := serveTCP(b, nil, live.RoomOptions{History: 100})
	var before, behind runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = rawClient(b, addr)
	}
	time.Sleep(200 * time.Millisecond)
	goroutines := runtime.NumGoroutine()
	runtime.ReadMemStats(&behind)
	used := func(m *runtime.MemStats) uint64 { return m.HeapInuse + m.StackInuse }
	b.ReportMetric(float64(used(&behind)-used(&before))/n, "B/session")
	runtime.GC()
	runtime.ReadMemStats(&behind)
	b.ReportMetric(float64(used(&behind)-used(&before))/n, "B/session-collected")
	b.ReportMetric(float64(goroutines)/n, "goroutines/session")
	for _, c := range conns {
		c.Close()
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPublish publishes to a room of 1000 members that read, as fast as it goes: what
// members do not keep up with they catch up on, so this is the cost of publishing
// and not that of delivering each message by itself.
func BenchmarkPublish(b *testing.B) {
	const n = 1000
	h, addr := serveTCP(b, &live.Options{Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 1 << 20}}}, live.RoomOptions{History: 10_000})
	for range n {
		c := rawClient(b, addr)
		go func() {
			for p := make([]byte, 64<<10); ; {
				if _, err := c.Read(p); err != nil {
					return
				}
			}
		}()
		defer c.Close()
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Room("room:7").Publish(b.Context(), "chat", map[string]string{"text": "hello, world"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCatchUp has a client come back to a room in which it missed 100 messages, which the node still has in memory: a
// $join on a connection that is there, the messages and the $live.
//
//	go test ./live -run '^$' -bench CatchUp
func BenchmarkCatchUp(b *testing.B) {
	h, addr := serveTCP(b, &live.Options{Limits: live.Limits{Rate: -1, Burst: -1}}, live.RoomOptions{History: 1000})
	defer rawClient(b, addr).Close() // a member, who keeps the room
	first, err := h.Room("room:7").Publish(b.Context(), "n", 0)
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100 {
		if _, err := h.Room("room:7").Publish(b.Context(), "n", strings.Repeat("x", 100)); err != nil {
			b.Fatal(i, err)
		}
	}
	c := openSocket(b, addr)
	defer c.Close()
	r := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		c.say(b, fmt.Sprintf(`{"type":"$join","id":1,"room":"room:7","pos":{"epoch":%q,"seq":%d,"mid":%q}}`, first.Epoch, first.Seq, first.Mid))
		skip(b, r, 102)
		c.say(b, `{"type":"$leave","id":2,"room":"room:7"}`)
		skip(b, r, 1)
	}
}
