package bridge_test

import (
	"io"
	"strings"
	"testing"
)

// TestBreakIsTheTargets has a target break off that a lot is written to and nothing is read from, and a client: the log says who.
func TestBreakIsTheTargets(t *testing.T) {
	const some = 1 << 20
	t.Run("target", func(t *testing.T) {
		for _, door := range []string{"tcp", "unix"} {
			rule := pairRule(t, door, streamTarget(t, "tcp", func(conn halfCloser) {
				conn.CloseWrite() // nothing is to be read from it, not even a reset
				io.CopyN(io.Discard, conn, some)
				die(conn, true)
			}))
			b := run(t, rule)
			c := dialStream(t, b.at(0, rule.Listen))
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Fatal(err)
			}
			io.Copy(c, endless{})
			b.settled()
			if got := b.logs.String(); !strings.Contains(got, `error="target: `) {
				t.Errorf("%s: %s", door, got)
			}
		}
	})
	t.Run("client", func(t *testing.T) {
		heard := make(chan struct{})
		rule := pairRule(t, "tcp", streamTarget(t, "tcp", func(conn halfCloser) {
			conn.CloseWrite()
			io.CopyN(io.Discard, conn, some)
			close(heard)
			io.Copy(io.Discard, conn)
		}))
		b := run(t, rule)
		c := dialStream(t, b.at(0, rule.Listen))
		c.Write(make([]byte, some))
		<-heard
		die(c, true)
		b.settled()
		if got := b.logs.String(); !strings.Contains(got, `error="client: `) {
			t.Error(got)
		}
	})
}
