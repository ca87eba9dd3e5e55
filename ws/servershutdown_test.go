//go:build !js

package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

func TestServerShutdownSends1001OnBothDoors(t *testing.T) {
	leakCheck(t)
	e := newWitness()
	s := &ws.Server{Accept: e.accept, HTTP: http.NotFoundHandler()}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	web := httptest.NewServer(s)
	defer web.Close()

	var clients []*ws.Conn
	for range 10 {
		for _, addr := range []string{ln.Addr().String(), web.Listener.Addr().String()} {
			c, _, err := ws.Dial(testContext(t), "ws://"+addr, nil)
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
			<-e.opened
		}
	}
	// One is in the middle of its handshake, one is idle between requests.
	slow, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	io.WriteString(slow, "GET / HT")
	_, _, idle := talk(t, ln.Addr().String(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")

	done := make(chan error, 1)
	go func() { done <- s.Shutdown(testContext(t)) }()
	for _, c := range clients {
		_, _, err := c.Read(testContext(t))
		var ce *ws.CloseError
		if !errors.As(err, &ce) || ce.By != ws.Peer || ce.Code != ws.StatusGoingAway {
			t.Errorf("closed with %v", err)
		}
		if err := <-e.closed; ws.CloseStatus(err) != ws.StatusGoingAway {
			t.Errorf("the handler was told %v", err)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != ws.ErrServerClosed {
		t.Errorf("Serve: %v", err)
	}
	slow.SetDeadline(time.Now().Add(patience))
	if answer, _ := io.ReadAll(slow); !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") && len(answer) > 0 {
		t.Errorf("a handshake under way was answered %q", answer)
	}
	if _, err := io.ReadAll(idle); err != nil {
		t.Errorf("an idle connection: %v", err)
	}
	if _, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
	resp, _, _ := talk(t, web.Listener.Addr().String(), handshakeRequest())
	if resp.StatusCode != 503 {
		t.Errorf("after Shutdown, net/http's door answers %s", resp.Status)
	}
	// It is over for good, and saying so again is fine.
	if err := s.Shutdown(testContext(t)); err != nil {
		t.Errorf("again: %v", err)
	}
	if again, err := net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	} else if err := s.Serve(again); err != ws.ErrServerClosed {
		t.Errorf("Serve after Shutdown: %v", err)
	}
	for _, c := range clients {
		c.CloseNow()
	}
}

// Peers that answer no close frame are cut off when the context ends.
func TestServerShutdownEndsWithItsContext(t *testing.T) {
	leakCheck(t)
	e := newWitness()
	s, addr := serve(t, &ws.Server{
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			return e, &ws.AcceptOptions{ConnOptions: ws.ConnOptions{CloseTimeout: time.Hour}}, nil
		}})
	_, r, _ := talk(t, addr, handshakeRequest())
	<-e.opened
	busy, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	io.WriteString(busy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	expectBytes(t, r, "\x88") // the close frame, which stays unanswered
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	<-e.closed
	if _, err := io.Copy(io.Discard, r); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is still open: %v", err)
	}
}

func TestServerClose(t *testing.T) {
	leakCheck(t)
	e := newWitness()
	s, addr := serve(t, &ws.Server{Accept: e.accept})
	_, r, _ := talk(t, addr, handshakeRequest())
	<-e.opened
	slow, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	io.WriteString(slow, "GET / HT")
	s.Close()
	<-e.closed
	if _, err := io.Copy(io.Discard, r); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is still open: %v", err)
	}
	slow.SetDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, slow); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handshake is still open: %v", err)
	}
	if err := new(ws.Server).Close(); err != nil {
		t.Error(err)
	}
	if err := new(ws.Server).Shutdown(testContext(t)); err != nil {
		t.Error(err)
	}
}

// Handshakes, closes and the end of the Server race; nothing may be left.
func TestServerShutdownRaces(t *testing.T) {
	leakCheck(t)
	for range 20 {
		var opened, closed atomic.Int64
		s := &ws.Server{HTTP: http.NotFoundHandler(), Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			return counting{&opened, &closed}, nil, nil
		}}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() {
				for {
					c, _, err := ws.Dial(context.Background(), "ws://"+ln.Addr().String(), nil)
					if err != nil {
						return // the Server is closed
					}
					c.Read(context.Background())
					c.CloseNow()
				}
			})
		}
		for opened.Load() < 4 {
			runtime.Gosched()
		}
		if err := s.Shutdown(testContext(t)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		clients.Wait()
		if err := <-served; err != ws.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
		if o, c := opened.Load(), closed.Load(); o != c {
			t.Errorf("%d opened, %d closed", o, c)
		}
	}
}

type counting struct{ opened, closed *atomic.Int64 }

func (h counting) Opened(*ws.Conn)                          { h.opened.Add(1) }
func (h counting) Message(*ws.Conn, ws.MessageType, []byte) {}
func (h counting) Closed(*ws.Conn, error)                   { h.closed.Add(1) }
