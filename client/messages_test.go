//go:build !js

package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/client"
)

func TestMessages(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(&client.Options{Inbox: client.Inbox{Max: 3}})
		r, _ := c.Room("room:7", nil)
		l := &log{}
		ctx, cancel := context.WithCancel(t.Context())
		hold := make(chan struct{})
		go func() {
			for m, err := range client.Messages[int](ctx, r, "chat") {
				var gap *client.Gap
				switch {
				case errors.As(err, &gap):
					l.add("gap %d-%d %s", gap.After, gap.Position.Seq, gap.Reason)
				case err != nil && m.Type == "":
					l.add("%v", err)
				case err != nil:
					l.add("bad data")
				default:
					l.add("%d from %s at %d", m.Data, m.From, m.Position.Seq)
				}
				<-hold
			}
			l.add("over")
		}()
		p.joined(0)
		p.chat("room:7", 0, 1)
		l.want(t, "1 from bob at 1")
		for n := 2; n <= 7; n++ {
			p.chat("room:7", n-1, n)
			synctest.Wait()
		}
		if got := r.Position().Seq; got != 7 {
			t.Errorf("position is %d", got)
		}
		for range 4 {
			hold <- struct{}{}
		}
		l.want(t, "2 from bob at 2", "3 from bob at 3", "4 from bob at 4", "gap 4-7 overflow")
		hold <- struct{}{}
		p.send(`{"type":"other","room":"room:7","prev":7,"pos":{"seq":8},"data":"x"}`)
		p.send(`{"type":"chat","room":"room:7","prev":8,"pos":{"seq":9},"data":"x"}`)
		p.send(`{"type":"$gap","room":"room:7","pos":{"epoch":"k3","seq":20},"data":{"after":9,"reason":"slow"}}`)
		synctest.Wait()
		hold <- struct{}{}
		hold <- struct{}{}
		p.chat("room:7", 20, 21)
		l.want(t, "bad data", "gap 9-20 slow", "21 from bob at 21")
		cancel()
		hold <- struct{}{}
		l.want(t, "client: messages: context canceled")
		hold <- struct{}{}
		l.want(t, "over")
		p.expect("$leave") // the loop's own Join is taken back
	})
}

func TestMessagesEnds(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		loop := func(name string) (chan error, *client.Room) {
			r, _ := c.Room(name, nil)
			return result(func() (err error) {
				for _, err = range client.Messages[int](t.Context(), r, "") {
				}
				return err
			}), r
		}
		refused, _ := loop("room:1")
		p.fail(p.expect("$join"), "forbidden", false, 0)
		wantCode(t, <-refused, "forbidden")
		removed, _ := loop("room:2")
		p.joined(0)
		p.send(`{"type":"$left","room":"room:2","data":{"reason":"removed"}}`)
		wantErr(t, <-removed, client.ErrLeft)
		left, r := loop("room:3")
		p.joined(0)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r.Leave(ctx)
		wantErr(t, <-left, client.ErrLeft)
		p.expect("$leave")
		closed, _ := loop("room:4")
		p.joined(0)
		c.Close(t.Context())
		wantErr(t, <-closed, client.ErrClosed)
	})
}

func TestHistory(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := c.Room("room:8", nil)
		var page client.Page
		read := func() (err error) {
			page, err = r.History(t.Context(), 17, 50)
			return err
		}
		done := result(read)
		m := p.expect("$history")
		if m.Room != "room:8" || string(m.Data) != `{"before":17,"limit":50}` {
			t.Errorf("asked %+v %s", m, m.Data)
		}
		p.cut() // it changes nothing: it is repeated
		p = s.next()
		p.welcome()
		m = p.expect("$history")
		p.send(`{"type":"$ok","re":%d,"room":"room:8","pos":{"epoch":"k3","seq":23},"data":{"messages":[{"type":"chat","pos":{"seq":15},"mid":"9c","from":"bob","data":{"text":"hi"}}],"more":true}}`, m.ID)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		var data struct{ Text string }
		if len(page.Messages) != 1 || !page.More || page.Head.Seq != 23 || page.Messages[0].Decode(&data) != nil || data.Text != "hi" {
			t.Fatalf("%+v", page)
		}
		want := client.Meta{Type: "chat", Room: "room:8", Position: client.Position{Epoch: "k3", Seq: 15, Mid: "9c"}, Mid: "9c", From: "bob"}
		if got := page.Messages[0].Meta; got != want {
			t.Errorf("%+v", got)
		}
		done = result(read)
		p.fail(p.expect("$history"), "unsupported", false, 0)
		err := <-done
		wantCode(t, err, "unsupported")
		if err.Error() != "client: history of room:8: unsupported" {
			t.Error(fmt.Sprint(err))
		}
	})
}
