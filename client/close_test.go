//go:build !js

package client_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestCloseFlushes(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		p.cut()
		synctest.Wait()
		sent := send(t, r, 1) // waits for a connection
		closed := result(func() error { return c.Close(t.Context()) })
		_, err := r.Send(t.Context(), "chat", 2)
		wantErr(t, err, client.ErrClosed)
		wantErr(t, r.Join(t.Context()), client.ErrClosed)
		p = s.next()
		p.welcome()
		m := p.expect("chat")
		synctest.Wait()
		if len(closed) != 0 {
			t.Fatal("Close returned before the send was acknowledged")
		}
		p.ok(m, 1)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if code := ws.CloseStatus(<-p.closed); code != ws.StatusNormalClosure {
			t.Errorf("closed with %d", code)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseGivesUp(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		sent := send(t, r, 1)
		p.expect("chat")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		wantErr(t, c.Close(ctx), context.DeadlineExceeded)
		wantErr(t, <-sent, client.ErrUnknown)
	})
}

func TestCloseWhileConnecting(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		o := s.options(nil)
		o.NetDial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		o.Lazy = true
		c, err := client.Dial(t.Context(), "ws://localhost/live", o)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := room(t, c, "room:7", nil)
		joining := result(func() error { return r.Join(t.Context()) })
		start := time.Now()
		if err := c.Close(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		wantErr(t, <-joining, client.ErrClosed)

		// And while $hello is unanswered, by a server that is stuck.
		c = s.lazy(nil)
		p := s.next()
		p.expect("$hello")
		wstest.Stream(p.conn).SetFaults(wstest.Faults{Stall: true})
		if err := c.Close(t.Context()); err != nil || time.Since(start) > 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}

		// And while waiting.
		s.mu.Lock()
		s.down = true
		s.mu.Unlock()
		c = s.lazy(nil)
		synctest.Wait()
		if c.State().Phase != client.Waiting {
			t.Fatal(c.State())
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
	})
}

func TestCloseWaitsForCallbacks(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		over := false
		client.On(c, "news", func(ctx context.Context, _ any) {
			<-ctx.Done()
			time.Sleep(time.Second)
			over = true
		})
		p.send(`{"type":"news"}`)
		synctest.Wait()
		if err := c.Close(t.Context()); err != nil || !over {
			t.Errorf("%v; the callback is over: %t", err, over)
		}
	})
}
