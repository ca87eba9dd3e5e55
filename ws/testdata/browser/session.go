//go:build js

package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/tidewire/tidewire/ws"
)

// open dials a door of the test's server.
func open(door string, o *ws.DialOptions) *ws.Conn {
	c, resp, err := ws.Dial(bounded(), base+door, o)
	must(err)
	if resp != nil {
		fail("a response, which no browser shows")
	}
	return c
}

// session is a door whose peer can be held back and asked what it saw.
type session struct {
	c   *ws.Conn
	key int
}

func openSession(door string, o *ws.DialOptions) *session {
	lastKey++
	return &session{open(fmt.Sprintf("%s?key=%d", door, lastKey), o), lastKey}
}

func (s *session) ask(what string) string {
	r, err := http.Get(fmt.Sprintf("%s/%s?key=%d", origin, what, s.key))
	must(err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	must(err)
	return string(b)
}

func ended(c *ws.Conn) { must(c.Close(ws.StatusNormalClosure, "")) }

func read(c *ws.Conn) (ws.MessageType, []byte) {
	typ, p, err := c.Read(bounded())
	must(err)
	return typ, p
}

func send(c *ws.Conn, typ ws.MessageType, p string) { must(c.Write(bounded(), typ, []byte(p))) }

func expect(c *ws.Conn, typ ws.MessageType, p string) {
	gotType, got := read(c)
	want("message type", gotType, typ)
	if string(got) != p {
		fail("got %.40q (%d bytes), want %.40q (%d bytes)", got, len(got), p, len(p))
	}
}
