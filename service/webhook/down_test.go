package webhook_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/service/webhook"
)

// TestRetries has questions asked again with the same id, and no others.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails atomic.Int64
		status := 0
		a := newApp(nil)
		a.says = func(ctx context.Context, q m) (int, string) {
			if q["event"] != "connect" && fails.Add(-1) >= 0 {
				return status, `{}`
			}
			return kind(ctx, q)
		}
		k := open(t, webhook.Options{}, a, nil)
		p := k.hello("ann")
		for _, tc := range []struct {
			status   int
			fails    int64
			attempts int
			answer   string
		}{
			{0, 1, 2, "$ok"}, {503, 2, 3, "$ok"}, {500, 3, 3, down}, {0, 3, 3, down},
			{404, 1, 1, down}, {401, 1, 1, down}, {302, 1, 1, down}, {204, 1, 1, down}, {200, 1, 1, down}, // {} is no answer
		} {
			status = tc.status
			fails.Store(tc.fails)
			before := len(a.asked("join"))
			retry := p.want(tc.answer, "$join", "room:1", `{}`)
			asked := a.asked("join")[before:]
			if len(asked) != tc.attempts {
				t.Errorf("status %d, %d times: %d attempts, want %d", tc.status, tc.fails, len(asked), tc.attempts)
			}
			for i, q := range asked {
				if q["id"] != asked[0]["id"] || q["at"] != asked[0]["at"] || q["attempt"] != float64(i+1) {
					t.Errorf("attempt %d is %v", i+1, q)
				}
			}
			if tc.answer == down && (retry < 1000 || retry > 3000) {
				t.Errorf("come again after %d ms", retry)
			}
			fails.Store(0)
			p.want("$ok", "$join", "room:2", `{}`) // so that the breaker stays closed
			p.want("$ok", "$leave", "room:2", `{}`)
			if tc.answer == "$ok" {
				p.want("$ok", "$leave", "room:1", `{}`)
			}
		}
		if s := k.hook.Stats(); s.BreakerOpened != 0 || s.Join.Retried != 1+2+2+2 || s.Join.Failed != 7 {
			t.Errorf("%+v", s)
		}
	})
}

// TestTimeout has an application that does not answer cost no more than the time-out, with all attempts.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(kind)
		k := open(t, webhook.Options{Timeout: 3 * time.Second}, a, nil)
		p := k.hello("ann")
		a.says = func(ctx context.Context, q m) (int, string) {
			if q["attempt"] == 1.0 {
				time.Sleep(time.Second)
				return 500, ``
			}
			<-ctx.Done()
			return 200, ``
		}
		start := time.Now()
		p.want(down, "$join", "room:1", `{}`)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("it took %v", d)
		}
		if s := k.hook.Stats(); s.Join.Latency != 3*time.Second || s.Join.Retried != 1 {
			t.Errorf("%+v", s)
		}
		a.says = kind
	})
}

// TestBreaker has it open, so that nobody waits, and close by one answer.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(kind)
		k := open(t, webhook.Options{Retries: -1}, a, nil)
		p := k.hello("ann")
		hang := func(ctx context.Context, q m) (int, string) {
			<-ctx.Done()
			return 200, ``
		}
		a.says = hang
		for range 5 {
			p.want(down, "$join", "room:1", `{}`)
		}
		if s := k.hook.Stats(); !s.BreakerOpen || s.BreakerOpened != 1 {
			t.Fatalf("%+v", s)
		}
		start, asked := time.Now(), len(a.asked("join"))
		for range 50 {
			p.want(down, "$join", "room:1", `{}`)
		}
		if time.Since(start) != 0 || len(a.asked("join")) != asked {
			t.Errorf("50 refusals took %v and %d questions", time.Since(start), len(a.asked("join"))-asked)
		}
		if s := k.hook.Stats(); s.Join.Skipped != 50 || s.Join.Failed != 55 {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(k.log.String(), "known to be down"); n != 1 {
			t.Errorf("50 times the same is %d lines of the log", n)
		}
		// One question to see, without an answer; then one with.
		time.Sleep(6 * time.Second)
		p.want(down, "$join", "room:1", `{}`)
		start = time.Now()
		p.want(down, "$join", "room:1", `{}`)
		if d := time.Since(start); d != 0 || len(a.asked("join")) != asked+1 {
			t.Errorf("open again: it took %v, %d questions", d, len(a.asked("join"))-asked)
		}
		a.says = kind
		time.Sleep(6 * time.Second)
		p.want("$ok", "$join", "room:1", `{}`)
		if s := k.hook.Stats(); s.BreakerOpen || s.BreakerOpened != 1 || !strings.Contains(k.log.String(), "answers again") {
			t.Errorf("%+v\n%s", s, k.log)
		}
	})
}

// TestRefusedRequests has answers with 4xx leave the breaker closed, and refuse whatever WhenDown says.
func TestRefusedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t)
		a := newApp(func(context.Context, m) (int, string) { return 401, `` })
		k := open(t, webhook.Options{WhenDown: webhook.Allow, Events: everything[1:3]}, a, v)
		p := k.hello(sign("ann", "room:1"))
		for range 40 {
			p.want(down, "$join", "room:1", `{}`)
		}
		if s := k.hook.Stats(); s.BreakerOpened != 0 || s.Join.Skipped != 0 || len(a.asked("join")) != 40 {
			t.Errorf("%+v", s)
		}
	})
}

