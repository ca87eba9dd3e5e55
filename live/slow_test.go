package live_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

// A member that reads nothing catches up from the history: no hole, no disconnect,
// and nobody else waits.
func TestSlowMemberCatchesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &live.Options{Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 64 << 10, WriteTimeout: -1, PingInterval: -1}}}
		k := newKit(t, o, rooms(live.RoomOptions{History: 20_000}))
		slow, quick := k.dial(), k.dial()
		slow.join("room:7")
		quick.join("room:7")
		const n = 10_000
		for i := range n {
			k.hub.Room("room:7").Publish(t.Context(), "n", map[string]any{"n": i, "pad": long(1000)})
			if quick.want(`{"type":"n"}`).Pos.Seq != uint64(i+1) {
				t.Fatal("the quick one missed a message")
			}
		}
		next := func() live.Message { // it may be live in between, and slow again
			for {
				if m := slow.read(); m.Type != "$live" {
					return m
				}
			}
		}
		for i := range n {
			if m := next(); m.Type != "n" || m.Pos.Seq != uint64(i+1) {
				t.Fatalf("message %d: got %v", i, m)
			}
		}
		k.hub.Room("room:7").Publish(t.Context(), "last", nil)
		if m := next(); m.Type != "last" {
			t.Fatalf("got %v", m)
		}
	})
}

// The other policies, with a member that reads nothing for a while.
func TestSlowPolicies(t *testing.T) {
	run := func(t *testing.T, ro live.RoomOptions, f func(k *kit, slow *peer)) {
		bubble(t, func(t *testing.T) {
			o := &live.Options{Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 32 << 10, WriteTimeout: -1, PingInterval: -1}}}
			k := newKit(t, o, rooms(ro))
			slow := k.dial()
			slow.join("room:7")
			for i := range 2000 {
				k.hub.Room("room:7").Publish(t.Context(), "n", map[string]any{"n": i, "pad": long(500)}, live.WithKey(fmt.Sprint("k", i%3)))
				if i%50 == 0 {
					synctest.Wait()
				}
			}
			f(k, slow)
		})
	}
	t.Run("disconnect", func(t *testing.T) {
		run(t, live.RoomOptions{}, func(_ *kit, slow *peer) {
			if code := slow.closed(); code != ws.StatusTryAgainLater {
				t.Errorf("closed with %d", code)
			}
		})
	})
	for _, history := range []int{0, 100} {
		t.Run(fmt.Sprint("drop oldest, history ", history), func(t *testing.T) {
			run(t, live.RoomOptions{History: history, Slow: live.DropOldest}, func(_ *kit, slow *peer) {
				gaps, last := 0, -1
				for last < 1999 {
					m := slow.read()
					var d struct {
						N      int
						Reason string
					}
					m.Codec.Unmarshal(m.Data, &d)
					switch {
					case m.Type == "$gap" && d.Reason == "slow":
						gaps++
						last = -2
					case m.Type == "n":
						if last >= -1 && d.N != last+1 || d.N <= last {
							t.Fatalf("%d behind %d without a gap", d.N, last)
						}
						last = d.N
					}
				}
				if gaps == 0 {
					t.Error("no gap")
				}
			})
		})
	}
	t.Run("latest", func(t *testing.T) {
		run(t, live.RoomOptions{Slow: live.Latest}, func(k *kit, slow *peer) {
			got, count := map[string]int{}, 0
			for got["k0"]+got["k1"]+got["k2"] < 1999+1998+1997 {
				m := slow.read()
				var d struct{ N int }
				m.Codec.Unmarshal(m.Data, &d)
				if m.Type == "n" {
					if d.N < got[m.Key] {
						t.Fatalf("%s went back from %d to %d", m.Key, got[m.Key], d.N)
					}
					got[m.Key] = d.N
					count++
				}
			}
			if count > 1000 {
				t.Errorf("%d messages were sent to a reader that stood still", count)
			}
			late := k.dial()
			late.send(`{"type":"$join","id":1,"room":"room:7"}`)
			late.want(`{"type":"$ok"}`)
			for n := 1997; n < 2000; n++ {
				late.want(fmt.Sprintf(`{"type":"n","data":{"n":%d}}`, n))
			}
			late.want(`{"type":"$live"}`)
		})
	})
}
