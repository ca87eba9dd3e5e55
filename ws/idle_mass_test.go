//go:build !race && linux

package ws_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// BenchmarkIdle measures what a connection costs the server while it is idle,
// after one message: heap and stacks in use, by number of connections. It reports
// bytes; the time means nothing.
//
//	go test -run xxx -bench Idle -benchtime 1x ./ws
func BenchmarkIdle(b *testing.B) {
	one := func(ctx context.Context, c *ws.Conn) error {
		for {
			typ, p, err := c.Read(ctx)
			if err != nil {
				return nil
			}
			c.Write(ctx, typ, p)
		}
	}
	doors := map[string]http.Handler{
		"Accept and a loop of Read": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := ws.Accept(w, r, nil); err == nil {
				one(context.Background(), c)
			}
		}),
		"HTTPHandler": ws.HTTPHandler(one, nil),
		"Accept and Attach": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := ws.Accept(w, r, nil); err == nil {
				c.Attach(echoHandler)
			}
		}),
		"Server":          nil,
		"Server over TLS": nil,
	}
	for name, h := range doors {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			const n = 5000
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			addr := ln.Addr().String()
			var stop func() error
			done := make(chan struct{})
			if h != nil {
				srv := &http.Server{Handler: h}
				stop = srv.Close
				go func() { srv.Serve(ln); close(done) }()
			} else {
				srv := &ws.Server{
					Accept:    func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) { return echoHandler, nil, nil },
					TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate().cert}},
				}
				stop = srv.Close
				serve := srv.Serve
				if name == "Server over TLS" {
					addr = "wss://" + addr
					serve = func(ln net.Listener) error { return srv.ServeTLS(ln, "", "") }
				}
				go func() { serve(ln); close(done) }()
			}
			before, open := inUse(), ws.Stats().Open
			out, end := startMass(b, "hold", addr, n)
			if line, _ := out.ReadString('\n'); strings.TrimSpace(line) != "ready" {
				b.Fatalf("the clients: %q", line)
			}
			b.ReportMetric(float64(inUse()-before)/n, "B/conn")
			b.ReportMetric(0, "ns/op")
			end()
			stop()
			<-done
			for ws.Stats().Open > open {
				time.Sleep(time.Millisecond)
			}
		})
	}
}

// inUse returns the bytes of heap and stacks in use.
func inUse() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
