//go:build !js

package client_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
)

func TestCall(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		var sum int
		call := func() error {
			var err error
			sum, err = client.Call[[]int, int](t.Context(), c, "sum", []int{1, 2})
			return err
		}
		done := result(call)
		m := p.expect("sum")
		if m.ID == 0 || m.Room != "" || string(m.Data) != "[1,2]" {
			t.Errorf("called %+v", m)
		}
		p.send(`{"type":"$ok","re":%d,"data":3}`, m.ID)
		if err := <-done; err != nil || sum != 3 {
			t.Errorf("%d, %v", sum, err)
		}
		done = result(call)
		p.send(`{"type":"$error","re":%d,"data":{"code":"shop.sold-out","message":"none left"}}`, p.expect("sum").ID)
		err := <-done
		wantCode(t, err, "shop.sold-out")
		if err.Error() != "client: call sum: shop.sold-out: none left" {
			t.Error(err)
		}
		done = result(call)
		p.fail(p.expect("sum"), "busy", true, 0) // a call is not repeated
		wantCode(t, <-done, "busy")
		start := time.Now()
		done = result(call)
		wantErr(t, <-done, context.DeadlineExceeded)
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("given up after %v", d)
		}
		p.expect("sum")
		done = result(func() error { return c.Send(t.Context(), "note", "x") })
		p.send(`{"type":"$ok","re":%d}`, p.expect("note").ID)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestOnOther(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		l := &log{}
		client.On(c, "known", func(_ context.Context, v int) { l.add("known %d", v) })
		for _, who := range []string{"first", "second"} {
			c.OnOther(func(_ context.Context, m *client.Message) {
				var v string
				err := m.Decode(&v)
				l.add("%s %s %s %v", who, m.Type, v, err)
			})
		}
		p.send(`{"type":"news","data":"a"}`)
		p.send(`{"type":"known","data":1}`)
		p.send(`{"type":"ask","id":4,"data":"b"}`)
		if m := p.expect("$error"); m.Re != 4 || string(m.Data) != `{"code":"unknown-type","message":"no handler for ask"}` {
			t.Errorf("answered by %+v %s", m, m.Data)
		}
		l.want(t, "first news a <nil>", "second news a <nil>", "known 1", "first ask b <nil>", "second ask b <nil>")
	})
}

func TestCallInFlightIsUnknown(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		call := func() error { _, err := client.Call[int, int](t.Context(), c, "sum", 1); return err }
		done := result(call)
		p.expect("sum")
		p.cut()
		wantErr(t, <-done, client.ErrUnknown)
		waits := result(call) // has not been sent: it may wait
		p = s.next()
		p.welcome()
		p.send(`{"type":"$ok","re":%d,"data":3}`, p.expect("sum").ID)
		if err := <-waits; err != nil {
			t.Error(err)
		}
		p.quiet()
	})
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(&client.Options{MaxCalls: 2})
		for range 5 {
			go client.Call[int, int](t.Context(), c, "sum", 1)
		}
		synctest.Wait()
		if len(p.in) != 2 {
			t.Errorf("%d calls under way", len(p.in))
		}
		p.send(`{"type":"$ok","re":%d,"data":3}`, p.expect("sum").ID)
		synctest.Wait()
		if len(p.in) != 2 {
			t.Errorf("%d calls under way after an answer", len(p.in))
		}
	})
}

