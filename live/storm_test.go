package live_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// heap returns how many bytes are in use once the garbage is gone.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools have let go of
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// socket is a client that costs little: no more than its socket while it does nothing.
type socket struct{ net.Conn }

func openSocket(tb testing.TB, addr string) socket {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr)
	r := bufio.NewReader(c)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		tb.Fatal(resp, err)
	}
	return socket{c}
}

func (s socket) say(tb testing.TB, texts ...string) {
	var p []byte
	for _, text := range texts {
		p = frame.Append(p, frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Length: int64(len(text))}, []byte(text))
	}
	if _, err := s.Write(p); err != nil {
		tb.Error(err)
	}
}

// skip reads n messages, and may read ahead.
func (s socket) skip(tb testing.TB, n int) { skip(tb, bufio.NewReader(s), n) }

func skip(tb testing.TB, r *bufio.Reader, n int) {
	for range n {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			tb.Error(err)
			return
		}
		size := int(head[1])
		if size == 126 {
			var long [2]byte
			io.ReadFull(r, long[:])
			size = int(binary.BigEndian.Uint16(long[:]))
		}
		r.Discard(size)
	}
}

// several calls f for each of n numbers, 16 at a time.
func several(n int, f func(i int)) {
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := g; i < n; i += 16 {
				f(i)
			}
		})
	}
	all.Wait()
}

// fewGoroutines waits until there are no more than that.
func fewGoroutines(tb testing.TB, most int) {
	n := 0
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if n = runtime.NumGoroutine(); n <= most {
			return
		}
	}
	tb.Errorf("%d goroutines, want %d at most", n, most)
}

// Five thousand join one room at once, and are live. An idle member has no goroutine
// and costs a few KiB, its client's half of the socket included.
func TestCrowdJoins(t *testing.T) {
	const n, most = 5000, 4096
	h, addr := serveTCP(t, &live.Options{Logger: quiet}, live.RoomOptions{History: 100})
	goroutines := runtime.NumGoroutine()
	before := heap()
	all := make([]socket, n)
	several(n, func(i int) { all[i] = openSocket(t, addr) })
	defer func() {
		for _, s := range all {
			s.Close()
		}
	}()
	start := time.Now()
	several(n, func(i int) { all[i].say(t, `{"type":"$join","id":1,"room":"room:7"}`) })
	sent := time.Since(start)
	several(n, func(i int) { all[i].skip(t, 2) }) // $ok and $live
	t.Logf("%d joins sent within %v, answered within %v", n, sent, time.Since(start))
	fewGoroutines(t, goroutines+50)
	each := (heap() - before) / n
	t.Logf("%d bytes for each member", each)
	if each > most {
		t.Errorf("a member costs %d bytes, want %d at most", each, most)
	}
	if _, err := h.Room("room:7").Publish(t.Context(), "n", 1); err != nil {
		t.Fatal(err)
	}
	several(n, func(i int) { all[i].skip(t, 1) })
}

// town has sessions in many rooms: each in so many, each room with as many.
type town struct {
	hub                *live.Hub
	all                []socket
	perRoom, perMember float64 // bytes
	took               time.Duration
}

func newTown(tb testing.TB, sessions, each, rooms int) *town {
	h, addr := serveTCP(tb, &live.Options{Logger: quiet, Limits: live.Limits{Rate: -1, Burst: -1, AddressRate: -1, AddressBurst: -1, Inbox: 1000}},
		live.RoomOptions{History: 100})
	w := &town{hub: h, all: make([]socket, sessions)}
	several(sessions, func(i int) { w.all[i] = openSocket(tb, addr) })
	tb.Cleanup(func() {
		for _, s := range w.all {
			s.Close()
		}
	})
	goroutines := runtime.NumGoroutine()
	join := func(i, from, to int) {
		var joins []string
		for j := from; j < to; j++ {
			joins = append(joins, fmt.Sprintf(`{"type":"$join","id":%d,"room":"room:%d"}`, j+1, (i*each+j)%rooms))
		}
		w.all[i].say(tb, joins...)
		w.all[i].skip(tb, 2*len(joins))
	}
	empty, start := heap(), time.Now()
	first := rooms / each // as many sessions are the first in each room
	several(first, func(i int) { join(i, 0, each) })
	w.took = time.Since(start)
	settled := heap()
	start = time.Now()
	several(sessions-first, func(i int) { join(first+i, 0, each) })
	w.took += time.Since(start)
	fewGoroutines(tb, goroutines+50)
	w.perMember = float64(heap()-settled) / float64((sessions-first)*each)
	w.perRoom = float64(settled-empty)/float64(rooms) - w.perMember
	if n := h.Rooms(); n != rooms {
		tb.Errorf("there are %d rooms, want %d", n, rooms)
	}
	return w
}

