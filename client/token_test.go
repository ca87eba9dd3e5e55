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
	"github.com/tidewire/tidewire/live/protocol"
)

// tokens returns Options.Token, and a log of what it is asked.
func tokens() (func(context.Context, client.Reason) (string, error), *log) {
	l, n := &log{}, 0
	return func(_ context.Context, why client.Reason) (string, error) {
		n++
		l.add("%s", why)
		return fmt.Sprint("t", n), nil
	}, l
}

func TestTokenInHello(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		token, asked := tokens()
		_, p := s.connect(&client.Options{Token: token})
		if got := p.helloData().Token; got != "t1" {
			t.Errorf("token %q", got)
		}
		p.cut()
		p = s.next()
		p.welcome()
		if got := p.helloData().Token; got != "t2" {
			t.Errorf("token %q", got)
		}
		asked.want(t, "hello", "hello")
		p.conn.Close(protocol.StatusUnauthorized, "")
		p = s.next()
		p.fail(p.expect("$hello"), "unauthorized", false, 0)
		p = s.next()
		p.welcome()
		synctest.Wait()
		p.cut()
		s.next().welcome()
		asked.want(t, "refused", "refused", "hello")
	})
}

func TestRefreshBeforeExpiry(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		token, asked := tokens()
		s.lazy(&client.Options{Token: token})
		p := s.next()
		start := time.Now()
		p.welcomeWith(welcome + `,"ttl":3600000`)
		for i := range 3 {
			m := p.expect("$refresh")
			if d := time.Since(start); d != 48*time.Minute {
				t.Errorf("refreshed after %v of an hour", d)
			}
			if want := fmt.Sprintf(`{"token":"t%d"}`, i+2); string(m.Data) != want {
				t.Errorf("refreshed with %s, want %s", m.Data, want)
			}
			start = time.Now()
			p.send(`{"type":"$ok","re":%d,"data":{"user":"ann","ttl":3600000}}`, m.ID)
		}
		m := p.expect("$refresh")
		p.fail(m, "unauthorized", false, 0)
		m = p.expect("$refresh") // with another token, a little later
		p.fail(m, "forbidden", false, 0)
		s.next().welcome() // another user needs another session
		asked.want(t, "hello", "expiry", "expiry", "expiry", "expiry", "refused", "hello")
	})
}

func TestExpiredIsRefreshed(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		token, asked := tokens()
		c, p := s.connect(&client.Options{Token: token})
		r, _ := room(t, c, "room:7", nil)
		first := send(t, r, 1)
		second := send(t, r, 2)
		called := result(func() error { _, err := client.Call[int, int](t.Context(), c, "sum", 1); return err })
		p.fail(p.expect("chat"), "expired", false, 0)
		p.fail(p.expect("chat"), "expired", false, 0)
		p.fail(p.expect("sum"), "expired", false, 0)
		m := p.expect("$refresh")
		p.quiet()
		p.send(`{"type":"$ok","re":%d,"data":{"user":"ann"}}`, m.ID)
		for n := 1; n <= 2; n++ {
			m := p.expect("chat")
			if string(m.Data) != fmt.Sprint(n) {
				t.Errorf("repeated %s", m.Data)
			}
			p.ok(m, n)
		}
		p.send(`{"type":"$ok","re":%d,"data":3}`, p.expect("sum").ID)
		if err := errors.Join(<-first, <-second, <-called); err != nil {
			t.Error(err)
		}
		asked.want(t, "hello", "refused")
	})
}

func TestExpiredWithoutTokens(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		done := send(t, r, 1)
		p.fail(p.expect("chat"), "expired", false, 0)
		wantCode(t, <-done, "expired")
	})
}

func TestTokenFails(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		n := 0
		c := s.lazy(&client.Options{Token: func(context.Context, client.Reason) (string, error) {
			if n++; n == 1 {
				return "", errors.ErrUnsupported
			} else if n == 2 {
				panic("no token")
			} else if n == 3 {
				return "two words", nil
			}
			return "t", nil
		}})
		synctest.Wait()
		if st := c.State(); st.Phase != client.Waiting || !errors.Is(st.Err, errors.ErrUnsupported) {
			t.Errorf("state is %+v", st)
		}
		s.next().welcome()
		if n != 4 || c.Stats().Panics != 1 {
			t.Errorf("asked %d times, %+v", n, c.Stats())
		}
	})
}
