package live_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// A client that was away gets what it missed, in order, once, and then lives on.
func TestRecovery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 100}))
		pub := k.dial()
		a := k.dial()
		a.join("room:7")
		pub.send(`{"type":"n","room":"room:7","mid":"m1","data":1}`)
		m := a.want(`{"type":"n","data":1,"mid":"m1"}`)
		pub.send(`{"type":"$hello","id":1}`)
		welcome := pub.want(`{"type":"$ok","re":1,"data":{"dedupe":120000,"backoff":[500,20000]}}`)
		_ = welcome
		a.conn.CloseNow()
		for i := 2; i < 50; i++ {
			pub.send(`{"type":"n","room":"room:7","data":%d}`, i)
		}
		synctest.Wait()
		b := k.dial()
		b.send(`{"type":"$join","id":1,"room":"room:7"}`)
		head := b.want(`{"type":"$ok","re":1}`)
		b.want(`{"type":"$live"}`)
		b.send(`{"type":"$join","id":2,"room":"room:7","pos":{"epoch":%q,"seq":%d,"mid":"m1"}}`, head.Pos.Epoch, m.Pos.Seq)
		b.want(`{"type":"$ok","re":2,"data":{"recovered":true}}`)
		last := m.Pos.Seq
		for i := 2; i < 50; i++ {
			m := b.want(fmt.Sprintf(`{"type":"n","data":%d}`, i))
			if m.Prev != last {
				t.Fatalf("message %d: prev %d, want %d", i, m.Prev, last)
			}
			last = m.Pos.Seq
		}
		b.want(`{"type":"$live"}`)
		pub.send(`{"type":"n","room":"room:7","data":50}`)
		b.want(`{"type":"n","data":50}`)
	})
}

