//go:build !js

package ws_test

import (
	"crypto/tls"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

type countedTLS struct {
	*tls.Conn
	reads atomic.Int64
}

func (c *countedTLS) Read(p []byte) (int, error) { c.reads.Add(1); return c.Conn.Read(p) }

// B1
func TestBreakTLSReadsByTheSpoonful(t *testing.T) {
	a, b := tlsPair(t)
	s := &countedTLS{Conn: b.(*tls.Conn)}
	client, server := connect(t, a, s, ws.ConnOptions{CloseTimeout: time.Second})
	mustWrite(t, client, ws.Binary, make([]byte, 4000))
	mustRead(t, server)
	if n := s.reads.Load(); n > 8 {
		t.Errorf("%d reads for one TLS record of 4,000 bytes", n)
	}
}
