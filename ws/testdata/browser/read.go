//go:build js

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidewire/tidewire/ws"
)

func byteOrderMark() {
	c := open("/echo", nil)
	send(c, ws.Text, "\ufeffmarked")
	expect(c, ws.Text, "\ufeffmarked")
	ended(c)
}

func readInto() {
	c := open("/echo", nil)
	buf := append(make([]byte, 0, 100), "before "...)
	send(c, ws.Text, "after")
	typ, p, err := c.ReadInto(bounded(), buf)
	must(err)
	want("type", typ, ws.Text)
	want("message", string(p), "before after")
	want("the caller's memory", &p[0], &buf[:1][0])
	send(c, ws.Binary, strings.Repeat("x", 200))
	_, p, err = c.ReadInto(bounded(), p)
	must(err)
	want("grown", len(p), 212)
	ended(c)
}

func reader() {
	c := open("/echo", nil)
	long := strings.Repeat("0123456789", 10_000)
	send(c, ws.Text, long)
	typ, r, err := c.Reader(bounded())
	must(err)
	want("type", typ, ws.Text)
	var got bytes.Buffer
	_, err = io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, make([]byte, 777))
	must(err)
	want("message", got.String() == long, true)
	_, err = r.Read(make([]byte, 1))
	want("at its end", err, io.EOF)
	// What is left of a message is discarded, and its reader says so.
	send(c, ws.Text, "first")
	send(c, ws.Text, "second")
	_, r, err = c.Reader(bounded())
	must(err)
	_, err = io.ReadFull(r, make([]byte, 2))
	must(err)
	expect(c, ws.Text, "second")
	_, err = r.Read(make([]byte, 1))
	wantError("a reader that is over", err, "a later message")
	// An empty message has a reader that ends.
	send(c, ws.Binary, "")
	_, r, err = c.Reader(bounded())
	must(err)
	_, err = r.Read(make([]byte, 1))
	want("of nothing", err, io.EOF)
	ended(c)
}

func cancelledRead() {
	c := open("/echo", nil)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() {
		_, _, err := c.Read(ctx)
		result <- err
	}()
	eventually("somebody reads", func() bool {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		_, _, err := c.Read(done)
		return errors.Is(err, ws.ErrReading)
	})
	cancel()
	want("a cancelled Read", arrives("Read's return", result), context.Canceled)
	_, _, err := c.Read(ctx)
	want("a Read of the past", err, context.Canceled)
	want("a Write of the past", c.Write(ctx, ws.Text, nil), context.Canceled)
	want("the connection", c.Context().Err(), nil)
	send(c, ws.Text, "still here")
	expect(c, ws.Text, "still here")
	ended(c)
}

func messages() {
	c := open("/echo", nil)
	for i := range 3 {
		send(c, ws.Text, fmt.Sprint(i))
	}
	n := 0
	for m, err := range c.Messages(bounded()) {
		must(err)
		want("message", string(m.Data), fmt.Sprint(n))
		want("type", m.Type, ws.Text)
		_, _, err = c.Read(bounded())
		want("Read inside", err, ws.ErrAttached)
		if n++; n == 3 {
			break
		}
	}
	want("messages", n, 3)
	ctx, cancel := context.WithCancel(context.Background())
	context.AfterFunc(c.Context(), cancel)
	send(c, ws.Text, "one")
	n = 0
	for m, err := range c.Messages(ctx) {
		if n++; n == 1 {
			must(err)
			want("message", string(m.Data), "one")
			cancel()
		} else {
			want("a loop whose ctx ends", err, context.Canceled)
		}
	}
	want("iterations", n, 2)
	send(c, ws.Text, "read on")
	expect(c, ws.Text, "read on")
	send(c, ws.Text, "bye") // the server closes with 1001
	for m, err := range c.Messages(bounded()) {
		fail("got %q, %v before a planned end", m.Data, err)
	}
	wantClose(context.Cause(c.Context()), ws.Peer, ws.StatusGoingAway, "bye")
}

func closeRead() {
	c := open("/echo", nil)
	ctx := c.CloseRead(context.Background())
	_, _, err := c.Read(bounded())
	want("Read", err, ws.ErrAttached)
	must(c.Close(ws.StatusNormalClosure, "")) // waits: no user code runs inside
	arrives("the end of CloseRead's context", ctx.Done())

	s := openSession("/echo", nil)
	ctx, cancel := context.WithCancel(context.Background())
	quit := s.c.CloseRead(ctx)
	cancel()
	arrives("the end of CloseRead's context", quit.Done())
	eventually("the connection can be read", func() bool {
		_, _, err := s.c.Read(ctx)
		return err == context.Canceled
	})
	ctx = s.c.CloseRead(context.Background())
	send(s.c, ws.Text, "come back")
	arrives("the end of CloseRead's context", ctx.Done())
	wantClose(context.Cause(ctx), ws.Policy, ws.StatusPolicyViolation, "")
	want("the server saw", s.ask("closed"), `peer 4008 "a data message came on a connection that only writes (CloseRead)"`)
}
