package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/ws"
)

// TestSwap has a second process take over the socket of a first one, while clients come at every moment: quickly, slowly, in
// pieces and for a page. Each of them is answered, and who was there is back.
func TestSwap(t *testing.T) {
	t.Parallel()
	web, addr := listeningSocket(t, "http")
	old := activate(t, []handed{web}, nil)
	old.says(t, "Press Ctrl-C")

	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var served atomic.Int64
	come := func(visit func() error) {
		group.Go(func() {
			for ctx.Err() == nil {
				if err := visit(); err != nil {
					t.Errorf("a client: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	for range 4 {
		come(func() error {
			c, _, err := ws.Dial(t.Context(), "ws://"+addr+"/echo", nil)
			if err != nil {
				return err
			}
			defer c.CloseNow()
			if err := c.Write(t.Context(), ws.Text, []byte("hi")); err != nil {
				return err
			}
			if _, _, err = c.Read(t.Context()); ws.CloseStatus(err) == ws.StatusGoingAway {
				return nil // it was let in, and then told to go
			}
			return err
		})
	}
	for _, pause := range []time.Duration{time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond} {
		come(func() error { return upgradeSlowly(addr, pause) })
	}
	pages := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	come(func() error {
		r, err := pages.Get("http://" + addr + "/")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != 200 {
			return fmt.Errorf("the page: %s, %v", r.Status, err)
		}
		return nil
	})
	more := func(n int64) {
		t.Helper()
		want := served.Load() + n
		for end := time.Now().Add(patience); served.Load() < want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) || t.Failed() {
				t.Fatalf("%d more clients have been served, want %d", n-want+served.Load(), n)
			}
		}
	}
	const guests = 20
	lives := make(chan int, 10*guests)
	for i := range guests {
		c, err := client.Dial(t.Context(), "ws://"+addr+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		r, err := c.Room("chat:swap", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.OnLive(func(context.Context) { lives <- i })
		if err := r.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	back := func() {
		t.Helper()
		here := map[int]bool{}
		for timeout := time.After(patience); len(here) < guests; {
			select {
			case i := <-lives:
				here[i] = true
			case <-timeout:
				t.Fatalf("%d guests are there, want %d", len(here), guests)
			}
		}
	}
	back()
	more(50)

	heir := activate(t, []handed{web}, nil)
	heir.says(t, "Press Ctrl-C")
	more(50)
	old.cmd.Process.Signal(syscall.SIGTERM)
	if code := old.exits(t); code != 0 {
		t.Errorf("the old one ends with status %d", code)
	}
	more(50)
	back()
	// And with nobody who accepts meanwhile: they wait in the kernel's queue.
	heir.cmd.Process.Signal(syscall.SIGTERM)
	if code := heir.exits(t); code != 0 {
		t.Errorf("the second one ends with status %d", code)
	}
	activate(t, []handed{web}, nil).says(t, "Press Ctrl-C")
	more(50)
	back()
	stop()
	group.Wait()
	t.Logf("%d clients were served", served.Load())
}

// upgradeSlowly connects, waits, and sends a handshake in two pieces.
func upgradeSlowly(addr string, pause time.Duration) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	began := time.Now()
	nc.SetDeadline(began.Add(patience))
	time.Sleep(pause)
	io.WriteString(nc, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	time.Sleep(pause)
	io.WriteString(nc, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n")
	if time.Since(began) > maxSettle/2 {
		return nil // this machine had no time for us: so slow a client may be cut off
	}
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("a slow handshake: %v, %w", r, err)
	}
	return nil
}
