//go:build !js

package ws_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// A listener that finds no place for a handshake gets the next one, also where
// another took the last place only to find that nobody had come.
func TestListenersShareTheLastSlot(t *testing.T) {
	leakCheck(t)
	s := &ws.Server{MaxHandshakes: 1, Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		return echoHandler, nil, nil
	}}
	serve(t, s)
	waitFor(t, func() bool { return len(ws.Pokes(s)) == 1 })
	poke := ws.Pokes(s)[0]
	_, addr := serve(t, s)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				poke()
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	end := time.Now().Add(10 * time.Second) // on a busy machine each may take a tenth of a second
	for range 2000 {
		if time.Now().After(end) {
			break
		}
		c, _, err := ws.Dial(testContext(t), "ws://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
	}
}
