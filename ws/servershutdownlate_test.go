//go:build !js

package ws_test

import (
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

const inPieces = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// Shutdown waits for a connection whose handshake it met, and that a goroutine
// completes, until that is closed.
func TestShutdownWaitsForWhatComesOfAHandshake(t *testing.T) {
	leakCheck(t)
	for range 8 {
		e := newWitness()
		inside, release := make(chan struct{}), make(chan struct{})
		s, addr := serve(t, &ws.Server{Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			close(inside)
			<-release
			return e, &ws.AcceptOptions{ConnOptions: ws.ConnOptions{CloseTimeout: 50 * time.Millisecond}}, nil
		}})
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, inPieces[:20])
		waitFor(t, func() bool { return ws.Surrendered(s) == 1 })
		io.WriteString(nc, inPieces[20:])
		<-inside
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(testContext(t)) }()
		waitFor(t, func() bool { return ws.Closing(s) })
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		select {
		case <-e.closed:
		default:
			t.Fatal("Shutdown returned before the connection was closed")
		}
	}
}

// An Accept that ends its goroutine, of a handshake that a goroutine sees to, keeps
// nothing: no place for a handshake, and nothing that Shutdown would wait for.
func TestAcceptThatExitsGivesItsSlotBack(t *testing.T) {
	leakCheck(t)
	s, addr := serve(t, &ws.Server{MaxHandshakes: 1, Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		runtime.Goexit()
		return nil, nil, nil
	}, Logger: slog.New(slog.DiscardHandler)})
	for range 3 {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(patience))
		io.WriteString(nc, inPieces[:20])
		waitFor(t, func() bool { return ws.Surrendered(s) == 1 })
		io.WriteString(nc, inPieces[20:])
		if p, _ := io.ReadAll(nc); !strings.HasPrefix(string(p), "HTTP/1.1 500 ") {
			t.Errorf("answered %.40q", p)
		}
		nc.Close()
		waitFor(t, func() bool { return ws.Surrendered(s) == 0 })
	}
	if err := s.Shutdown(testContext(t)); err != nil {
		t.Error(err)
	}
}
