//go:build !js

package ws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// Every member gets every message, in order, over every kind of stream, attached or
// not, compressed or not.
func TestGroupSendsToAllInOrder(t *testing.T) {
	leakCheck(t)
	var g ws.Group
	var clients []*ws.Conn
	for kind := range streams {
		for i := range 3 {
			client, srv := pair(t, kind, ws.ConnOptions{})
			if i > 0 {
				srv.Attach(echoHandler)
			}
			g.Add(srv)
			g.Add(srv)
			clients = append(clients, client)
		}
	}
	if g.Len() != len(clients) {
		t.Fatalf("%d members of %d", g.Len(), len(clients))
	}
	const n = 200
	go func() {
		for i := range n {
			g.Send(ws.Prepare(ws.Text, fmt.Appendf(nil, "%0*d", 1+i*i%1500, i)))
		}
	}()
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			for i := range n {
				if _, p := mustRead(t, c); string(p) != fmt.Sprintf("%0*d", 1+i*i%1500, i) {
					t.Errorf("message %d is %.40q", i, p)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestGroupCompressesOnce(t *testing.T) {
	leakCheck(t)
	text := make([]byte, 4000)
	for i := range text {
		text[i] = "abc "[i%4]
	}
	m := ws.Prepare(ws.Text, text)
	var g ws.Group
	var clients []*ws.Conn
	for range 3 {
		client, srv := deflatePair(t)
		srv.Attach(echoHandler)
		g.Add(srv)
		clients = append(clients, client)
	}
	for range 3 {
		g.Send(m)
	}
	for _, c := range clients {
		for range 3 {
			if _, p := mustRead(t, c); string(p) != string(text) {
				t.Fatalf("got %d bytes", len(p))
			}
		}
	}
}

func deflatePair(t *testing.T) (client, srv *ws.Conn) {
	a, b := tcpPair(t)
	o := ws.ConnOptions{Compression: &deflate.Options{}}
	client = ws.NewConn(a, ws.Params{ConnOptions: o, Client: true, Deflate: &deflate.Params{}})
	srv = ws.NewConn(b, ws.Params{ConnOptions: o, Deflate: &deflate.Params{}})
	t.Cleanup(func() {
		client.CloseNow()
		srv.CloseNow()
	})
	return client, srv
}

// A member that takes nothing holds nobody up. Under CloseSlow it is closed, under
// RefuseWrite it is told of, and hears of the rest when it reads.
func TestGroupDoesNotWaitForTheSlow(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			const queue = 200_000
			var refused atomic.Int64
			g := ws.Group{Refused: func(*ws.Conn, *ws.Prepared) { refused.Add(1) }}
			quick, s1 := pair(t, kind, ws.ConnOptions{})
			_, s2 := pair(t, kind, ws.ConnOptions{WriteQueue: queue, CloseTimeout: 10 * time.Millisecond})
			slow, s3 := pair(t, kind, ws.ConnOptions{WriteQueue: queue, QueuePolicy: ws.RefuseWrite})
			closed := make(chan error, 1)
			s1.Attach(echoHandler)
			s2.Attach(&events{closed: func(_ *ws.Conn, err error) { closed <- err }})
			drained := make(chan struct{}, 1)
			s3.Attach(&events{drained: func(*ws.Conn) {
				select {
				case drained <- struct{}{}:
				default:
				}
			}})
			for _, c := range []*ws.Conn{s1, s2, s3} {
				g.Add(c)
			}
			m := ws.Prepare(ws.Binary, make([]byte, 10_000))
			sent := 0
			for ; g.Len() == 3 || refused.Load() == 0; sent++ {
				if sent > 10_000 {
					t.Fatal("the queues have no bound")
				}
				g.Send(m)
				if _, p := mustRead(t, quick); len(p) != 10_000 {
					t.Fatalf("the quick one got %d bytes", len(p))
				}
			}
			if err := <-closed; !errors.Is(err, ws.ErrSlowPeer) {
				t.Errorf("Closed: %v", err)
			}
			got := 0
			for ; got < sent-int(refused.Load()); got++ {
				mustRead(t, slow)
			}
			<-drained
			g.Send(ws.Prepare(ws.Text, []byte("on we go")))
			if _, p := mustRead(t, slow); string(p) != "on we go" {
				t.Errorf("got %.20q", p)
			}
		})
	}
}

