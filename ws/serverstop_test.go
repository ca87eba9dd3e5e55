//go:build !js && unix

package ws_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// Two Servers have one socket, as two processes would. The first one stops: who has connected to it and not yet sent all of
// a request is served by it, and who comes from then on by the other one.
func TestStopAcceptingServesWhoIsAtTheDoor(t *testing.T) {
	leakCheck(t)
	for name, secure := range map[string]*tls.Config{"plain": nil, "TLS": {RootCAs: certificate().roots, ServerName: "localhost"}} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			file, err := ln.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			addr := ln.Addr().String()
			begin := func(s *ws.Server, ln net.Listener) <-chan error {
				served := make(chan error, 1)
				go func() {
					if secure == nil {
						served <- s.Serve(ln)
						return
					}
					s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate().cert}}
					served <- s.ServeTLS(ln, "", "")
				}()
				return served
			}
			old := &ws.Server{Accept: echoTo(nil), HTTP: http.NotFoundHandler(), Engine: ws.NewEngine()}
			served := begin(old, ln)
			upgrade := func(nc net.Conn) *ws.Conn {
				t.Helper()
				c, _, err := ws.Dial(testContext(t), "ws://"+addr, &ws.DialOptions{
					NetDial: func(context.Context, string, string) (net.Conn, error) { return nc, nil }})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.CloseNow() })
				return c
			}
			connect := func() net.Conn {
				t.Helper()
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { nc.Close() })
				nc.SetDeadline(time.Now().Add(patience))
				return nc
			}
			over := func(nc net.Conn) net.Conn {
				if secure == nil {
					return nc
				}
				return tls.Client(nc, secure)
			}
			says := func(c *ws.Conn) {
				t.Helper()
				mustWrite(t, c, ws.Text, []byte("hello"))
				if _, p := mustRead(t, c); string(p) != "hello" {
					t.Errorf("read %q", p)
				}
			}
			open := upgrade(over(connect()))
			says(open)
			silent, partial := connect(), over(connect())
			io.WriteString(partial, "GET / HT")
			waitFor(t, func() bool { return ws.Handshakes(old) == 2 })

			stopped := make(chan error, 1)
			go func() { stopped <- old.StopAccepting(testContext(t)) }()
			if err := <-served; err != ws.ErrServerClosed {
				t.Errorf("Serve: %v", err)
			}
			// Nobody accepts now: these wait in the kernel's queue.
			waiting := []net.Conn{over(connect()), over(connect())}
			second, err := net.FileListener(file)
			if err != nil {
				t.Fatal(err)
			}
			heir := &ws.Server{Accept: echoTo(nil), Engine: ws.NewEngine()}
			heirServed := begin(heir, second)
			for _, nc := range waiting {
				says(upgrade(nc))
			}
			resp, _, _ := exchange(t, partial, handshakeRequest()[len("GET /chat HT"):]) // of another path, but whole
			if resp.StatusCode != http.StatusSwitchingProtocols {
				t.Errorf("a request in two pieces: %s", resp.Status)
			}
			select {
			case err := <-stopped:
				t.Errorf("StopAccepting returned %v while somebody was at the door", err)
			default:
			}
			late := upgrade(over(silent))
			if err := <-stopped; err != nil {
				t.Errorf("StopAccepting: %v", err)
			}
			says(late)
			says(open)
			old.Close()
			heir.Close()
			if err := <-heirServed; err != ws.ErrServerClosed {
				t.Errorf("the other one: %v", err)
			}
		})
	}
}

// Who says nothing is waited for as long as the context lasts.
func TestStopAcceptingEndsWithItsContext(t *testing.T) {
	leakCheck(t)
	s, addr := serve(t, &ws.Server{Accept: echoTo(nil), HTTP: http.NotFoundHandler()})
	silent, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	waitFor(t, func() bool { return ws.Handshakes(s) == 1 })
	_, _, idle := talk(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := s.StopAccepting(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("StopAccepting: %v", err)
	}
	if _, err := io.ReadAll(idle); err != nil {
		t.Errorf("an idle connection: %v", err)
	}
	if err := s.Shutdown(testContext(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := new(ws.Server).StopAccepting(testContext(t)); err != nil {
		t.Errorf("without a listener: %v", err)
	}
}

// Under many who connect at every moment, each is answered by one of two Servers that take turns at a socket.
func TestStopAcceptingLosesNobody(t *testing.T) {
	leakCheck(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, stop := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				c, _, err := ws.Dial(testContext(t), "ws://"+ln.Addr().String(), nil)
				if err != nil {
					t.Errorf("a connection: %v", err)
					return
				}
				c.CloseNow()
			}
		})
	}
	engine := ws.NewEngine()
	next := func() (*ws.Server, <-chan error) {
		l, err := net.FileListener(file)
		if err != nil {
			t.Fatal(err)
		}
		s, served := &ws.Server{Accept: echoTo(nil), Engine: engine}, make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		return s, served
	}
	s, served := next()
	ln.Close()
	for range 20 {
		heir, itsServed := next()
		time.Sleep(5 * time.Millisecond) // for some to come
		if err := s.StopAccepting(testContext(t)); err != nil {
			t.Errorf("StopAccepting: %v", err)
		}
		if err := s.Shutdown(testContext(t)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != ws.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
		s, served = heir, itsServed
	}
	stop()
	clients.Wait()
	s.Close()
	<-served
}