// TestGone has sessions that end while they wait say nothing about the application.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(kind)
		k := open(t, webhook.Options{Events: everything[:3]}, a, nil)
		a.says = func(ctx context.Context, q m) (int, string) {
			if q["event"] == "connect" {
				return kind(ctx, q)
			}
			<-ctx.Done()
			return 200, ``
		}
		for range 10 {
			p := k.hello("ann")
			if err := p.conn.Write(t.Context(), 1, []byte(`{"type":"$join","id":9,"room":"room:1"}`)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			p.conn.CloseNow()
		}
		synctest.Wait()
		if s := k.hook.Stats(); len(a.asked("join")) != 10 || s.BreakerOpened != 0 || s.Join.Failed != 0 || s.UnderWay != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestAllow has the token's claims decide while the application is down.
func TestAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t)
		a := newApp(func(context.Context, m) (int, string) { return 502, `` })
		k := open(t, webhook.Options{WhenDown: webhook.Allow, Retries: -1}, a, v)
		p := k.hello(sign("ann", "room:1"))
		for range 3 { // the breaker opens meanwhile
			p.want("$ok", "$join", "room:1", `{}`)
			p.want("$ok", "text", "room:1", `"hello"`)
			p.want("forbidden: not allowed to join room:2", "$join", "room:2", `{}`)
			p.want("$ok", "$leave", "room:1", `{}`)
		}
		k.hello(sign("bob", "")).want("$ok", "$join", "room:standing", `{}`)
		k.peer().want("unauthorized: the token was refused", "$hello", "", `{"token":"nonsense"}`)
		if s := k.hook.Stats(); !s.BreakerOpen || s.Join.Skipped == 0 {
			t.Errorf("%+v", s)
		}
	})
	synctest.Test(t, func(t *testing.T) { // nobody but the application knows who it is
		a := newApp(func(context.Context, m) (int, string) { return 502, `` })
		k := open(t, webhook.Options{WhenDown: webhook.Allow}, a, nil)
		k.peer().want(down, "$hello", "", `{"token":"ann"}`)
	})
	synctest.Test(t, func(t *testing.T) { // may join, not publish
		a := newApp(kind)
		k := open(t, webhook.Options{WhenDown: webhook.Allow, Events: everything[1:3]}, a, newVerifier(t))
		p := k.hello(sign("ann", ""))
		p.want("$ok", "$join", "room:standing", `{}`)
		p.want("$ok", "text", "room:standing", `1`)
		a.says = func(context.Context, m) (int, string) { return 502, `` }
		p.want("forbidden: not allowed to publish text to room:standing", "text", "room:standing", `1`)
	})
}

// TestRefuse has clients told when to come again, and the Go client come.
func TestRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		a := newApp(func(ctx context.Context, q m) (int, string) {
			if down.Load() {
				return 0, ``
			}
			return kind(ctx, q)
		})
		k := open(t, webhook.Options{}, a, nil)
		time.AfterFunc(time.Minute, func() { down.Store(false) })
		start := time.Now()
		c := k.client("ann", client.Options{Lazy: true})
		r := must(c.Room("room:1", nil))
		if err := r.Join(t.Context()); err != nil || time.Since(start) < time.Minute {
			t.Errorf("joined after %v: %v", time.Since(start), err)
		}
	})
}

// TestUnderWay bounds the questions under way; past it, nobody waits.
func TestUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		a := newApp(func(ctx context.Context, q m) (int, string) {
			if q["event"] == "join" {
				<-release
			}
			return kind(ctx, q)
		})
		k := open(t, webhook.Options{UnderWay: 3}, a, nil)
		var all []*peer
		for range 4 {
			all = append(all, k.hello("ann"))
		}
		for _, p := range all[:3] {
			p.conn.Write(t.Context(), 1, []byte(`{"type":"$join","id":7,"room":"room:1"}`))
		}
		synctest.Wait()
		if s := k.hook.Stats(); s.UnderWay != 3 {
			t.Errorf("%+v", s)
		}
		start := time.Now()
		all[3].want(down, "$join", "room:1", `{}`)
		if s := k.hook.Stats(); time.Since(start) != 0 || s.Join.Skipped != 1 || s.UnderWay != 3 || s.BreakerOpened != 0 {
			t.Errorf("it took %v: %+v", time.Since(start), s)
		}
		close(release)
		synctest.Wait()
		all[3].want("$ok", "$join", "room:1", `{}`)
	})
}

// TestTwice refuses data that two readers could read differently.
func TestTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(kind)
		k := open(t, webhook.Options{}, a, nil)
		p := k.hello("ann")
		p.want("$ok", "$join", "room:1", `{}`)
		p.want("invalid: data has a name twice in one object", "text", "room:1", `[{"text":"good","text":"evil"}]`)
		p.want("$ok", "text", "room:1", `{"text":"<&>\u2028"}`)
		if q := a.asked("publish"); len(q) != 1 || q[0]["data"].(m)["text"] != "<&>\u2028" {
			t.Errorf("asked %v", q)
		}
	})
}
