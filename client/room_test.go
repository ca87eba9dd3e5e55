//go:build !js

package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
)

func TestJoin(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", &client.RoomOptions{Last: 50})
		done := result(func() error { return r.Join(t.Context()) })
		m := p.expect("$join")
		if string(m.Data) != `{"last":50}` || !m.Pos.IsZero() {
			t.Errorf("$join has %s, %v", m.Data, m.Pos)
		}
		p.chat("room:7", 0, 90) // before the reply: ignored
		p.send(`{"type":"$ok","re":%d,"room":"room:7","pos":{"epoch":"k3","seq":17},"data":{"recovered":false,"head":23}}`, m.ID)
		p.chat("room:7", 17, 19)
		p.chat("room:7", 19, 23)
		p.send(`{"type":"$live","room":"room:7","pos":{"epoch":"k3","seq":23,"mid":"m23"}}`)
		p.chat("room:7", 23, 30)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		l.want(t, "19", "23", "live", "30")
		if got, want := r.Position(), (client.Position{Epoch: "k3", Seq: 30, Mid: "m30"}); got != want {
			t.Errorf("position is %v", got)
		}
	})
}

func TestRoomWithoutHistory(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "open:1", nil)
		done := result(func() error { return r.Join(t.Context()) })
		m := p.expect("$join")
		p.send(`{"type":"$ok","re":%d,"room":"open:1","data":{"recovered":false}}`, m.ID)
		p.send(`{"type":"$live","room":"open:1"}`)
		p.send(`{"type":"chat","room":"open:1","data":"a"}`)
		p.send(`{"type":"$gap","room":"open:1","data":{"reason":"slow"}}`)
		p.send(`{"type":"chat","room":"open:1","data":"b"}`)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		l.want(t, "live", "a", "gap 0-0 slow", "b")
	})
}

func TestWildcard(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		w, all := room(t, c, "room:*", nil)
		done := result(func() error { return w.Join(t.Context()) })
		m := p.expect("$join")
		p.send(`{"type":"$ok","re":%d,"room":"room:*","data":{"recovered":false}}`, m.ID)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		r, l := room(t, c, "room:7", nil)
		join(t, r, p, 10)
		p.chat("room:7", 10, 11)
		p.chat("room:7", 10, 11) // doubled, for both
		p.chat("room:8", 4, 5)
		p.chat("room:8:x", 4, 6)
		p.chat("hall:8", 4, 7)
		l.want(t, "live", "11")
		all.want(t, "11", "5")
		if _, err := w.Send(t.Context(), "chat", 1); err == nil {
			t.Error("published to a wildcard")
		}
		p.quiet()
	})
}

func TestJoinRefused(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", nil)
		done := result(func() error { return r.Join(t.Context()) })
		p.fail(p.expect("$join"), "busy", true, 3000)
		start := time.Now()
		m := p.expect("$join") // what may succeed later is tried again
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("tried again after %v", d)
		}
		p.fail(m, "forbidden", false, 0)
		wantCode(t, <-done, "forbidden")
		p.cut()
		p = s.next()
		p.welcome()
		if len(p.helloData().Join) != 0 {
			t.Error("a refused room was joined again")
		}
		l.want(t)
	})
}

func TestLeft(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", nil)
		join(t, r, p, 10)
		p.chat("room:7", 10, 11)
		p.send(`{"type":"$left","room":"room:7","data":{"reason":"removed"}}`)
		p.chat("room:7", 11, 12)
		l.want(t, "live", "11", "left client: room was left: removed")
		p.cut()
		p = s.next()
		p.welcome()
		if len(p.helloData().Join) != 0 {
			t.Error("joined again")
		}
		// Another room is refused on the way back.
		r, l = room(t, c, "room:8", nil)
		join(t, r, p, 10)
		p.cut()
		p = s.next()
		p.welcome()
		p.send(`{"type":"$error","room":"room:8","data":{"code":"forbidden"}}`)
		l.want(t, "live", "left client: room was left: forbidden")
	})
}

func TestJoinsAreCounted(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", nil)
		join(t, r, p, 10)
		same, _ := c.Room("room:7", nil)
		if same != r {
			t.Fatal("two handles")
		}
		if err := same.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := same.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.quiet()
		done := result(func() error { return r.Leave(t.Context()) })
		m := p.expect("$leave")
		p.chat("room:7", 10, 11)
		p.send(`{"type":"$ok","re":%d,"room":"room:7"}`, m.ID)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		l.want(t, "live")
		other, _ := c.Room("room:7", nil)
		if other == r {
			t.Error("the handle was not let go")
		}
		wantErr(t, r.Join(t.Context()), client.ErrStale)
	})
}

// TestLeaveForgets leaves while messages wait: who comes back with the same handle gets them again.
func TestLeaveForgets(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", nil)
		hold := make(chan struct{})
		client.OnMessage(r, "chat", func(context.Context, int, client.Meta) { <-hold })
		join(t, r, p, 10)
		l.want(t, "live")
		for n := 11; n <= 13; n++ {
			p.chat("room:7", n-1, n)
			synctest.Wait()
		}
		done := result(func() error { return r.Leave(t.Context()) })
		p.send(`{"type":"$ok","re":%d,"room":"room:7"}`, p.expect("$leave").ID)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		close(hold)
		l.want(t, "11")
		if m := join(t, r, p, 11); m.Pos.Seq != 11 {
			t.Errorf("joined again at %v", m.Pos)
		}
		p.chat("room:7", 11, 12)
		l.want(t, "live", "12")
	})
}

