//go:build !js

package ws_test

import (
	"io"
	"net"
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
	for range 20 {
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
