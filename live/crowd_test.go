package live

import (
	"fmt"
	"testing"
	"time"
)

// crowded returns a room with presence of a hub that is alone.
func crowded(tb testing.TB) *room {
	h := NewHub(nil)
	h.ConfigureRooms("room:*", RoomOptions{Presence: true})
	r, err := h.rooms.enter(tb.Context(), "room:7", h.kindOf("room:7"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		h.rooms.leave(r)
		h.Close()
	})
	return r
}

func (r *room) comes(id string) *Session {
	s := &Session{hub: r.hub, id: id}
	s.who.Store(&identity{Identity: Identity{User: "u" + id}})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.appears(s)
	return s
}

// A hub that has its broker to itself keeps nothing for other nodes.
func TestCrowdForgets(t *testing.T) {
	r := crowded(t)
	for i := range 100 {
		s := r.comes(fmt.Sprint(i))
		r.mu.Lock()
		r.disappears(s, false)
		r.mu.Unlock()
	}
	if n := len(r.crowd.roll.moves); n > 0 {
		t.Errorf("%d moves wait for nobody", n)
	}
}

// BenchmarkCrowdJoin has one more session come to a room of 20,000, and go.
func BenchmarkCrowdJoin(b *testing.B) {
	r := crowded(b)
	for i := range 20_000 {
		r.comes(fmt.Sprint(i))
	}
	time.Sleep(time.Second)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		s := r.comes(fmt.Sprint("x", n))
		r.mu.Lock()
		r.disappears(s, false)
		r.mu.Unlock()
	}
}

// Who was lost and then is said to have left is shown no more.
func TestCrowdOfLostAndLeft(t *testing.T) {
	r := crowded(t)
	now := time.Now()
	c := r.crowd
	c.put(&present{Session: "s1", User: "ann", Guise: "uann"}, "other")
	c.take("s1", "other", true, now)
	c.take("s1", "other", true, now.Add(time.Second))
	if len(c.all) != 1 || c.users != 1 {
		t.Fatalf("%d sessions, %d users", len(c.all), c.users)
	}
	c.take("s1", "other", false, now)
	if len(c.all) != 0 || c.users != 0 || len(c.guises) != 0 || c.size != 0 {
		t.Errorf("%d sessions, %d users, %d guises, %d bytes", len(c.all), c.users, len(c.guises), c.size)
	}
	c.expire(now.Add(time.Minute))
	if len(c.lingering) != 0 {
		t.Error("it lingers")
	}
}
