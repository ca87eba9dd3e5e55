package talk_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
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

// once is a Listener to which one connection comes.
type once struct {
	net.Listener
	conn chan net.Conn
}

func (o *once) Accept() (net.Conn, error) {
	if conn, ok := <-o.conn; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (o *once) Close() error {
	close(o.conn)
	return nil
}

// Who asks for a page, and then for nothing more, is not kept.
func TestListenerKeepsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := wstest.Pipe()
		ln := &once{conn: make(chan net.Conn, 1)}
		ln.conn <- theirs
		l := talk.Listen(ln, ws.AcceptOptions{}, nil)
		io.WriteString(ours, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if all, err := io.ReadAll(ours); err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 426 ") {
			t.Errorf("%q, %v", all, err)
		}
		ours.Close()
		l.Close()
	})
}
