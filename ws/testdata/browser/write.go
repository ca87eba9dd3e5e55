//go:build js

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tidewire/tidewire/ws"
)

func echo() {
	c := open("/echo", nil)
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	large := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	for _, p := range []string{"hello", "héllo, wörld 🌊", "", large} {
		send(c, ws.Text, p)
		expect(c, ws.Text, p)
	}
	for _, p := range []string{string(binary), "", large} {
		send(c, ws.Binary, p)
		expect(c, ws.Binary, p)
	}
	wantError("text that is no UTF-8", c.Write(bounded(), ws.Text, []byte{0xff}), "not valid UTF-8")
	wantError("no type", c.Write(bounded(), 7, nil), "must be Text or Binary")
	want("TryWrite of bad text", c.TryWrite(ws.Text, []byte{0xff}), false)
	want("TryWrite", c.TryWrite(ws.Text, []byte("tried")), true)
	expect(c, ws.Text, "tried")
	eventually("Buffered is 0", func() bool { return c.Buffered() == 0 })
	ended(c)
}

func writer() {
	c := open("/echo", nil)
	w, err := c.Writer(bounded(), ws.Text)
	must(err)
	long := strings.Repeat("wäve", 20_000)
	for p := []byte(long); len(p) > 0; { // cut in the middle of letters
		n := min(len(p), 1001)
		_, err := w.Write(p[:n])
		must(err)
		p = p[n:]
	}
	// Until then, no other message can start.
	want("TryWrite beside a Writer", c.TryWrite(ws.Text, nil), false)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() { result <- c.Write(ctx, ws.Text, []byte("cancelled")) }()
	cancel()
	want("a cancelled Write", arrives("Write's return", result), context.Canceled)
	go func() { result <- c.Write(bounded(), ws.Text, []byte("behind")) }()
	must(w.Close())
	must(arrives("Write's return", result))
	expect(c, ws.Text, long)
	expect(c, ws.Text, "behind")
	wantError("Close again", w.Close(), "closed")

	w, err = c.Writer(bounded(), ws.Text)
	must(err)
	_, err = w.Write([]byte("never sent"))
	must(err)
	_, err = w.Write([]byte{0xff})
	wantError("bad text", err, "UTF-8")
	w.Cancel()
	_, err = w.Write(nil)
	wantError("Write after Cancel", err, "cancelled")
	send(c, ws.Text, "whole")
	expect(c, ws.Text, "whole")
	ended(c)
}

func prepared() {
	a, b := open("/echo", nil), open("/echo", nil)
	p := []byte("héllo to all")
	for _, typ := range []ws.MessageType{ws.Text, ws.Binary} {
		m := ws.Prepare(typ, p)
		for _, c := range []*ws.Conn{a, b} {
			must(c.WritePrepared(bounded(), m))
			expect(c, typ, string(p))
		}
	}
	wantError("bad text", a.WritePrepared(bounded(), ws.Prepare(ws.Text, []byte{0xff})), "UTF-8")
	ended(a)
	ended(b)
}

func netConn() {
	s := openSession("/echo", nil)
	nc := ws.NetConn(context.Background(), s.c, ws.Binary)
	_, err := nc.Write([]byte("hello, stream"))
	must(err)
	p := make([]byte, 5)
	_, err = io.ReadFull(nc, p)
	must(err)
	want("the start", string(p), "hello")
	p = make([]byte, 8)
	_, err = io.ReadFull(nc, p)
	must(err)
	want("the rest", string(p), ", stream")
	must(nc.SetReadDeadline(time.Now().Add(10 * time.Millisecond)))
	_, err = nc.Read(p)
	want("past the deadline", errors.Is(err, os.ErrDeadlineExceeded), true)
	must(nc.SetReadDeadline(time.Time{}))
	_, err = nc.Write([]byte("again"))
	must(err)
	n, err := nc.Read(p)
	must(err)
	want("after it", string(p[:n]), "again")
	want("remote address", nc.RemoteAddr().String(), s.c.RemoteAddr().String())
	must(nc.Close())
	want("the server saw", s.ask("closed"), `peer 1000 ""`)

	c := open("/close?code=1001", nil)
	_, err = ws.NetConn(context.Background(), c, ws.Binary).Read(p)
	want("the end", err, io.EOF)

	s = openSession("/echo", nil)
	send(s.c, ws.Text, "wrong")
	_, err = ws.NetConn(context.Background(), s.c, ws.Binary).Read(p)
	wantError("the wrong type", err, "unexpected text message")
	want("the server saw", s.ask("closed"), `peer 4003 "unexpected text message on a NetConn of binary"`)
}

func codecs() {
	type tide struct {
		Height float64
		Name   string
	}
	c := open("/echo", nil)
	must(ws.JSON.Send(bounded(), c, tide{1.5, "spring"}))
	var got tide
	must(ws.JSON.Receive(bounded(), c, &got))
	want("JSON", got, tide{1.5, "spring"})
	must(ws.Plain.Send(bounded(), c, "text"))
	var s string
	must(ws.Plain.Receive(bounded(), c, &s))
	want("Plain", s, "text")
	must(ws.Plain.Send(bounded(), c, []byte("not JSON")))
	wantError("a value that does not fit", ws.JSON.Receive(bounded(), c, &got), "ws: ")
	must(ws.JSON.Send(bounded(), c, 1)) // and the connection is whole
	expect(c, ws.Text, "1")
	ended(c)
}

func noPing() {
	c := open("/echo", nil)
	_, err := c.Ping(bounded())
	wantError("Ping", err, "a browser does not let programs ping")
	want("RTT", c.RTT(), 0)
	ended(c)
}
