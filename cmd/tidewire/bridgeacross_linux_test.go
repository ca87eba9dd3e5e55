package main

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// across has a client and a target meet over the command, which is a process of its own: the client comes in at a door of
// kind tcp or ws, the target is of kind tcp, ws or unix. It returns the connection that each has, for which the kernel keeps little.
func across(t *testing.T, door, kind string, args ...string) (process *exec.Cmd, client, target net.Conn) {
	t.Helper()
	where, met := meetingPoint(t, kind)
	listen := map[string]string{"tcp": "tcp:127.0.0.1:0", "ws": "ws://127.0.0.1:0/"}[door]
	process, listen = bridgeProcess(t, append([]string{"--log-level", "error", listen, where}, args...)...)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if door == "ws" {
		c, _, err := ws.Dial(ctx, listen, &ws.DialOptions{ConnOptions: ws.ConnOptions{MaxMessage: -1}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		keepLittle(c.NetConn())
		client = ws.NetConn(context.Background(), c, ws.Binary)
	} else {
		conn, err := net.Dial("tcp", strings.TrimPrefix(listen, "tcp:"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		keepLittle(conn)
		client = conn
	}
	select {
	case target = <-met:
	case <-ctx.Done():
		t.Fatal("nobody came to the target")
	}
	return process, client, target
}

// meetingPoint is a target of that kind, and who comes to it.
func meetingPoint(t *testing.T, kind string) (where string, met <-chan net.Conn) {
	t.Helper()
	came := make(chan net.Conn, 1)
	if kind == "ws" {
		over := make(chan struct{})
		server := httptest.NewServer(ws.HTTPHandler(func(_ context.Context, c *ws.Conn) error {
			keepLittle(c.NetConn())
			came <- ws.NetConn(context.Background(), c, ws.Binary)
			<-over
			return c.CloseNow()
		}, &ws.AcceptOptions{ConnOptions: ws.ConnOptions{MaxMessage: -1}}))
		t.Cleanup(func() {
			close(over)
			server.Close()
		})
		return "ws" + strings.TrimPrefix(server.URL, "http") + "/", came
	}
	addr := "127.0.0.1:0"
	if kind == "unix" {
		addr = filepath.Join(shortDir(t), "s")
	}
	ln, err := net.Listen(kind, addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := ln.Accept(); err == nil {
			t.Cleanup(func() { conn.Close() })
			keepLittle(conn)
			came <- conn
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return fmt.Sprint(kind, ":", ln.Addr()), came
}

// keepLittle bounds what waits in the kernel at this end of a connection.
func keepLittle(conn net.Conn) {
	buffers := conn.(interface {
		SetReadBuffer(bytes int) error
		SetWriteBuffer(bytes int) error
	})
	buffers.SetReadBuffer(256 << 10)
	buffers.SetWriteBuffer(256 << 10)
}
