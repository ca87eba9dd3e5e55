package live_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

// A position behind the last message of a room that its age has emptied is one at which
// a member becomes live, while others are there and other rooms go on.
func TestJoinBehindAnAgedRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 10, HistoryAge: time.Minute}))
		k.hub.Room("room:7").Publish(t.Context(), "n", 1)
		k.dial().join("room:7")
		time.Sleep(time.Hour)
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					k.hub.Room("room:8").Publish(context.Background(), "n", 2)
				}
			}
		}()
		defer close(stop)
		time.Sleep(time.Second)
		late := k.dial()
		late.send(`{"type":"$join","id":1,"room":"room:7","data":{"last":5}}`)
		late.want(`{"type":"$ok","re":1}`)
		live := make(chan struct{})
		go func() {
			late.conn.Read(context.Background())
			close(live)
		}()
		select {
		case <-live:
		case <-time.After(10 * time.Second):
			t.Error("it is not live after 10 s")
		}
	})
}

// A panic of the application while it is asked for a $refresh ends that session alone.
func TestPanicInRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
			if c.Refresh {
				panic("oh")
			}
			return live.Identity{User: c.Token}, nil
		}}, nil)
		a := k.dial()
		a.send(`{"type":"$hello","id":1,"data":{"token":"ann"}}`)
		a.want(`{"type":"$ok","re":1}`)
		a.send(`{"type":"$refresh","id":2,"data":{"token":"ann"}}`)
		if code := a.closed(); code != ws.StatusInternalError {
			t.Errorf("closed with %d", code)
		}
		if n := k.hub.Panics(); n != 1 {
			t.Errorf("%d panics", n)
		}
	})
}

// A session that the handshake's header made one user does not become another one by a
// late $hello, which would leave it among the first one's sessions.
func TestLateHello(t *testing.T) {
	bubble(t, func(t *testing.T) {
		expires := time.Now().Add(time.Minute)
		k := newKit(t, &live.Options{Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
			if c.Token == "" {
				return live.Identity{User: "ann", Expires: expires}, nil
			}
			return live.Identity{User: c.Token}, nil
		}}, rooms(live.RoomOptions{}))
		a := k.dial()
		a.join("room:7")
		a.send(`{"type":"$hello","id":1,"data":{"token":"bob"}}`)
		a.want(`{"type":"$error","re":1,"data":{"code":"forbidden"}}`)
		b := k.dial()
		b.join("room:7")
		time.Sleep(time.Minute + time.Second)
		b.send(`{"type":"$hello","id":2,"data":{"join":[{"room":"room:8"}]}}`)
		b.want(`{"type":"$error","re":2,"data":{"code":"expired"}}`)
	})
}

// A reply that cannot be encoded is an error for who waits for it.
func TestReplyThatCannotBeSaid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, func(h *live.Hub) {
			live.Handle(h, "f", func(context.Context, *live.Session, any) (any, error) { return func() {}, nil })
		})
		a := k.dial()
		a.send(`{"type":"f","id":1}`)
		a.send(`{"type":"$ping","id":2}`)
		got := map[string]bool{}
		for range 2 {
			m := a.read()
			got[fmt.Sprint(m.Type, m.Re)] = true
			if m.Re == 1 {
				break
			}
			synctest.Wait()
			a.send(`{"type":"$ping","id":3}`)
		}
		if !got["$error1"] {
			t.Errorf("got %v", got)
		}
	})
}

// A volatile message that the broker does not take is not acknowledged.
func TestVolatileFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := live.NewMemory(nil)
		k := newKit(t, &live.Options{Broker: b}, rooms(live.RoomOptions{}))
		a := k.dial()
		b.Close()
		a.send(`{"type":"n","id":1,"room":"room:7","volatile":true}`)
		a.want(`{"type":"$error","re":1,"data":{"code":"unavailable"}}`)
	})
}

// A key of OnPublish's own that is none fails that publish, and the log says that it was the key.
func TestBadKeyOfOnPublish(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		k := newKit(t, &live.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(h *live.Hub) {
			rooms(live.RoomOptions{})(h)
			live.OnPublish(h, "room:*", func(_ context.Context, p *live.Publication[any]) error {
				p.Key = long(65)
				return nil
			})
		})
		a := k.dial()
		a.send(`{"type":"n","id":1,"room":"room:1"}`)
		a.want(`{"type":"$error","re":1,"data":{"code":"internal"}}`)
		if !strings.Contains(log.String(), "OnPublish gave a bad key: key is longer than 64 bytes") {
			t.Errorf("logged %s", log.String())
		}
	})
}

// A volatile message that OnPublish has stored is known again by its mid.
func TestVolatileMadeStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, func(h *live.Hub) {
			h.ConfigureRooms("room:*", live.RoomOptions{History: 10})
			live.OnPublish(h, "room:*", func(_ context.Context, p *live.Publication[any]) error {
				p.Volatile = false
				return nil
			})
		})
		a := k.dial()
		for id := 1; id <= 2; id++ {
			a.send(`{"type":"n","id":%d,"room":"room:7","mid":"m","volatile":true}`, id)
			a.want(fmt.Sprintf(`{"type":"$ok","re":%d,"pos":{"seq":1}}`, id))
		}
	})
}