// In the middle of a member's Writer, what a Group sends waits for its end.
func TestGroupWaitsForAWriter(t *testing.T) {
	client, srv := pair(t, "tcp", ws.ConnOptions{})
	srv.Attach(echoHandler)
	var g ws.Group
	g.Add(srv)
	w, err := srv.Writer(context.Background(), ws.Text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		g.Send(ws.Prepare(ws.Text, fmt.Append(nil, i)))
	}
	io.WriteString(w, "a long story")
	waitFor(t, func() bool { return ws.Behind(srv) == 3 })
	w.Close()
	for _, want := range []string{"a long story", "0", "1", "2"} {
		if _, p := mustRead(t, client); string(p) != want {
			t.Errorf("got %q, want %q", p, want)
		}
	}
}

// Members come and go while messages are sent; the ended ones are dropped.
func TestGroupMembersComeAndGo(t *testing.T) {
	leakCheck(t)
	var g ws.Group
	stay, s := pair(t, "tcp", ws.ConnOptions{})
	s.Attach(echoHandler)
	g.Add(s)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 50 {
				client, srv := pair(t, "memory", ws.ConnOptions{})
				srv.Attach(echoHandler)
				g.Add(srv)
				client.CloseNow()
				if i%2 == 0 {
					srv.CloseNow()
				} else if !g.Remove(srv) { // it was dropped, by a delivery that could not write to it
					await(t, srv.Context().Done(), "the end")
				}
			}
		})
	}
	done := make(chan int)
	go func() {
		n := 0
		for ; g.Len() > 1 || n < 100; n++ {
			g.Send(ws.Prepare(ws.Text, fmt.Append(nil, n)))
			if n%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		done <- n
	}()
	all.Wait()
	n := <-done
	for i := range n {
		if _, p := mustRead(t, stay); string(p) != fmt.Sprint(i) {
			t.Fatalf("got %q for %d", p, i)
		}
	}
	if g.Remove(stay) || !g.Remove(s) || g.Len() != 0 {
		t.Error("Remove")
	}
	if err := g.Send(ws.Prepare(ws.Text, []byte("\xff"))); err == nil {
		t.Error("text that is not UTF-8 was sent")
	}
}

// A Refused that panics or ends its goroutine stops no delivery.
func TestGroupOutlivesRefused(t *testing.T) {
	var out lockedBuffer
	o := ws.ConnOptions{WriteQueue: 20_000, QueuePolicy: ws.RefuseWrite, Logger: slog.New(slog.NewTextHandler(&out, nil))}
	for name, end := range map[string]func(){"panic": func() { panic("refused") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			var calls atomic.Int64
			g := ws.Group{Refused: func(*ws.Conn, *ws.Prepared) {
				if calls.Add(1) == 1 {
					end()
				}
			}}
			_, stuck := pair(t, "memory", o)
			quick, s := pair(t, "tcp", ws.ConnOptions{})
			stuck.Attach(echoHandler)
			s.Attach(echoHandler)
			g.Add(stuck)
			for calls.Load() == 0 {
				g.Send(ws.Prepare(ws.Binary, make([]byte, 10_000)))
				time.Sleep(time.Millisecond)
			}
			g.Add(s)
			waitFor(t, func() bool {
				g.Send(ws.Prepare(ws.Text, []byte("on")))
				return s.Buffered() == 0 && g.Len() > 0
			})
			if _, p := mustRead(t, quick); len(p) != 2 && len(p) != 10_000 {
				t.Errorf("got %d bytes", len(p))
			}
		})
	}
}

