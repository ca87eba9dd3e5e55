package live_test

import (
	"context"
	"testing"

	"github.com/tidewire/tidewire/live"
)

// forgetful is a broker that can lose all that it has stored, without knowing it: the numbers begin anew, and the epoch is
// the same.
type forgetful struct {
	*live.Memory
	subs []func()
}

type forgetfulSink struct{ live.Sink }

func (s forgetfulSink) Deliver(m *live.Message) {
	own := *m
	own.Pos.Epoch = "e"
	s.Sink.Deliver(&own)
}

func (f *forgetful) Publish(p *live.Publish, done func(live.Stored, error)) {
	f.Memory.Publish(p, func(st live.Stored, err error) {
		st.Pos.Epoch = "e"
		done(st, err)
	})
}

func (f *forgetful) Subscribe(room live.Room, sink live.Sink) (func(), error) {
	f.subs = append(f.subs, func() { f.Memory.Subscribe(room, forgetfulSink{sink}) })
	return f.Memory.Subscribe(room, forgetfulSink{sink})
}

func (f *forgetful) History(ctx context.Context, room live.Room, q live.Query) (live.Page, error) {
	page, err := f.Memory.History(ctx, room, q)
	page.Head.Epoch = "e"
	for i, m := range page.Messages {
		own := *m
		own.Pos.Epoch = "e"
		page.Messages[i] = &own
	}
	return page, err
}

func (f *forgetful) forget() {
	f.Memory = live.NewMemory(nil)
	for _, again := range f.subs {
		again()
	}
}

// A number that is given out a second time is not taken for a message that came twice: who is there is told.
func TestRewoundWhileLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &forgetful{Memory: live.NewMemory(nil)}
		k := newKit(t, &live.Options{Broker: f}, rooms(live.RoomOptions{History: 10}))
		a := k.dial()
		a.join("room:7")
		for i := range 3 {
			k.hub.Room("room:7").Publish(t.Context(), "n", i)
			a.want(`{"type":"n","room":"room:7"}`)
		}
		f.forget()
		k.hub.Room("room:7").Publish(t.Context(), "n", "lost with the rest")
		a.want(`{"type":"$gap","room":"room:7","pos":{"epoch":"e","seq":1},"data":{"after":3,"reason":"rewound"}}`)
		k.hub.Room("room:7").Publish(t.Context(), "n", "behind it")
		a.want(`{"type":"n","room":"room:7","prev":1,"pos":{"seq":2},"data":"behind it"}`)
	})
}
