package bridge_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

var kinds = []string{"ws", "wss", "ws+unix", "tcp", "tls", "unix", "udp"}

// pairRule is a rule for two kinds of endpoints.
func pairRule(t *testing.T, front string, target bridge.Endpoint) bridge.Rule {
	t.Helper()
	server, client := certificate()
	rule := bridge.Rule{Listen: listening(t, front), Target: target, TargetTLS: client, Linger: 50 * time.Millisecond}
	if front == "wss" || front == "tls" {
		rule.TLS = server
	}
	return rule
}

// TestPairs sends some through every pairing of endpoints and back, and ends it as the client can.
func TestPairs(t *testing.T) {
	for _, front := range kinds {
		for _, back := range kinds {
			t.Run(front+" to "+back, func(t *testing.T) {
				t.Parallel()
				rule := pairRule(t, front, echo(t, back))
				b := run(t, rule)
				where := b.at(0, rule.Listen)
				big := 300_000
				stream := back == "tcp" || back == "tls" || back == "unix"
				if back == "udp" || front == "udp" {
					big = 1200
				}
				switch front {
				case "udp":
					c := dialStream(t, where)
					p := make([]byte, 2000)
					for range 50 {
						want := noise(big)
						c.Write(want)
						var got []byte
						for len(got) == 0 || len(got) < len(want) && stream { // a stream may cut it into several
							n, err := c.Read(p)
							if err != nil {
								t.Fatal(err)
							}
							got = append(got, p[:n]...)
						}
						if !bytes.Equal(got, want) {
							t.Fatalf("%d bytes came back that differ from %d that were sent", len(got), len(want))
						}
					}
				case "ws", "wss", "ws+unix":
					c := dialWS(t, where)
					for range 10 {
						want := noise(big)
						if err := c.Write(within(t), ws.Binary, want); err != nil {
							t.Fatal(err)
						}
						var got []byte
						for len(got) < len(want) {
							typ, p, err := c.Read(within(t))
							if err != nil || typ != ws.Binary {
								t.Fatal(typ, err)
							}
							got = append(got, p...)
						}
						if !bytes.Equal(got, want) {
							t.Fatal("what came back differs")
						}
					}
					if err := c.Close(ws.StatusNormalClosure, ""); err != nil {
						t.Fatal(err)
					}
				default:
					c := dialStream(t, where)
					want := noise(big)
					go c.Write(want)
					got := make([]byte, big)
					if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
						t.Fatal("what came back differs:", err)
					}
					c.(halfCloser).CloseWrite()
					if n, err := c.Read(got); n != 0 || err != io.EOF {
						t.Fatal(n, err)
					}
				}
				if front == "udp" { // which is not over yet; and what has come is counted a little later
					eventually(t, "all is counted", func() bool { s := b.Stats()[0]; return s.In == s.Out && s.In >= 50*int64(big) })
				} else {
					b.settled()
				}
				s := b.Stats()[0]
				if s.Accepted != 1 || s.Broken != 0 || s.DialFailed != 0 || s.In != s.Out || s.In < int64(big) {
					t.Fatalf("%+v\n%s", s, b.logs)
				}
			})
		}
	}
}
