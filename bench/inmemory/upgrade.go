package inmemory

import (
	"io"
	"testing"

	gobwas "github.com/gobwas/ws"

	"github.com/tidewire/tidewire/ws"
)

// Upgrades are the server's handshake on a raw stream. gorilla, coder, gws and x/net have it behind net/http only.
func Upgrades() (all []Case) {
	measure := func(name string, upgrade func(*endless) (io.Closer, error), end func(io.Closer)) {
		all = append(all, Case{name, func(b *testing.B) {
			head, c := []byte(handshake), new(endless)
			open := make([]io.Closer, 0, 1<<12)
			b.ReportAllocs()
			for b.Loop() {
				c.head = head
				conn, err := upgrade(c)
				if err != nil {
					b.Fatal(err)
				}
				if open = append(open, conn); len(open) == cap(open) {
					b.StopTimer()
					for _, conn := range open {
						end(conn)
					}
					open = open[:0]
					b.StartTimer()
				}
			}
			for _, conn := range open {
				end(conn)
			}
		}})
	}
	measure("tidewire", func(c *endless) (io.Closer, error) {
		conn, err := ws.Upgrade(c, nil)
		return ours{conn}, err
	}, func(c io.Closer) { c.Close() })
	measure("gobwas", func(c *endless) (io.Closer, error) {
		_, err := gobwas.Upgrade(c)
		return c, err
	}, func(io.Closer) {})
	return all
}

// ours is a Conn that can be closed without a word.
type ours struct{ *ws.Conn }

func (o ours) Close() error { return o.CloseNow() }
