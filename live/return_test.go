package live_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
)

// counted is a broker that counts what it is asked for, and takes its time.
type counted struct {
	*live.Memory
	reads atomic.Int64
}

func (c *counted) History(ctx context.Context, room live.Room, q live.Query) (live.Page, error) {
	c.reads.Add(1)
	time.Sleep(5 * time.Millisecond)
	return c.Memory.History(ctx, room, q)
}

// Who comes back to a room together is served by few reads of its history, whatever each of them has missed.
func TestReturnTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &counted{Memory: live.NewMemory(nil)}
		k := newKit(t, &live.Options{Broker: b}, rooms(live.RoomOptions{History: 100}))
		const stored, clients = 60, 40
		pub, at := k.hub.Room("room:7"), make([]live.Position, stored)
		for i := range at {
			st, err := pub.Publish(t.Context(), "n", i)
			if err != nil {
				t.Fatal(err)
			}
			at[i] = st
		}
		peers := make([]*peer, clients)
		for i := range peers {
			peers[i] = k.dial()
			pos := at[i]
			peers[i].send(`{"type":"$join","id":1,"room":"room:7","pos":{"epoch":%q,"seq":%d,"mid":%q}}`, pos.Epoch, pos.Seq, pos.Mid)
		}
		for i, p := range peers {
			p.want(`{"type":"$ok","re":1,"data":{"recovered":true}}`)
			last := at[i].Seq
			for n := i + 1; n < stored; n++ {
				m := p.want(fmt.Sprintf(`{"type":"n","data":%d}`, n))
				if m.Prev != last {
					t.Fatalf("message %d: prev %d, want %d", n, m.Prev, last)
				}
				last = m.Pos.Seq
			}
			p.want(`{"type":"$live"}`)
		}
		// One says where the room stands. Who has missed more than those before reads once more.
		if n := b.reads.Load(); n > clients/2 {
			t.Errorf("%d reads for %d clients", n, clients)
		}
		pub.Publish(t.Context(), "n", "live")
		for _, p := range peers {
			p.want(`{"type":"n","data":"live"}`)
		}
	})
}

// So are those who missed much, and those who come behind one who missed more than a node keeps.
func TestReturnFromAfar(t *testing.T) {
	const stored, clients = 300, 40
	for name, tc := range map[string]struct{ first, others int }{
		"much was missed":           {stored - 200, stored - 200},
		"the first missed too much": {0, stored - 10},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := &counted{Memory: live.NewMemory(nil)}
				k := newKit(t, &live.Options{Broker: b}, rooms(live.RoomOptions{History: 2 * stored}))
				pub, at := k.hub.Room("room:7"), make([]live.Position, stored)
				for i := range at {
					st, err := pub.Publish(t.Context(), "n", i)
					if err != nil {
						t.Fatal(err)
					}
					at[i] = st
				}
				peers := make([]*peer, clients)
				for i := range peers {
					peers[i] = k.dial()
					pos := at[tc.others]
					if i == 0 {
						pos = at[tc.first]
					}
					peers[i].send(`{"type":"$join","id":1,"room":"room:7","pos":{"epoch":%q,"seq":%d,"mid":%q}}`, pos.Epoch, pos.Seq, pos.Mid)
					if i == 0 {
						time.Sleep(time.Millisecond) // it reads
					}
				}
				for i, p := range peers {
					p.want(`{"type":"$ok","re":1,"data":{"recovered":true}}`)
					n := tc.others
					if i == 0 {
						n = tc.first
					}
					for n++; n < stored; n++ {
						p.want(fmt.Sprintf(`{"type":"n","data":%d}`, n))
					}
					p.want(`{"type":"$live"}`)
				}
				if n := b.reads.Load(); n > clients/4 {
					t.Errorf("%d reads for %d clients", n, clients)
				}
			})
		})
	}
}

// panicky is a broker that panics once, when it is asked for messages.
type panicky struct {
	*live.Memory
	did atomic.Bool
}

func (p *panicky) History(ctx context.Context, room live.Room, q live.Query) (live.Page, error) {
	if q.Limit > 0 && !p.did.Swap(true) {
		time.Sleep(5 * time.Millisecond)
		panic("once")
	}
	return p.Memory.History(ctx, room, q)
}

// Nobody waits for ever for a read that has ended in a panic.
func TestReturnBehindAPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Broker: &panicky{Memory: live.NewMemory(nil)}}, rooms(live.RoomOptions{History: 100}))
		pub := k.hub.Room("room:7")
		pos, err := pub.Publish(t.Context(), "n", 0)
		if err == nil {
			_, err = pub.Publish(t.Context(), "n", 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		peers := []*peer{k.dial(), k.dial(), k.dial()}
		for _, p := range peers {
			p.send(`{"type":"$join","id":1,"room":"room:7","pos":{"epoch":%q,"seq":%d,"mid":%q}}`, pos.Epoch, pos.Seq, pos.Mid)
			time.Sleep(time.Millisecond)
		}
		for _, p := range peers[1:] {
			p.want(`{"type":"$ok","re":1,"data":{"recovered":true}}`)
			p.want(`{"type":"n","data":1}`)
		}
	})
}