func TestHandle(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(&client.Options{Inbox: client.Inbox{Max: 2}})
		hold := make(chan struct{})
		client.Handle(c, "confirm", func(_ context.Context, q string) (bool, error) {
			switch q {
			case "sold?":
				return false, &client.Error{Code: "shop.sold-out"}
			case "fail":
				return false, errors.New("secret")
			case "panic":
				panic("oh")
			case "wait":
				<-hold
			case "exit":
				runtime.Goexit()
			}
			return true, nil
		})
		answer := func(id uint64, typ, data string) {
			t.Helper()
			m := p.expect(typ)
			if m.Re != id || string(m.Data) != data {
				t.Errorf("%d is answered by %+v %s", id, m, m.Data)
			}
		}
		p.send(`{"type":"confirm","id":1,"data":"sure?"}`)
		answer(1, "$ok", "true")
		p.send(`{"type":"confirm","id":2,"data":"sold?"}`)
		answer(2, "$error", `{"code":"shop.sold-out"}`)
		p.send(`{"type":"confirm","id":3,"data":"fail"}`)
		answer(3, "$error", `{"code":"internal","message":"the handler failed"}`)
		p.send(`{"type":"confirm","id":4,"data":"panic"}`)
		answer(4, "$error", `{"code":"internal","message":"the handler failed"}`)
		p.send(`{"type":"confirm","id":5,"data":7}`)
		if m := p.expect("$error"); m.Re != 5 {
			t.Errorf("%+v", m)
		}
		p.send(`{"type":"nothing","id":6}`)
		answer(6, "$error", `{"code":"unknown-type","message":"no handler for nothing"}`)
		p.send(`{"type":"confirm","data":"exit"}`) // the goroutine ends, another goes on
		p.send(`{"type":"confirm","id":7,"data":"wait"}`)
		synctest.Wait()
		p.send(`{"type":"confirm","id":8,"data":"a"}`)
		p.send(`{"type":"confirm","id":9,"data":"b"}`)
		p.send(`{"type":"confirm","id":10,"data":"c"}`)
		answer(10, "$error", `{"code":"busy","message":"too many messages wait for their handlers","retryable":true}`)
		p.quiet()
		close(hold)
		for id := uint64(7); id <= 9; id++ {
			answer(id, "$ok", "true")
		}
		if n := c.Stats().Panics; n != 1 {
			t.Errorf("%d panics", n)
		}
	})
}

func TestOn(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		l := &log{}
		client.On(c, "news", func(_ context.Context, n int) { l.add("a%d", n) })
		client.On(c, "news", func(_ context.Context, n int) {
			if n == 2 {
				panic("oh")
			}
			l.add("b%d", n)
		})
		for _, v := range []string{"1", "2", `"no number"`, "3"} {
			p.send(`{"type":"news","data":%s}`, v)
		}
		l.want(t, "a1", "b1", "a2", "a3", "b3")
		if got := c.Stats(); got.Panics != 1 || got.Undecodable != 2 {
			t.Errorf("%+v", got)
		}
	})
}

func TestCallbacksMayCallTheClient(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		l := &log{}
		r, _ := c.Room("room:7", nil)
		client.OnMessage(r, "chat", func(ctx context.Context, n int, _ client.Meta) {
			l.add("%d", n)
			sum, err := client.Call[int, int](ctx, c, "sum", n)
			l.add("%d %v", sum, err)
			_, err = r.Send(ctx, "reply", n)
			l.add("%v %v", err, r.Position().Seq)
			err = r.Leave(ctx)
			l.add("%v", err)
			err = c.Close(ctx)
			l.add("%v", err)
		})
		join(t, r, p, 1)
		p.chat("room:7", 1, 2)
		p.chat("room:7", 2, 3) // waits, and is forgotten by Leave
		p.send(`{"type":"$ok","re":%d,"data":4}`, p.expect("sum").ID)
		p.ok(p.expect("reply"), 4)
		p.send(`{"type":"$ok","re":%d,"room":"room:7"}`, p.expect("$leave").ID)
		<-c.Done()
		l.want(t, "2", "4 <nil>", "<nil> 2", "<nil>", "<nil>")
	})
}

func TestRoomsDoNotHoldEachOtherUp(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		slow, _ := room(t, c, "room:7", nil)
		hold := make(chan struct{})
		running := 0
		client.OnMessage(slow, "chat", func(context.Context, any, client.Meta) {
			running++
			if running != 1 {
				t.Error("two callbacks of a room at once")
			}
			<-hold
			running--
		})
		fast, l := room(t, c, "room:8", nil)
		join(t, slow, p, 0)
		join(t, fast, p, 0)
		for n := 1; n <= 3; n++ {
			p.chat("room:7", n-1, n)
			p.chat("room:8", n-1, n)
		}
		l.want(t, "live", "1", "2", "3")
		close(hold)
		synctest.Wait()
		if slow.Position().Seq != 3 {
			t.Error("the slow room did not go on")
		}
	})
}
