//go:build js

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/ws"
)

func tooBig() {
	s := openSession("/echo", &ws.DialOptions{ConnOptions: ws.ConnOptions{MaxMessage: 1000}})
	send(s.c, ws.Binary, strings.Repeat("x", 1000))
	expect(s.c, ws.Binary, strings.Repeat("x", 1000))
	send(s.c, ws.Text, strings.Repeat("é", 501)) // bytes count, not letters
	_, _, err := s.c.Read(bounded())
	wantClose(err, ws.Policy, ws.StatusMessageTooBig, "")
	want("the cause", errors.Is(err, ws.ErrTooBig), true)
	want("the server saw", s.ask("closed"), `peer 4009 "message is larger than ConnOptions.MaxMessage"`)

	c := open("/big?size=1048577", nil) // one byte past the default
	_, _, err = c.Read(bounded())
	want("the default", errors.Is(err, ws.ErrTooBig), true)
	c = open("/big?size=1048577", &ws.DialOptions{ConnOptions: ws.ConnOptions{MaxMessage: -1}})
	_, p := read(c)
	want("without a bound", len(p), 1048577)
	ended(c)
}

func budget() {
	b := ws.NewBudget(100_000)
	o := &ws.DialOptions{ConnOptions: ws.ConnOptions{Budget: b}}
	small := open("/echo", o)
	s := openSession("/echo", o)
	for range 20 { // nobody reads what comes back
		if err := s.c.Write(bounded(), ws.Binary, make([]byte, 10_000)); err != nil {
			break
		}
	}
	arrives("the end of the one that holds most", s.c.Context().Done())
	wantClose(context.Cause(s.c.Context()), ws.Policy, ws.StatusTryAgainLater, "")
	want("the cause", errors.Is(context.Cause(s.c.Context()), ws.ErrBudget), true)
	send(small, ws.Text, "still here")
	expect(small, ws.Text, "still here")
	w, err := small.Writer(bounded(), ws.Binary)
	must(err)
	_, err = w.Write(make([]byte, 200_000))
	wantClose(err, ws.Policy, ws.StatusTryAgainLater, "")
	w.Cancel()
	want("used", b.Used(), 0)
	small.CloseNow()
	s.c.CloseNow()
}

// fill writes until the queue is full, and returns how many messages it took.
func fill(s *session, piece []byte, ok func(error) bool) int {
	for n := 0; n < 10_000; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := s.c.Write(ctx, ws.Binary, piece)
		cancel()
		if err != nil {
			want(fmt.Sprintf("the end of a full queue (%v)", err), ok(err), true)
			return n
		}
	}
	fail("the queue takes everything")
	return 0
}

func slowPeer() {
	s := openSession("/stall", &ws.DialOptions{ConnOptions: ws.ConnOptions{WriteQueue: 1 << 20}})
	piece := make([]byte, 256<<10)
	n := fill(s, piece, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })
	q := s.c.Buffered()
	want("something waits, within the bound", q > 0 && q <= 1<<20, true)
	want("TryWrite", s.c.TryWrite(ws.Binary, piece), false)
	want("the connection", s.c.Context().Err(), nil)
	// A Write that waits goes on once the peer does.
	result := make(chan error)
	go func() { result <- s.c.Write(bounded(), ws.Binary, piece) }()
	s.ask("release")
	must(arrives("Write's return", result))
	must(s.c.Close(ws.StatusNormalClosure, ""))
	want("the server saw", s.ask("closed"), `peer 1000 ""`)
	want("the server counted", s.ask("count"), fmt.Sprint(n+1))
}

func slowPeerAttached() {
	s := openSession("/stall", &ws.DialOptions{ConnOptions: ws.ConnOptions{WriteQueue: 1 << 20, QueuePolicy: ws.RefuseWrite}})
	l := newLog()
	must(s.c.Attach(l))
	piece := make([]byte, 256<<10)
	n := fill(s, piece, func(err error) bool { return errors.Is(err, ws.ErrQueueFull) })
	s.ask("release")
	arrives("drained", l.drained)
	send(s.c, ws.Binary, "more")
	must(s.c.Close(ws.StatusNormalClosure, ""))
	wantClose(arrives("closed", l.closed), ws.Us, ws.StatusNormalClosure, "")
	want("the server saw", s.ask("closed"), `peer 1000 ""`)
	want("the server counted", s.ask("count"), fmt.Sprint(n+1))

	s = openSession("/stall", &ws.DialOptions{ConnOptions: ws.ConnOptions{WriteQueue: 1 << 20}})
	l = newLog()
	must(s.c.Attach(l))
	fill(s, piece, func(err error) bool { return errors.Is(err, ws.ErrSlowPeer) })
	wantClose(arrives("closed", l.closed), ws.Policy, ws.StatusTryAgainLater, "")
	s.ask("release")
	s.c.CloseNow()
}

func stuckPeer() {
	s := openSession("/stall", &ws.DialOptions{ConnOptions: ws.ConnOptions{WriteQueue: 1 << 20, WriteTimeout: time.Second}})
	piece := make([]byte, 256<<10)
	before := ws.Stats().WriteStuck
	var err error
	for err == nil {
		err = s.c.Write(bounded(), ws.Binary, piece)
	}
	wantClose(err, ws.Network, ws.StatusAbnormalClosure, "")
	want("the cause", errors.Is(err, ws.ErrWriteStuck), true)
	want("counted", ws.Stats().WriteStuck, before+1)
	s.ask("release")
}
