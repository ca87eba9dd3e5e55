//go:build js

package main

import (
	"fmt"

	"github.com/tidewire/tidewire/ws"
)

// log is a handler that tells what it sees.
type log struct {
	seen    chan string
	closed  chan error
	drained chan struct{}
}

func newLog() *log {
	return &log{make(chan string, 100), make(chan error, 1), make(chan struct{}, 100)}
}

func (l *log) Opened(c *ws.Conn) { l.seen <- "opened" }

func (l *log) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	if string(p) == "panic" {
		panic("as asked")
	}
	l.seen <- fmt.Sprintf("%v %s", typ, p)
}

func (l *log) Closed(c *ws.Conn, err error) { l.closed <- err }

func (l *log) Drained(c *ws.Conn) { l.drained <- struct{}{} }

func attach() {
	c := open("/echo", nil)
	l := newLog()
	must(c.Attach(l))
	want("first", arrives("opened", l.seen), "opened")
	_, _, err := c.Read(bounded())
	want("Read", err, ws.ErrAttached)
	want("Attach again", c.Attach(l), ws.ErrAttached)
	send(c, ws.Text, "a")
	send(c, ws.Binary, "b")
	want("then", arrives("a message", l.seen), "text a")
	want("then", arrives("a message", l.seen), "binary b")
	must(c.Close(ws.StatusNormalClosure, "enough"))
	wantClose(arrives("closed", l.closed), ws.Us, ws.StatusNormalClosure, "enough")
	wantClose(c.Write(bounded(), ws.Text, nil), ws.Us, ws.StatusNormalClosure, "enough")
}

func attachPanics() {
	s := openSession("/echo", nil)
	l := newLog()
	must(s.c.Attach(l))
	send(s.c, ws.Text, "panic")
	ce := wantClose(arrives("closed", l.closed), ws.Policy, ws.StatusInternalError, "")
	wantError("the cause", ce.Cause, "as asked")
	want("the server saw", s.ask("closed"), `peer 4011 "handler panicked"`)
}
