//go:build js

package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/tidewire/tidewire/ws"
)

func ourClose() {
	s := openSession("/echo", nil)
	wantError("a code that may not be sent", s.c.Close(1006, ""), "ws: ")
	wantError("a reason that is too long", s.c.Close(1000, strings.Repeat("x", 124)), "ws: ")
	send(s.c, ws.Text, "whole") // and closed nothing
	expect(s.c, ws.Text, "whole")
	must(s.c.Close(ws.StatusNormalClosure, "über"))
	must(s.c.Close(4000, "too late"))
	_, _, err := s.c.Read(bounded())
	ce := wantClose(err, ws.Us, ws.StatusNormalClosure, "über")
	_, _, again := s.c.Read(bounded())
	want("another Read", again, err)
	want("Write", s.c.Write(bounded(), ws.Text, nil), err)
	want("TryWrite", s.c.TryWrite(ws.Text, nil), false)
	want("Context", context.Cause(s.c.Context()), error(ce))
	want("the server saw", s.ask("closed"), `peer 1000 "über"`)

	s = openSession("/echo", nil)
	must(s.c.Close(4321, "private"))
	want("the server saw", s.ask("closed"), `peer 4321 "private"`)
	s = openSession("/echo", nil)
	must(s.c.Close(ws.StatusNoStatusRcvd, ""))
	want("the server saw", s.ask("closed"), `peer 1005 ""`)
}

func ourOtherClose() {
	s := openSession("/echo", nil)
	must(s.c.Close(ws.StatusGoingAway, "leaving"))
	wantClose(context.Cause(s.c.Context()), ws.Us, ws.StatusGoingAway, "leaving")
	want("the server saw", s.ask("closed"), `peer 4001 "leaving"`)
}

func closeNow() {
	s := openSession("/echo", nil)
	result := make(chan error)
	go func() {
		_, _, err := s.c.Read(context.Background())
		result <- err
	}()
	must(s.c.CloseNow())
	wantClose(arrives("Read's return", result), ws.Us, ws.StatusAbnormalClosure, "")
	must(s.c.CloseNow())
	if err := s.c.Close(ws.StatusNormalClosure, ""); err == nil {
		fail("Close after CloseNow: no error")
	}
	want("the server saw", s.ask("closed"), `peer 1005 ""`)
}

func peersClose() {
	for _, tc := range []struct {
		code   ws.StatusCode
		reason string
	}{{1000, ""}, {1001, "bye"}, {1011, "oops"}, {4999, "größe"}, {ws.StatusNoStatusRcvd, ""}} {
		c := open(fmt.Sprintf("/close?code=%d&reason=%s", tc.code, url.QueryEscape(tc.reason)), nil)
		_, _, err := c.Read(bounded())
		ce := wantClose(err, ws.Peer, tc.code, tc.reason)
		want("CloseStatus", ws.CloseStatus(err), tc.code)
		arrives("the Context's end", c.Context().Done())
		want("its cause", context.Cause(c.Context()), error(ce))
		want("Write", c.Write(bounded(), ws.Text, nil), error(ce))
		must(c.Close(ws.StatusNormalClosure, ""))
		must(c.CloseNow())
		_, _, err = c.Read(bounded())
		want("Read after Close", err, error(ce))
	}
}

// peersCloseBehind reads what came before the close, though the browser tells of
// the close meanwhile.
func peersCloseBehind() {
	behind := func() *ws.Conn {
		c := open("/burst", nil) // three messages and a close
		arrives("the Context's end", c.Context().Done())
		return c
	}
	c := behind()
	for i := range 3 {
		expect(c, ws.Text, fmt.Sprint("burst ", i))
	}
	_, _, err := c.Read(bounded())
	wantClose(err, ws.Peer, 1000, "done")

	c = behind()
	n := 0
	for m, err := range c.Messages(bounded()) {
		must(err)
		want("message", string(m.Data), fmt.Sprint("burst ", n))
		n++
	}
	want("messages", n, 3)

	c = behind()
	l := newLog()
	must(c.Attach(l))
	want("first", arrives("opened", l.seen), "opened")
	for i := range 3 {
		want("then", arrives("a message", l.seen), fmt.Sprint("text burst ", i))
	}
	wantClose(arrives("closed", l.closed), ws.Peer, 1000, "done")

	c = behind()
	_, r, err := c.Reader(bounded())
	must(err)
	p, err := io.ReadAll(r)
	must(err)
	want("message", string(p), "burst 0")
	must(c.CloseNow())
}

func peerBreaksOff() {
	c := open("/break", nil)
	_, _, err := c.Read(bounded())
	ce := wantClose(err, ws.Network, ws.StatusAbnormalClosure, "")
	wantError("the cause", ce.Cause, "browser")
	for m, err := range c.Messages(bounded()) {
		want("the loop's last error", err, error(ce))
		want("its message", m.Type, 0)
	}
}

func closeTimeout() {
	s := openSession("/mute", &ws.DialOptions{ConnOptions: ws.ConnOptions{CloseTimeout: 50 * time.Millisecond}})
	err := s.c.Close(ws.StatusNormalClosure, "hello?")
	ce := wantClose(err, ws.Us, ws.StatusNormalClosure, "hello?")
	wantError("the cause", ce.Cause, "CloseTimeout")
	s.ask("release")

	// Where a handler reads, Close cannot wait, but the end comes.
	s = openSession("/mute", &ws.DialOptions{ConnOptions: ws.ConnOptions{CloseTimeout: 50 * time.Millisecond}})
	l := newLog()
	must(s.c.Attach(l))
	must(s.c.Close(ws.StatusNormalClosure, ""))
	ce = wantClose(arrives("closed", l.closed), ws.Network, ws.StatusAbnormalClosure, "")
	wantError("the cause", ce.Cause, "CloseTimeout")
	s.ask("release")
}
