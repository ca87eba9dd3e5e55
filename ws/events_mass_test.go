//go:build !race && linux

package ws_test

import (
	"context"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// Ten thousand connections are told that the server goes, answer, and are gone
// before Shutdown returns.
func TestMassShutdown(t *testing.T) {
	const n = 10_000
	leakCheck(t)
	e := newWitness()
	e.opened, e.closed = make(chan *ws.Conn, n), make(chan error, n)
	srv := &ws.Server{Accept: e.accept}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	out, end := startMass(t, "stay", ln.Addr().String(), n)
	if line, err := out.ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		t.Fatalf("the clients: %q, %v", line, err)
	}
	waitFor(t, func() bool { return len(e.opened) == n })
	if got := runtime.NumGoroutine(); got > 100 {
		t.Errorf("%d connections have %d goroutines", n, got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if len(e.closed) != n {
		t.Errorf("%d were closed when Shutdown returned", len(e.closed))
	}
	<-served
	if last := end(); last != "done" {
		t.Errorf("the clients: %s", last)
	}
}

// Idle attached connections own no goroutine and no pooled buffer: the number of
// goroutines does not grow with them, and the memory by little.
func TestMassIdleConnectionsOwnNothing(t *testing.T) {
	const n = 5000
	leakCheck(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	e := ws.NewEngine()
	var peers []net.Conn
	var conns []*ws.Conn
	closed := make(chan error, n)
	add := func(n int) {
		for range n {
			peer, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			nc, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c := ws.NewConn(nc, ws.Params{ConnOptions: ws.ConnOptions{Engine: e}})
			c.Attach(&events{
				message: func(c *ws.Conn, typ ws.MessageType, p []byte) { c.Write(context.Background(), typ, p) },
				closed:  func(_ *ws.Conn, err error) { closed <- err },
			})
			peers, conns = append(peers, peer), append(conns, c)
			peer.Write(rawFrame(true, frame.Text, []byte("hello")))
			readRaw(t, peer)
		}
	}
	add(100)
	few := settledGoroutines(t)
	before := inUse()
	add(n - 100)
	if many := settledGoroutines(t); many > few+2 {
		t.Errorf("%d goroutines with 100 connections, %d with %d", few, many, n)
	}
	// Both ends and the net.Conn of one; a buffer alone has 16 KiB.
	if each := (inUse() - before) / (n - 100); each > 6<<10 {
		t.Errorf("%d bytes for a connection", each)
	}
	for _, peer := range peers {
		peer.Close()
	}
	for range n {
		await(t, closed, "Closed")
	}
	runtime.KeepAlive(conns)
}

// settledGoroutines returns the number of goroutines once those that are on their
// way out are gone.
func settledGoroutines(t *testing.T) int {
	least := 1 << 30
	for range 20 {
		least = min(least, runtime.NumGoroutine())
		time.Sleep(time.Millisecond)
	}
	return least
}
