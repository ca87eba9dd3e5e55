//go:build !js

package client_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
)

func TestDoubledAndReorderedMessages(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", nil)
		join(t, r, p, 10)
		l.want(t, "live")
		p.chat("room:7", 10, 12)
		p.chat("room:7", 10, 12)
		p.chat("room:7", 10, 11)
		p.chat("room:7", 12, 15)
		p.chat("room:7", 3, 16) // prev is not above: nothing is missing
		p.chat("room:7", 0, 17)
		l.want(t, "12", "15", "16", "17")
		p.quiet()
	})
}

func TestPrevAboveJoinsAgain(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", nil)
		join(t, r, p, 10)
		p.chat("room:7", 10, 12)
		l.want(t, "live", "12")
		p.chat("room:7", 13, 14)
		m := p.expect("$join")
		if m.Pos != (client.Position{Epoch: "k3", Seq: 12, Mid: "m12"}) {
			t.Errorf("joined again at %v", m.Pos)
		}
		p.chat("room:7", 14, 15) // before the reply
		l.want(t)
		p.send(`{"type":"$ok","re":%d,"room":"room:7","pos":{"epoch":"k3","seq":12,"mid":"m12"},"data":{"recovered":true,"head":15}}`, m.ID)
		for _, n := range []int{13, 14, 15} {
			p.chat("room:7", n-1, n)
		}
		p.send(`{"type":"$live","room":"room:7","pos":{"epoch":"k3","seq":15,"mid":"m15"}}`)
		l.want(t, "13", "14", "15", "live")

		// A server that never gives what is missing is asked at a humane pace.
		start := time.Now()
		for range 3 {
			p.chat("room:7", 17, 18)
			m = p.expect("$join")
			p.send(`{"type":"$ok","re":%d,"room":"room:7","pos":{"epoch":"k3","seq":15},"data":{"recovered":true}}`, m.ID)
		}
		if d := time.Since(start); d < time.Second {
			t.Errorf("three joins in %v", d)
		}
	})
}

func TestReconnectRecovers(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", nil)
		join(t, r, p, 10)
		p.chat("room:7", 10, 12)
		l.want(t, "live", "12")
		secret := p.helloData().Client
		if len(secret) < 16 || len(secret) > 64 {
			t.Errorf("client is %q", secret)
		}
		p.cut()
		p = s.next()
		p.welcome()
		h := p.helloData()
		if h.Client != secret {
			t.Error("another client secret")
		}
		if len(h.Join) != 1 || h.Join[0].Room != "room:7" || *h.Join[0].Pos != (client.Position{Epoch: "k3", Seq: 12, Mid: "m12"}) {
			t.Fatalf("$hello joins %s", p.hello.Data)
		}
		p.chat("room:7", 0, 99) // before the reply
		p.send(`{"type":"$ok","room":"room:7","pos":{"epoch":"k3","seq":12,"mid":"m12"},"data":{"recovered":true,"head":13}}`)
		p.chat("room:7", 12, 13)
		p.send(`{"type":"$live","room":"room:7","pos":{"epoch":"k3","seq":13}}`)
		l.want(t, "13", "live")
		p.quiet()
	})
}

func TestGap(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, l := room(t, c, "room:7", nil)
		join(t, r, p, 50)
		l.want(t, "live")
		p.cut()
		p = s.next()
		p.welcome()
		p.send(`{"type":"$ok","room":"room:7","pos":{"epoch":"k4","seq":3},"data":{"recovered":false,"head":5}}`)
		p.send(`{"type":"$gap","room":"room:7","pos":{"epoch":"k4","seq":3},"data":{"after":50,"reason":"epoch"}}`)
		p.chat("room:7", 3, 5) // below what was: another epoch
		l.want(t, "gap 50-3 epoch", "5")
		if got := r.Position(); got != (client.Position{Epoch: "k4", Seq: 5, Mid: "m5"}) {
			t.Errorf("position is %v", got)
		}
		p.send(`{"type":"$gap","room":"room:7","pos":{"epoch":"k4","seq":9},"data":{"after":5,"reason":"slow"}}`)
		p.chat("room:7", 9, 10)
		l.want(t, "gap 5-9 slow", "10")
	})
}

func TestPositionIsThatOfTheCallback(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := c.Room("room:7", nil)
		hold := make(chan struct{})
		client.OnMessage(r, "chat", func(context.Context, int, client.Meta) { <-hold })
		join(t, r, p, 10)
		p.chat("room:7", 10, 11)
		p.chat("room:7", 11, 12)
		synctest.Wait()
		if got := r.Position().Seq; got != 11 {
			t.Errorf("position is %d while 11 is handled and 12 waits", got)
		}
		p.cut()
		p = s.next()
		p.welcome()
		if got := p.helloData().Join[0].Pos.Seq; got != 12 {
			t.Errorf("joined again at %d: 12 has arrived, and still waits", got)
		}
		close(hold)
		synctest.Wait()
		if got := r.Position().Seq; got != 12 {
			t.Errorf("position is %d", got)
		}
	})
}

func TestResumeAtPosition(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		at := client.Position{Epoch: "k3", Seq: 41, Mid: "m41"}
		r, l := room(t, c, "room:7", &client.RoomOptions{Position: at})
		if m := join(t, r, p, 41); m.Pos != at {
			t.Errorf("joined at %v", m.Pos)
		}
		p.chat("room:7", 0, 41)
		p.chat("room:7", 41, 42)
		l.want(t, "live", "42")
	})
}
