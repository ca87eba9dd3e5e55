package live

import (
	"fmt"
	"math/rand/v2"
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

// Whatever comes and goes, the books are right.
func TestCrowdBooks(t *testing.T) {
	r := crowded(t)
	c := r.crowd
	rnd := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	for i := range 50_000 {
		session, node := fmt.Sprint("s", rnd.IntN(12)), fmt.Sprint("n", rnd.IntN(2))
		user := fmt.Sprint("u", rnd.IntN(4))
		p := &present{Session: session, User: user, Guise: "u" + user}
		if rnd.IntN(3) == 0 {
			p.User, p.Guise = "", "s"+user
		}
		switch rnd.IntN(16) {
		case 0:
			c.drop(node)
		case 1:
			c.forget(node, nil, now)
		case 2, 3, 4, 5:
			c.take(session, node, rnd.IntN(2) == 0, now)
		default:
			c.put(p, node)
		}
		now = now.Add(time.Duration(rnd.IntN(1000)) * time.Millisecond)
		c.expire(now)
		live, lost, users, strangers, size := map[string]int{}, map[string]string{}, map[string]bool{}, 0, 0
		for session, e := range c.all {
			size += e.size()
			if e.User == "" {
				strangers++
			} else {
				users[e.User] = true
			}
			if e.lost.IsZero() {
				live[e.Guise]++
				continue
			}
			if now.Sub(e.lost) >= leaveGrace || lost[e.Guise] != "" {
				t.Fatalf("%d: %s is still there", i, session)
			}
			lost[e.Guise] = session
		}
		if size != c.size || len(users) != c.users || strangers != c.strangers {
			t.Fatalf("%d: %d bytes, %d users, %d strangers: %+v", i, size, len(users), strangers, c)
		}
		for name, g := range c.guises {
			if g.live != live[name] || g.lost != lost[name] || (g.live > 0) == (g.lost != "") {
				t.Fatalf("%d: %s: %+v, %d, %q", i, name, g, live[name], lost[name])
			}
		}
	}
}
