//go:build !js

package wstest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// Test_virtualTime is an example too, of a test in a bubble: keepalive takes more
// than a minute to notice a dead peer, and this test takes no time at all.
func Test_virtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pair(t, &wstest.PairOptions{
			Server: ws.ConnOptions{PingInterval: 25 * time.Second, PingMisses: 2},
		})
		go func() {
			for range client.Messages(t.Context()) { // answers pings
			}
		}()
		start := time.Now()
		time.AfterFunc(time.Hour, func() {
			// The cable is cut: nothing gets through, nothing says so.
			wstest.Stream(client).SetFaults(wstest.Faults{Cut: wstest.CutDrop})
		})

		_, _, err := server.Read(t.Context())
		if !errors.Is(err, ws.ErrSilent) {
			t.Errorf("the server's Read ended with %v", err)
		}
		if d := time.Since(start); d < time.Hour+50*time.Second || d > time.Hour+77*time.Second {
			t.Errorf("it took %v to notice that the peer had been dead for an hour", d)
		}
	})
}