// Empty messages that wait for the end of a Writer's fill the queue as others do.
func TestGroupBoundsEmptyMessagesBehindAWriter(t *testing.T) {
	const limit = 64
	_, srv := pair(t, "tcp", ws.ConnOptions{WriteQueue: limit, QueuePolicy: ws.RefuseWrite})
	srv.Attach(echoHandler)
	var refused atomic.Int32
	g := ws.Group{Refused: func(*ws.Conn, *ws.Prepared) { refused.Add(1) }}
	g.Add(srv)
	w, err := srv.Writer(context.Background(), ws.Text)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Cancel()
	const n = 10 * limit
	for range n {
		g.Send(ws.Prepare(ws.Text, nil))
	}
	waitFor(t, func() bool { return ws.Behind(srv)+int(refused.Load()) == n })
	if got := ws.Behind(srv); got > limit {
		t.Errorf("%d messages wait in a queue of %d bytes", got, limit)
	}
}

// A member gets exactly what is sent between Add and Remove, also while deliveries
// are under way.
func TestGroupMembershipIsExact(t *testing.T) {
	leakCheck(t)
	var g ws.Group
	for range 600 { // deliveries take their time
		_, s := pair(t, "memory", ws.ConnOptions{})
		s.Attach(echoHandler)
		g.Add(s)
	}
	client, s := pair(t, "tcp", ws.ConnOptions{})
	s.Attach(echoHandler)
	var mu sync.Mutex // orders Sends and what the member does
	next := 0
	send := func() {
		g.Send(ws.Prepare(ws.Text, fmt.Append(nil, next)))
		next++
	}
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			mu.Lock()
			send()
			mu.Unlock()
			if g.Len() == 0 {
				return
			}
			time.Sleep(20 * time.Microsecond)
		}
	})
	ctx := context.Background()
	for range 100 {
		mu.Lock()
		from := next
		g.Add(s)
		mu.Unlock()
		time.Sleep(200 * time.Microsecond)
		g.Remove(s)
		s.Write(ctx, ws.Text, []byte("end"))
		n := from
		for ; ; n++ {
			_, p := mustRead(t, client)
			if string(p) == "end" {
				break
			}
			if string(p) != fmt.Sprint(n) {
				t.Fatalf("got %q for %d", p, n)
			}
		}
		if mu.Lock(); n > next {
			t.Errorf("got up to %d, sent were %d", n, next)
		}
		mu.Unlock()
	}
	close(stop)
	sending.Wait()
}

// Behind a message that was refused, nothing of the same delivery is queued, however
// small: a Refused that removes the member leaves it without a hole.
func TestGroupRefusesWhatIsBehind(t *testing.T) {
	leakCheck(t)
	client, s := pair(t, "memory", ws.ConnOptions{WriteQueue: 20_000, QueuePolicy: ws.RefuseWrite})
	s.Attach(echoHandler)
	var g ws.Group
	var first atomic.Value
	g.Refused = func(c *ws.Conn, m *ws.Prepared) {
		if g.Remove(c) {
			first.Store(m.Value)
		}
	}
	g.Add(s)
	for i := 0; first.Load() == nil; i++ {
		size := 9000
		if i%2 == 1 {
			size = 10
		}
		m := ws.Prepare(ws.Text, fmt.Appendf(nil, "%0*d", size, i))
		m.Value = i
		g.Send(m)
	}
	refused := first.Load().(int)
	for i := range refused {
		_, p := mustRead(t, client)
		if n, err := strconv.Atoi(string(p)); err != nil || n != i {
			t.Fatalf("got %.20q for %d of %d", p, i, refused)
		}
	}
	mustWrite(t, s, ws.Text, []byte("last"))
	if _, p := mustRead(t, client); string(p) != "last" {
		t.Fatalf("got %.20q behind the refused message %d", p, refused)
	}
}