// A position that cannot be continued is told as a gap, right behind the reply.
func TestGaps(t *testing.T) {
	for _, tc := range []struct{ name, pos, gap string }{
		{"evicted", `{"epoch":%q,"seq":1,"mid":"m1"}`, `{"type":"$gap","pos":{"seq":10},"data":{"after":1,"reason":"evicted"}}`},
		{"another epoch", `{"epoch":"e0%.0s","seq":12,"mid":"m12"}`, `{"type":"$gap","pos":{"seq":10},"data":{"after":12,"reason":"epoch"}}`},
		{"from the future", `{"epoch":%q,"seq":99,"mid":"m9"}`, `{"type":"$gap","pos":{"seq":20},"data":{"after":99,"reason":"rewound"}}`},
		{"another message there", `{"epoch":%q,"seq":15,"mid":"other"}`, `{"type":"$gap","pos":{"seq":20},"data":{"after":15,"reason":"rewound"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				k := newKit(t, nil, rooms(live.RoomOptions{History: 10}))
				for i := range 20 {
					if _, err := k.hub.Room("room:7").Publish(t.Context(), "n", i+1, live.WithID(fmt.Sprint("m", i+1))); err != nil {
						t.Fatal(err)
					}
				}
				a := k.dial()
				a.send(`{"type":"$join","id":1,"room":"room:7"}`)
				epoch := a.want(`{"type":"$ok","pos":{"seq":20,"mid":"m20"}}`).Pos.Epoch
				a.want(`{"type":"$live"}`)
				a.send(`{"type":"$join","id":2,"room":"room:7","pos":`+tc.pos+`}`, epoch)
				a.want(`{"type":"$ok","re":2,"data":{"recovered":false}}`)
				gap := a.want(tc.gap)
				for seq := gap.Pos.Seq + 1; seq <= 20; seq++ {
					a.want(fmt.Sprintf(`{"type":"n","pos":{"seq":%d}}`, seq))
				}
				a.want(`{"type":"$live"}`)
			})
		})
	}
}

// A caught-up client of a room that its age has emptied is told of no gap; one that
// missed what aged out is.
func TestAgedRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 10, HistoryAge: time.Minute}))
		room := k.hub.Room("room:7")
		first, _ := room.Publish(t.Context(), "n", 1)
		second, err := room.Publish(t.Context(), "n", 2)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		for i, pos := range []live.Position{second, first} {
			a := k.dial()
			a.send(`{"type":"$join","id":1,"room":"room:7","pos":{"epoch":%q,"seq":%d,"mid":%q}}`, pos.Epoch, pos.Seq, pos.Mid)
			a.want(fmt.Sprintf(`{"type":"$ok","data":{"recovered":%t}}`, i == 0))
			if i == 1 {
				a.want(`{"type":"$gap","data":{"after":1,"reason":"evicted"},"pos":{"seq":3}}`) // the 3 has aged too
			}
			a.want(`{"type":"$live"}`)
			room.Publish(t.Context(), "n", 3)
			a.want(`{"type":"n","data":3}`)
			time.Sleep(time.Hour)
		}
	})
}

// A publish that is repeated with its mid is stored once: for the same publisher and
// room only.
func TestIdempotence(t *testing.T) {
	auth := func(_ context.Context, c live.Credentials) (live.Identity, error) {
		return live.Identity{User: c.Token}, nil
	}
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: auth}, rooms(live.RoomOptions{History: 10}))
		say := func(user, room string) live.Position {
			p := k.dial()
			p.send(`{"type":"$hello","data":{"token":%q}}`, user)
			p.send(`{"type":"n","id":1,"room":%q,"mid":"1"}`, room)
			return p.want(`{"type":"$ok","re":1}`).Pos
		}
		one := say("ann", "room:1")
		if again := say("ann", "room:1"); again != one {
			t.Errorf("stored as %v and %v", one, again)
		}
		if two := say("ann", "room:2"); two.Seq == one.Seq {
			t.Error("the same mid in another room was taken for a repetition")
		}
		if bob := say("bob", "room:1"); bob.Seq == one.Seq {
			t.Error("another user's mid was taken for a repetition")
		}
		time.Sleep(5 * time.Minute)
		if late := say("ann", "room:1"); late.Seq == one.Seq {
			t.Error("known again behind the window")
		}
	})
}

// last, paging back, and what does not fit.
func TestHistoryPages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 100}))
		for i := range 30 {
			k.hub.Room("room:7").Publish(t.Context(), "n", i+1)
			k.hub.Room("room:8").Publish(t.Context(), "n", i+1)
		}
		a := k.dial()
		a.send(`{"type":"$join","id":1,"room":"room:8","data":{"last":3}}`)
		a.want(`{"type":"$ok","re":1,"data":{"recovered":false,"head":60}}`)
		for _, n := range []int{28, 29, 30} {
			a.want(fmt.Sprintf(`{"type":"n","data":%d}`, n))
		}
		a.want(`{"type":"$live","pos":{"seq":60}}`)
		before := uint64(0)
		for _, n := range []int{21, 11, 1} {
			a.send(`{"type":"$history","id":2,"room":"room:8","data":{"before":%d,"limit":10}}`, before)
			m := a.want(`{"type":"$ok","re":2}`)
			page, err := protocol.JSON.ParsePage(m.Data, 32)
			if err != nil || len(page.Messages) != 10 || page.More != (n > 1) || string(page.Messages[0].Data) != fmt.Sprint(n) {
				t.Fatalf("page from %d: %v, %d messages, more %v", n, err, len(page.Messages), page.More)
			}
			before = page.Messages[0].Pos.Seq
		}
	})
}

// Who stands before an empty stretch of the stream is not told, by the next message,
// of one that they do not know.
func TestPrevBehindAnEmptyStretch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &live.Options{Limits: live.Limits{ReplyBytes: 1 << 20},
			Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 8 << 10, WriteTimeout: -1, PingInterval: -1}}}
		k := newKit(t, o, func(h *live.Hub) {
			rooms(live.RoomOptions{History: 10})(h)
			live.On(h, "fill", func(ctx context.Context, s *live.Session, _ any) error {
				for range 40 {
					s.Send(ctx, "hint", long(4000))
				}
				return nil
			})
		})
		a := k.dial()
		a.send(`{"type":"$join","id":1,"room":"room:7"}`)
		pos := a.want(`{"type":"$ok"}`).Pos
		a.send(`{"type":"$leave","id":2,"room":"room:7"}`)
		k.hub.Room("room:8").Publish(t.Context(), "n", 1)
		synctest.Wait()
		b := k.dial()
		b.send(`{"type":"fill"}`)
		synctest.Wait()
		b.send(`{"type":"$join","id":1,"room":"room:7","pos":{"epoch":%q,"seq":%d}}`, pos.Epoch, pos.Seq)
		synctest.Wait() // it cannot be told that it is live
		k.hub.Room("room:7").Publish(t.Context(), "n", 2)
		for range 40 {
			b.want(`{"type":"hint"}`)
		}
		b.want(`{"type":"$ok","re":1,"pos":{"seq":0}}`)
		if m := b.want(`{"type":"n","data":2}`); m.Prev > pos.Seq {
			t.Errorf("prev is %d behind %d, and nothing is between", m.Prev, pos.Seq)
		}
	})
}
