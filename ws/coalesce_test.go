//go:build !js

package ws_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// turnstile is a stream that counts its writes and holds the first one back.
type turnstile struct {
	net.Conn
	writes atomic.Int32
	inside chan struct{} // closed when the first write has come
	open   chan struct{} // lets it through
}

func (s *turnstile) Write(p []byte) (int, error) {
	if s.writes.Add(1) == 1 {
		close(s.inside)
		<-s.open
	}
	return s.Conn.Write(p)
}

// While one writer is writing, 63 others leave what they have: it all goes in one
// more write.
func TestWritersThatMeetShareOneWrite(t *testing.T) {
	leakCheck(t)
	a, b := wstest.Pipe()
	stream := &turnstile{Conn: a, inside: make(chan struct{}), open: make(chan struct{})}
	c := ws.NewConn(stream, ws.Params{})
	peer := ws.NewConn(b, ws.Params{Client: true})
	defer peer.CloseNow()
	defer c.CloseNow()
	ctx := testContext(t)
	var all sync.WaitGroup
	write := func() {
		all.Go(func() {
			if err := c.Write(ctx, ws.Binary, make([]byte, 100)); err != nil {
				t.Error(err)
			}
		})
	}
	write()
	<-stream.inside
	for range 63 {
		write()
	}
	waitFor(t, func() bool { return c.Buffered() == 64*102 })
	close(stream.open)
	for range 64 {
		if _, _, err := peer.Read(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if n := stream.writes.Load(); n != 2 {
		t.Errorf("64 messages left in %d writes", n)
	}
}
