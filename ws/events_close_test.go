//go:build !js

package ws_test

import (
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// Whoever writes to a full socket while it is closed leaves nothing behind: no
// buffer that counts against the budget.
func TestCloseUnderWritersGivesTheBudgetBack(t *testing.T) {
	leakCheck(t)
	b, e := ws.NewBudget(1<<30), ws.NewEngine()
	o := ws.ConnOptions{Budget: b, Engine: e, WriteQueue: 1 << 20, QueuePolicy: ws.RefuseWrite, CloseTimeout: time.Millisecond}
	p := make([]byte, 30_000)
	for i := range 150 {
		nc, c := server(t, evented[i%2], o)
		if tcp, ok := c.NetConn().(interface{ SetWriteBuffer(int) error }); ok {
			tcp.SetWriteBuffer(8 << 10)
		}
		h := &recorder{closed: make(chan error, 1)}
		c.Attach(h)
		for c.Buffered() < 100_000 {
			c.TryWrite(ws.Binary, p)
		}
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{nc}) }) // there is room again
		for range 2 {
			wg.Go(func() {
				for c.TryWrite(ws.Binary, p) {
				}
			})
		}
		wg.Go(func() {
			for was, n := c.Buffered(), 0; c.Buffered() == was && n < 1000; n++ {
				runtime.Gosched() // until the peer takes something
			}
			c.CloseNow()
		})
		wg.Wait()
		await(t, h.closed, "Closed")
		nc.Close()
	}
	waitFor(t, func() bool { return e.Open() == 0 })
	waitFor(t, func() bool { return b.Used() == 0 })
}