// TestCastRefusedWhileJoining has two errors of one room without re: one has the mid of a cast.
func TestCastRefusedWhileJoining(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", nil)
		join(t, r, p, 1)
		p.cut()
		p = s.next()
		p.welcome()
		synctest.Wait()
		if err := r.Cast("typing", true); err != nil {
			t.Fatal(err)
		}
		p.send(`{"type":"$error","room":"room:7","mid":%q,"data":{"code":"rate","retryable":true}}`, p.expect("typing").Mid)
		p.send(`{"type":"$ok","room":"room:7","pos":{"epoch":"k3","seq":1},"data":{"recovered":true,"head":2}}`)
		p.chat("room:7", 1, 2)
		l.want(t, "live", "2")
		p.quiet()
	})
}

func TestJoinGivenUp(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantErr(t, r.Join(ctx), context.DeadlineExceeded)
		p.expect("$join")
		p.expect("$leave")
	})
}

func TestInboxOverflowIsGap(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(&client.Options{Inbox: client.Inbox{Max: 4}})
		r, l := room(t, c, "room:7", nil)
		hold := make(chan struct{})
		client.OnMessage(r, "chat", func(context.Context, int, client.Meta) { <-hold })
		join(t, r, p, 0)
		l.want(t, "live")
		p.chat("room:7", 0, 1)
		l.want(t, "1")
		for n := 2; n <= 10; n++ {
			p.chat("room:7", n-1, n)
		}
		l.want(t)
		close(hold)
		l.want(t, "2", "3", "4", "5", "gap 5-10 overflow")
		p.chat("room:7", 10, 11)
		l.want(t, "11")
	})
}

func TestRoomToken(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		asked := 0
		r, _ := room(t, c, "room:7", &client.RoomOptions{Token: func(context.Context) (string, error) {
			asked++
			return fmt.Sprint("t", asked), nil
		}})
		if m := join(t, r, p, 1); string(m.Data) != `{"token":"t1"}` {
			t.Errorf("joined with %s", m.Data)
		}
		p.cut()
		p = s.next()
		p.welcome()
		if m := p.joined(1); string(m.Data) != `{"token":"t2"}` {
			t.Errorf("joined again with %s", m.Data)
		}

		// What is sent meanwhile waits for the join, as only members may publish.
		p.cut()
		sent := result(func() error { _, err := r.Send(t.Context(), "chat", "hi"); return err })
		p = s.next()
		p.welcome()
		p.joined(1)
		m := p.expect("chat")
		p.send(`{"type":"$ok","re":%d,"pos":{"seq":2}}`, m.ID)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}

		failing, _ := room(t, c, "room:8", &client.RoomOptions{Token: func(context.Context) (string, error) {
			return "", errors.ErrUnsupported
		}})
		wantErr(t, failing.Join(t.Context()), errors.ErrUnsupported)
	})
}

func TestThousandRooms(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		const n = 1000
		c, p := s.connect(nil)
		heard := make(chan string, n)
		joins := make(chan error, n)
		for i := range n {
			r, err := c.Room(fmt.Sprint("room:", i), nil)
			if err != nil {
				t.Fatal(err)
			}
			client.OnMessage(r, "chat", func(_ context.Context, _ any, m client.Meta) { heard <- m.Room })
			go func() { joins <- r.Join(t.Context()) }()
		}
		synctest.Wait()
		if len(p.in) != 50 {
			t.Errorf("%d joins under way", len(p.in))
		}
		for range n {
			p.joined(5)
		}
		for range n {
			if err := <-joins; err != nil {
				t.Fatal(err)
			}
		}
		p.cut()
		p = s.next()
		p.welcome()
		seen := map[string]bool{}
		for _, j := range p.helloData().Join {
			seen[j.Room] = true
			p.send(`{"type":"$ok","room":%q,"pos":{"epoch":"k3","seq":5},"data":{"recovered":true,"head":5}}`, j.Room)
		}
		if len(seen) != 50 {
			t.Errorf("%d joins in $hello", len(seen))
		}
		for len(seen) < n {
			m := p.joined(5)
			if seen[m.Room] || m.Pos.Seq != 5 {
				t.Fatalf("joined %s at %v", m.Room, m.Pos)
			}
			seen[m.Room] = true
		}
		for i := range n {
			p.chat(fmt.Sprint("room:", i), 5, 6)
		}
		for range n {
			delete(seen, <-heard)
		}
		if len(seen) != 0 {
			t.Errorf("%d rooms heard nothing", len(seen))
		}
	})
}

// A join that is never answered costs the connection, and is sent again on the next one: by $join and in $hello.
func TestUnansweredJoin(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(&client.Options{CallTimeout: 7 * time.Second})
		r, _ := room(t, c, "room:7", nil)
		start := time.Now()
		done := result(func() error { return r.Join(t.Context()) })
		p.expect("$join")
		for range 2 {
			p = s.next() // the connection was given up
			if d := time.Since(start); d < 7*time.Second || d > 8*time.Second {
				t.Errorf("given up after %v", d)
			}
			start = time.Now()
			p.welcome()
			if h := p.helloData(); len(h.Join) != 1 || h.Join[0].Room != "room:7" {
				t.Fatalf("joins %v", h.Join)
			}
		}
		p.send(`{"type":"$ok","room":"room:7","pos":{"epoch":"k","seq":3},"data":{"recovered":false,"head":3}}`)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		p.quiet()
		if c.State().Phase != client.Open {
			t.Error("an answered join cost the connection")
		}
	})
}
