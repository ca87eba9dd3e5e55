//go:build !js

package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live/protocol"
)

func TestSend(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		var pos client.Position
		done := result(func() (err error) {
			pos, err = r.Send(t.Context(), "chat", map[string]string{"text": "yo"})
			return err
		})
		m := p.expect("chat")
		if m.Room != "room:7" || m.Mid == "" || m.ID == 0 || string(m.Data) != `{"text":"yo"}` || m.Volatile {
			t.Errorf("sent %+v", m)
		}
		p.ok(m, 52)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if want := (client.Position{Epoch: "k3", Seq: 52, Mid: m.Mid}); pos != want {
			t.Errorf("stored at %v", pos)
		}
		done = result(func() error { _, err := r.Set(t.Context(), "temp", "reading", 21); return err })
		m = p.expect("reading")
		if m.Key != "temp" {
			t.Errorf("key is %q", m.Key)
		}
		p.fail(m, "forbidden", false, 0)
		wantCode(t, <-done, "forbidden")
		for _, bad := range []string{"", "$ok", "two words", strings.Repeat("x", 65)} {
			if _, err := r.Send(t.Context(), bad, 1); err == nil || !strings.HasPrefix(err.Error(), "client: send to room:7: ") {
				t.Errorf("type %q: %v", bad, err)
			}
		}
		if _, err := r.Set(t.Context(), "two words", "reading", 1); err == nil || !strings.HasPrefix(err.Error(), "client: send to room:7: invalid: key ") {
			t.Errorf("a bad key: %v", err)
		}
		p.quiet()
	})
}

func TestRetryHasTheSameMidAndOrder(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		var sends []chan error
		for n := range 5 {
			sends = append(sends, send(t, r, n))
		}
		mids := map[string]string{}
		for n := range 5 {
			m := p.expect("chat")
			mids[string(m.Data)] = m.Mid
			if n == 1 {
				p.ok(m, 1)
			}
		}
		if err := <-sends[1]; err != nil {
			t.Fatal(err)
		}
		p.cut()
		sends = append(sends, send(t, r, 5)) // meanwhile
		p = s.next()
		p.welcome()
		for _, n := range []int{0, 2, 3, 4, 5} {
			m := p.expect("chat")
			if string(m.Data) != fmt.Sprint(n) || n < 5 && m.Mid != mids[string(m.Data)] {
				t.Errorf("repeated %s as %s, want %d as %s", m.Data, m.Mid, n, mids[string(m.Data)])
			}
			p.ok(m, 10+n)
			if err := <-sends[n]; err != nil {
				t.Error(err)
			}
		}
		p.quiet()
	})
}

func TestRefusedIsRepeatedInOrder(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		other, _ := room(t, c, "room:8", nil)
		var sends []chan error
		var sent []protocol.Message
		for n := range 3 {
			sends = append(sends, send(t, r, n))
			sent = append(sent, p.expect("chat"))
		}
		start := time.Now()
		p.fail(sent[0], "busy", true, 800)
		synctest.Wait()
		sends = append(sends, send(t, r, 3)) // waits behind the others
		p.quiet()
		time.Sleep(2 * time.Second)
		p.quiet() // 1 and 2 are still under way: 0 must not fall behind what they turn into
		elsewhere := send(t, other, "x")
		p.ok(p.expect("chat"), 1) // another room goes on
		if err := <-elsewhere; err != nil {
			t.Fatal(err)
		}
		p.fail(sent[1], "aborted", true, 0)
		p.fail(sent[2], "aborted", true, 0)
		for n := range 4 {
			m := p.expect("chat")
			if string(m.Data) != fmt.Sprint(n) || n < 3 && m.Mid != sent[n].Mid {
				t.Fatalf("repeated %s, want %d", m.Data, n)
			}
			p.ok(m, 10+n)
			if err := <-sends[n]; err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(start); d < 2500*time.Millisecond || d > 4*time.Second {
			t.Errorf("repeated after %v", d)
		}
	})
}

func TestWindowPassed(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		start := time.Now()
		done := send(t, r, 1)
		p.expect("chat")
		s.mu.Lock()
		s.down = true
		s.mu.Unlock()
		p.cut()
		wantErr(t, <-done, client.ErrUnknown)
		if d := time.Since(start).Round(time.Second); d != 2*time.Minute {
			t.Errorf("given up after %v, the window is two minutes", d)
		}
		s.mu.Lock()
		s.down = false
		s.mu.Unlock()
		p = s.next()
		p.welcome()
		p.quiet()

		// What was only ever refused is known not to have happened.
		done = send(t, r, 2)
		go func() {
			for m := range p.in {
				p.fail(m, "unavailable", true, 5000)
			}
		}()
		err := <-done
		wantCode(t, err, "unavailable")
		if errors.Is(err, client.ErrUnknown) {
			t.Error("the outcome is known")
		}
	})
}

func TestNoWindowNoRepetition(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c := s.lazy(nil)
		p := s.next()
		p.welcomeWith(`"session":"s1"`)
		r, _ := room(t, c, "room:7", nil)
		done := send(t, r, 1)
		p.expect("chat")
		p.cut()
		wantErr(t, <-done, client.ErrUnknown)
	})
}

