package webhook_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/service/webhook"
	"github.com/tidewire/tidewire/ws"
)

// leave has n users come and go.
func (k *kit) leave(n int) {
	k.t.Helper()
	for range n {
		p := k.hello("ann")
		p.conn.Close(ws.StatusNormalClosure, "")
		synctest.Wait()
	}
	for k.hub.Len() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// TestDepartures has them told again until there is an answer, with the same id.
func TestDepartures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := atomic.Int64{}
		status.Store(503)
		a := newApp(nil)
		a.says = func(ctx context.Context, q m) (int, string) {
			if q["event"] == "disconnect" {
				return int(status.Load()), `nothing that anybody reads`
			}
			return kind(ctx, q)
		}
		k := open(t, webhook.Options{Events: []webhook.Event{webhook.Connect, webhook.Disconnect}}, a, nil)
		k.leave(1)
		time.Sleep(5 * time.Second)
		status.Store(429)
		time.Sleep(5 * time.Second)
		status.Store(200)
		told := got(t, a.news)
		all := a.asked("disconnect")
		if len(all) < 3 || told["id"] != all[0]["id"] || told["at"] != all[0]["at"] || told["user"] != "ann" {
			t.Errorf("told %v after %d attempts", told, len(all))
		}
		// Nobody came in: nobody is told.
		k.peer().conn.Close(ws.StatusNormalClosure, "")
		p := k.peer()
		a.says = func(context.Context, m) (int, string) { return 200, `{"error":{"code":"unauthorized"}}` }
		p.want("unauthorized", "$hello", "", `{}`)
		p.conn.CloseNow()
		synctest.Wait()
		if s := k.hook.Stats().Disconnect; s.Asked != 1 || s.Dropped != 0 || s.Failed != 0 || s.Retried != int64(len(all)-1) {
			t.Errorf("%+v", s)
		}
	})
}

// TestGivesUp has what nobody wants to hear dropped: at once where the application refuses it, and after 8 attempts elsewhere.
func TestGivesUp(t *testing.T) {
	for status, attempts := range map[int]int{410: 1, 500: 8, 0: 8} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(nil)
			a.says = func(ctx context.Context, q m) (int, string) {
				if q["event"] == "disconnect" {
					return status, ``
				}
				return kind(ctx, q)
			}
			k := open(t, webhook.Options{}, a, nil)
			k.leave(1)
			time.Sleep(5 * time.Minute)
			if n := len(a.asked("disconnect")); n != attempts {
				t.Errorf("status %d: %d attempts, want %d", status, n, attempts)
			}
			if s := k.hook.Stats(); s.Disconnect.Dropped != 1 || s.Disconnect.Failed != 1 || s.BreakerOpened != 0 {
				t.Errorf("status %d: %+v", status, s)
			}
			if !strings.Contains(k.log.String(), "was not told") {
				t.Errorf("the log is\n%s", k.log)
			}
		})
	}
}

// TestQueue bounds what is still to be told. Disconnected waits for nothing, and Close tells the rest.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		a := newApp(nil)
		a.says = func(ctx context.Context, q m) (int, string) {
			if q["event"] == "disconnect" {
				select {
				case <-release:
				case <-ctx.Done():
				}
			}
			return kind(ctx, q)
		}
		k := open(t, webhook.Options{Queue: 5, Timeout: time.Hour}, a, nil)
		k.leave(4 + 5 + 3) // with the tellers, in the queue, and past it
		if s := k.hook.Stats(); s.Queued != 5 || s.Disconnect.Dropped != 3 || s.Disconnect.Asked != 12 {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(k.log.String(), "was not told"); n != 1 {
			t.Errorf("3 times the same is %d lines of the log", n)
		}
		time.AfterFunc(time.Minute, func() { close(release) })
		ctx, done := context.WithTimeout(t.Context(), 2*time.Minute)
		defer done()
		if err := k.hook.Close(ctx); err != nil {
			t.Error(err)
		}
		if n := len(a.news); n != 9 {
			t.Errorf("%d were told, want 9", n)
		}
		// After that there is nothing any more, and no waiting either.
		p := k.peer()
		p.want(down, "$hello", "", `{"token":"ann"}`)
		if err := k.hook.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestCloseInTime has Close drop what it cannot tell until its context ends, and break off what is under way.
func TestCloseInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(nil)
		a.says = func(ctx context.Context, q m) (int, string) {
			if q["event"] != "connect" {
				<-ctx.Done()
			}
			return kind(ctx, q)
		}
		k := open(t, webhook.Options{Timeout: time.Hour}, a, nil)
		asking := k.hello("ann")
		asking.conn.Write(t.Context(), 1, []byte(`{"type":"$join","id":7,"room":"room:1"}`))
		for range 7 {
			k.hello("bob").conn.CloseNow()
		}
		synctest.Wait()
		for k.hub.Len() > 1 {
			time.Sleep(time.Millisecond)
		}
		start := time.Now()
		ctx, done := context.WithTimeout(t.Context(), 10*time.Second)
		defer done()
		if err := k.hook.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		if s := k.hook.Stats(); s.Disconnect.Dropped != 7 || s.Queued != 0 || s.UnderWay != 0 {
			t.Errorf("%+v", s)
		}
	})
}
