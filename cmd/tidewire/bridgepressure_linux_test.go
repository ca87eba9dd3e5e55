package main

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestBridgePressure has each side in turn take nothing while the other one has much to say, over plain and WebSocket
// connections: the other one is stopped, the process between holds no more than before, and everything comes in the end.
func TestBridgePressure(t *testing.T) {
	const total, most = 64 << 20, 48 << 20 // what the kernel keeps for the process between: up to 37 MiB where it may
	for _, pair := range []string{"tcp tcp", "tcp ws", "ws tcp", "ws ws"} {
		door, kind, _ := strings.Cut(pair, " ")
		for _, who := range []string{"client", "target"} {
			t.Run("from "+door+" to "+kind+", a slow "+who, func(t *testing.T) {
				process, client, target := across(t, door, kind)
				from, to := target, client
				if who == "target" {
					from, to = client, target
				}
				was := memory(t, process, "VmRSS")
				all, sum := noisy(5, total)
				taken := sending(t, from, all)
				held := stopped(taken)
				if held > most {
					t.Errorf("%d bytes were taken that nobody reads", held)
				}
				to.SetReadDeadline(time.Now().Add(2 * patience))
				got := sha256.New()
				if n, err := io.CopyN(got, to, total); err != nil || !bytes.Equal(got.Sum(nil), sum) {
					t.Fatalf("%d bytes of %d came: %v", n, total, err)
				}
				peak := memory(t, process, "VmHWM")
				t.Logf("stopped at %d bytes; %d KiB at the beginning, %d at most", held, was, peak)
				if peak > was+16<<10 {
					t.Errorf("memory grew from %d KiB to %d", was, peak)
				}
			})
		}
	}
}

// sending writes all of it to the connection until the test ends, and counts what was taken.
func sending(t *testing.T, to net.Conn, all io.Reader) (taken *atomic.Int64) {
	taken = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p := make([]byte, 256<<10) // one message, over WebSocket
		for {
			n, err := all.Read(p)
			if err != nil {
				return
			}
			if _, err := to.Write(p[:n]); err != nil {
				return // whoever reads says what is missing
			}
			taken.Add(int64(n))
		}
	}()
	t.Cleanup(func() {
		to.SetWriteDeadline(time.Now())
		<-done
	})
	return taken
}

// stopped waits until the count has stood still for half a second, and returns it.
func stopped(count *atomic.Int64) int64 {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	was, since := count.Load(), time.Now()
	for time.Since(since) < 500*time.Millisecond {
		<-tick.C
		if now := count.Load(); now != was {
			was, since = now, time.Now()
		}
	}
	return was
}