func TestOfflineQueue(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		s.down = true
		c := s.lazy(&client.Options{
			Queue:   client.Queue{Max: 3, MaxBytes: 100, TTL: 10 * time.Second},
			Backoff: client.Backoff{Max: time.Second},
		})
		r, _ := room(t, c, "room:7", nil)
		start := time.Now()
		first := send(t, r, 1)
		_, err := r.Send(t.Context(), "chat", strings.Repeat("x", 100))
		wantErr(t, err, client.ErrQueueFull)
		time.Sleep(5 * time.Second)
		second, third := send(t, r, 2), send(t, r, 3)
		_, err = r.Send(t.Context(), "chat", 4)
		wantErr(t, err, client.ErrQueueFull)
		if time.Since(start) != 5*time.Second {
			t.Error("overflow was not told at once")
		}
		wantErr(t, r.Cast("typing", 1), client.ErrOffline)
		wantErr(t, <-first, client.ErrNotSent)
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("given up after %v", d)
		}
		s.mu.Lock()
		s.down = false
		s.mu.Unlock()
		p := s.next()
		p.welcome()
		for n := 2; n <= 3; n++ {
			m := p.expect("chat")
			if string(m.Data) != fmt.Sprint(n) {
				t.Errorf("sent %s", m.Data)
			}
			p.ok(m, n)
		}
		if err := errors.Join(<-second, <-third); err != nil {
			t.Error(err)
		}
		p.quiet()
	})
}

func TestQueueBytes(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(&client.Options{Queue: client.Queue{MaxBytes: 100}})
		r, _ := room(t, c, "room:7", nil)
		for range 3 { // what is answered makes room
			done := send(t, r, strings.Repeat("x", 60))
			m := p.expect("chat")
			_, err := r.Send(t.Context(), "chat", strings.Repeat("x", 60))
			wantErr(t, err, client.ErrQueueFull)
			p.ok(m, 1)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			done := send(t, r, strings.Repeat("x", 40))
			p.expect("chat")
			if len(done) != 0 {
				t.Fatal(<-done)
			}
		}
	})
}

func TestSendGivenUp(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Send(ctx, "chat", 1)
		wantErr(t, err, context.DeadlineExceeded)
		wantErr(t, err, client.ErrUnknown) // it had been sent
		p.expect("chat")
		p.cut()
		p = s.next()
		p.welcome()
		p.quiet() // not repeated
	})
}

func TestSendsUnderWayAreBounded(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		for n := range 100 {
			go r.Send(t.Context(), "chat", n)
		}
		synctest.Wait()
		if n := len(p.in); n != 64 {
			t.Errorf("%d publishes under way", n)
		}
		p.ok(p.expect("chat"), 1)
		synctest.Wait()
		if n := len(p.in); n != 64 {
			t.Errorf("%d publishes under way after one was answered", n)
		}
	})
}

func TestTooLarge(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		_, err := r.Send(t.Context(), "chat", strings.Repeat("x", 64<<10))
		wantCode(t, err, "too-large")
		wantCode(t, r.Cast("chat", strings.Repeat("x", 64<<10)), "too-large")
		p.quiet()

		// A hub that takes less closes the connection: what may be to blame is not sent again.
		done := send(t, r, "big")
		p.expect("chat")
		p.conn.Close(1009, "")
		wantErr(t, <-done, client.ErrUnknown)
		start := time.Now()
		p = s.next()
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("came back after %v, want the greatest wait", d)
		}
		p.welcome()
		p.quiet()
	})
}

func TestCast(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", nil)
		join(t, r, p, 1)
		if err := r.Cast("typing", true); err != nil {
			t.Fatal(err)
		}
		m := p.expect("typing")
		if !m.Volatile || m.ID != 0 {
			t.Errorf("cast %+v", m)
		}
		p.send(`{"type":"$error","room":"room:7","mid":%q,"data":{"code":"rate","retryable":true}}`, m.Mid)
		p.send(`{"type":"chat","room":"room:7","volatile":true,"data":"v"}`)
		l.want(t, "live", "v")
		if n := c.Stats().Refused; n != 1 {
			t.Errorf("%d refused", n)
		}
		p.cut()
		s.next().welcome()
		if got := r.Position().Seq; got != 1 {
			t.Errorf("position is %d", got)
		}
	})
}

func TestDegraded(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		p.send(`{"type":"$degraded","data":{"rooms":"stored"}}`)
		synctest.Wait()
		if !c.State().Degraded {
			t.Error("not told")
		}
		done := send(t, r, 1)
		start := time.Now()
		p.fail(p.expect("chat"), "unavailable", true, 30_000)
		time.Sleep(time.Second)
		p.send(`{"type":"$degraded","data":{"rooms":""}}`)
		p.ok(p.expect("chat"), 1)
		if err := <-done; err != nil || time.Since(start) != time.Second || c.State().Degraded {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}
