//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine_test

import (
	"io"
	"testing"

	"github.com/tidewire/tidewire/ws/engine"
)

// The first call for a connection is vain if nothing has come, and only until
// something comes: who does not read then would miss it.
func TestVain(t *testing.T) {
	for _, arrives := range []bool{false, true} {
		nothingLeft(t)
		var p engine.Poller
		o := &owner{}
		o.peer, o.conn = pair(t, "tcp")
		calls := make(chan bool, 2)
		first := true
		o.readable = func() bool {
			if first && arrives {
				io.WriteString(o.peer, "x")
				until(t, "its event", func() bool { return o.Came() > 1 })
			}
			first = false
			calls <- o.Vain()
			return true
		}
		if _, err := p.Add(&o.Descriptor, o.conn, o, false); err != nil {
			t.Fatal(err)
		}
		if vain := <-calls; vain == arrives {
			t.Errorf("with something to read %v, the first call is vain: %v", arrives, vain)
		}
		if !arrives {
			io.WriteString(o.peer, "x")
		}
		if <-calls {
			t.Error("the second call is vain too")
		}
		o.Close()
		o.peer.Close()
	}
}

// A first call that does not ask leaves nothing to the next.
func TestVainIsOfTheFirstCall(t *testing.T) {
	nothingLeft(t)
	var p engine.Poller
	o := &owner{}
	o.peer, o.conn = pair(t, "tcp")
	vain := make(chan bool)
	first := make(chan struct{})
	o.readable = func() bool {
		select {
		case <-first:
			vain <- o.Vain()
		default:
			close(first)
		}
		return true
	}
	if _, err := p.Add(&o.Descriptor, o.conn, o, false); err != nil {
		t.Fatal(err)
	}
	<-first
	until(t, "the end of the first call", o.Idle)
	o.Kick()
	if <-vain {
		t.Error("the second call is vain")
	}
	o.Close()
	o.peer.Close()
}
