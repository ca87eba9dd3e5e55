//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine_test

import (
	"io"
	"runtime"
	"testing"

	"github.com/tidewire/tidewire/ws/engine"
)

// What lies behind the bytes asked for comes along, and tells that this was all.
func TestReadPast(t *testing.T) {
	nothingLeft(t)
	var p engine.Poller
	for _, network := range []string{"tcp", "unix"} {
		o := watched(t, &p, network)
		read := func(size, spare int) (got, past string, more bool) {
			t.Helper()
			a, b := make([]byte, size), make([]byte, spare)
			var n int
			until(t, "bytes", func() bool {
				var err error
				n, more, err = o.ReadPast(a, b)
				if err != nil && !engine.WouldBlock(err) {
					t.Fatal(err)
				}
				return err == nil
			})
			return string(a[:min(n, size)]), string(b[:max(n-size, 0)]), more
		}
		io.WriteString(o.peer, "abcdef")
		if got, past, more := read(4, 8); got+past != "abcdef" || more {
			if runtime.GOOS == "linux" || got != "abcd" || past != "" || !more {
				t.Errorf("%s: %q and %q, more %v", network, got, past, more)
			}
			read(4, 8)
		}
		io.WriteString(o.peer, "abc")
		if got, past, more := read(4, 8); got != "abc" || past != "" || more {
			t.Errorf("%s: of too little %q and %q, more %v", network, got, past, more)
		}
		io.WriteString(o.peer, "abcdefgh")
		if got, _, more := read(4, 2); got != "abcd" || !more {
			t.Errorf("%s: of too much %q, more %v", network, got, more)
		}
		o.Close()
		o.peer.Close()
		if _, _, err := o.ReadPast(make([]byte, 1), nil); err == nil {
			t.Errorf("%s: a read after Close", network)
		}
	}
}
