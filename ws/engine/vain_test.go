//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/tidewire/tidewire/ws/engine"
)

// The first call of an owner comes although nothing may be there, and its Read then
// asks nobody: but for what came behind the event, nobody would call again.
func TestReadOfTheFirstCall(t *testing.T) {
	for _, arrives := range []bool{false, true} {
		nothingLeft(t)
		var p engine.Poller
		o := &owner{}
		o.peer, o.conn = pair(t, "tcp")
		first := true
		calls := make(chan bool, 3)
		o.readable = func() bool {
			if first {
				if !o.Vain() {
					t.Error("the first event says that there is something to read")
				}
				if arrives {
					io.WriteString(o.peer, "x")
					until(t, "its event", func() bool { return o.Came() > 1 })
				}
			}
			first = false
			n, _, err := o.Read(make([]byte, 1))
			if errors.Is(err, net.ErrClosed) {
				return true // the test is through
			}
			if err != nil && !engine.WouldBlock(err) {
				t.Error(err)
			}
			if o.Vain() {
				t.Error("the second Read asks nobody either")
			}
			calls <- n > 0
			return true
		}
		if _, err := p.Add(&o.Descriptor, o.conn, o, false); err != nil {
			t.Fatal(err)
		}
		if read := <-calls; read != arrives {
			t.Errorf("with something to read %v, the first call read: %v", arrives, read)
		}
		if !arrives {
			io.WriteString(o.peer, "x")
			if !<-calls {
				t.Error("the second call read nothing")
			}
		}
		o.Close()
		o.peer.Close()
	}
}

// What the first event said is forgotten by the next call, whether or not somebody read.
func TestFirstCallWithoutARead(t *testing.T) {
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
		t.Error("the second call's Read would ask nobody")
	}
	o.Close()
	o.peer.Close()
}