// A reason that does not fit a close frame is told to who gives it.
func TestDisconnectReason(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, nil)
		if err := k.hub.User("ann").Disconnect(t.Context(), strings.Repeat("x", 124)); err == nil {
			t.Error("no error")
		}
	})
}

// A message that is too long for a client to be told whole is cut between characters.
func TestLongErrorIsCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, func(h *live.Hub) {
			live.On(h, "f", func(context.Context, *live.Session, any) error {
				return &live.Error{Code: "a.b", Message: "x" + strings.Repeat("é", 400)}
			})
		})
		a := k.dial("tidewire.v1.cbor")
		a.conn.Write(t.Context(), ws.Binary, []byte("\xa2\x64type\x61f\x62id\x01"))
		got := make(chan struct{})
		go func() {
			a.conn.Read(context.Background())
			close(got)
		}()
		select {
		case <-got:
		case <-time.After(10 * time.Second):
			t.Error("no reply")
		}
	})
}

// Under DropOldest without a history, who falls behind a second time is told of it,
// though it has not been live in between.
func TestSecondGap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &live.Options{Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 32 << 10, WriteTimeout: -1, PingInterval: -1}}}
		k := newKit(t, o, rooms(live.RoomOptions{Slow: live.DropOldest}))
		slow := k.dial()
		slow.join("room:7")
		published := 0
		publish := func(n int) {
			for range n {
				k.hub.Room("room:7").Publish(t.Context(), "n", map[string]any{"n": published, "pad": long(500)})
				if published++; published%20 == 0 {
					synctest.Wait()
				}
			}
			time.Sleep(time.Second)
		}
		publish(2000)
		for last, gaps := -1, 0; last != published-1; {
			m := slow.read()
			var d struct{ N int }
			m.Codec.Unmarshal(m.Data, &d)
			switch m.Type {
			case "$gap":
				last = -2
				if gaps++; gaps == 1 {
					publish(600) // while it is fed
				}
			case "n":
				if last != -2 && d.N != last+1 {
					t.Fatalf("%d behind %d without a gap", d.N, last)
				}
				last = d.N
			}
		}
	})
}

// Who had no room for a message, and got it all the same as nothing followed, is told
// of no gap.
func TestNoGapWhereNothingIsSkipped(t *testing.T) {
	for _, history := range []int{0, 100} {
		bubble(t, func(t *testing.T) {
			refused := make(chan bool, 10)
			o := &live.Options{
				Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 32 << 10, WriteTimeout: -1, PingInterval: -1}},
				Hooks:  &live.Hooks{Slow: func(*live.Session, string, live.Policy) { refused <- true }},
			}
			k := newKit(t, o, rooms(live.RoomOptions{History: history, Slow: live.DropOldest}))
			slow := k.dial()
			slow.join("room:7")
			n := 0
			for ; len(refused) == 0; n++ {
				k.hub.Room("room:7").Publish(t.Context(), "n", long(500))
				synctest.Wait()
			}
			for range n {
				slow.want(`{"type":"n"}`)
			}
			slow.want(`{"type":"$live"}`)
		})
	}
}

// ailing is a broker that says when it cannot store.
type ailing struct {
	*live.Memory
	tell func(available bool)
}

func (a *ailing) Watch(f func(bool)) func() {
	a.tell = f
	return func() { a.tell = nil }
}

// Sessions are told when nothing can be stored, and when it can again: those that are
// there, and those that come; none twice, and the last word is the truth.
func TestDegraded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &ailing{Memory: live.NewMemory(nil)}
		defer b.Memory.Close()
		k := newKit(t, &live.Options{Broker: b}, rooms(live.RoomOptions{History: 5}))
		hello := func() *peer {
			p := k.dial()
			p.send(`{"type":"$hello","id":1}`)
			p.want(`{"type":"$ok","re":1}`)
			return p
		}
		first := hello()
		b.tell(false)
		b.tell(false)
		first.want(`{"type":"$degraded","data":{"rooms":"stored"}}`)
		second := hello()
		second.want(`{"type":"$degraded","data":{"rooms":"stored"}}`)
		b.tell(true)
		first.want(`{"type":"$degraded","data":{"rooms":""}}`)
		second.want(`{"type":"$degraded","data":{"rooms":""}}`)
		for range 101 {
			b.tell(false)
			b.tell(true)
		}
		b.tell(false)
		synctest.Wait()
		first.send(`{"type":"$ping","id":7}`)
		told := `{"rooms":""}`
		for m := first.read(); m.Type != "$ok"; m = first.read() {
			if told == string(m.Data) {
				t.Errorf("told twice: %s", told)
			}
			told = string(m.Data)
		}
		if told != `{"rooms":"stored"}` {
			t.Errorf("the last word is %s", told)
		}
		k.hub.Close()
		if b.tell != nil {
			t.Error("the broker is still watched")
		}
	})
}
