package talk_test

import (
	"errors"
	"net"
	"testing"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
)

// lame is a Listener that accepts nobody.
type lame struct{ net.Listener }

var errLame = errors.New("lame")

func (lame) Accept() (net.Conn, error) { return nil, errLame }

// A listener that fails ends what waits for a connection, and can be closed.
func TestListenerFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := talk.Listen(lame{ln}, ws.AcceptOptions{}, nil)
	for range 2 {
		if _, err := l.Connect(t.Context()); !errors.Is(err, errLame) || !errors.As(err, new(talk.Final)) {
			t.Error(err)
		}
	}
	l.Close()
}