// publishing returns what it takes to publish to a room of ten members who read.
func (w *town) publishing(tb testing.TB, n int) (allocs float64, took time.Duration) {
	const batch = 100
	room, own := w.hub.Room("room:own"), w.all[:10]
	for _, s := range own {
		s.say(tb, `{"type":"$join","id":1,"room":"room:own"}`)
		s.skip(tb, 2)
	}
	run := func() {
		for range n / batch {
			start := time.Now()
			for range batch {
				if _, err := room.Publish(tb.Context(), "n", 1); err != nil {
					tb.Fatal(err)
				}
			}
			took += time.Since(start)
			several(len(own), func(i int) { own[i].skip(tb, batch) })
		}
	}
	run()
	var before, behind runtime.MemStats
	runtime.ReadMemStats(&before)
	took = 0
	run()
	runtime.ReadMemStats(&behind)
	return float64(behind.Mallocs-before.Mallocs) / float64(n), took / time.Duration(n)
}

// BenchmarkRooms reports what rooms and memberships cost: 10,000 and 100,000.
//
//	go test ./live -run '^$' -bench Rooms -benchtime 1x
func BenchmarkRooms(b *testing.B) {
	few := newTown(b, 10, 10, 10)
	_, fewTook := few.publishing(b, 20_000)
	many := newTown(b, 1000, 100, 10_000)
	allocs, took := many.publishing(b, 20_000)
	b.ReportMetric(many.perRoom, "B/room")
	b.ReportMetric(many.perMember, "B/membership")
	b.ReportMetric(many.took.Seconds(), "s-to-join")
	b.ReportMetric(allocs, "allocs/publish")
	b.ReportMetric(float64(took.Nanoseconds()), "ns/publish")
	b.ReportMetric(float64(fewTook.Nanoseconds()), "ns/publish-10-rooms")
	b.ReportMetric(0, "ns/op")
}

// A reader that is far behind, and slow, costs the hub no more than its queue and a
// batch of what it is fed.
func TestReplayIsFlat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n, most = 10_000, 1 << 20
		o := &live.Options{Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 64 << 10, WriteTimeout: -1, PingInterval: -1}}}
		k := newKit(t, o, rooms(live.RoomOptions{History: 20_000}))
		a := k.dial()
		a.send(`{"type":"$join","id":1,"room":"room:7"}`)
		pos := a.want(`{"type":"$ok"}`).Pos
		a.want(`{"type":"$live"}`)
		a.send(`{"type":"$leave","id":2,"room":"room:7"}`)
		a.want(`{"type":"$ok"}`)
		for range n {
			k.hub.Room("room:7").Publish(t.Context(), "n", long(1000))
		}
		var m runtime.MemStats
		before, top := heap(), int64(0)
		runtime.ReadMemStats(&m)
		allocated := m.TotalAlloc
		a.send(`{"type":"$join","id":3,"room":"room:7","pos":{"epoch":%q,"seq":%d}}`, pos.Epoch, pos.Seq)
		a.want(`{"type":"$ok","data":{"recovered":true}}`)
		for i := range n {
			if i%500 == 0 {
				synctest.Wait() // it takes no more
				top = max(top, heap()-before)
			}
			if m := a.read(); m.Type != "n" || m.Prev > pos.Seq || m.Pos.Seq <= pos.Seq {
				t.Fatalf("message %d: got %v behind %v", i, m, pos)
			} else {
				pos.Seq = m.Pos.Seq
			}
		}
		a.want(`{"type":"$live"}`)
		runtime.ReadMemStats(&m)
		allocated = (m.TotalAlloc - allocated) / n
		t.Logf("%d bytes at most while %d KiB were replayed; %d allocated for each, the reader's included", top, n, allocated)
		if top > most || allocated > 16<<10 {
			t.Error("that is too much")
		}
	})
}
