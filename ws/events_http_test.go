//go:build !js

package ws_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/tidewire/tidewire/ws"
)

// witnessed notes what net/http hands over.
type witnessed struct {
	http.ResponseWriter
	gone chan<- func() string // says what is still alive
	r    *http.Request
}

type marked struct{ _ [64]byte }

func (w witnessed) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := w.ResponseWriter.(http.Hijacker).Hijack()
	if err == nil {
		request, header := weak.Make(w.r), weak.Make(w.r.URL)
		reader, writer := weak.Make(rw.Reader), weak.Make(rw.Writer)
		conn := weak.Make(nc.(*net.TCPConn))
		mark := weak.Make(w.r.Context().Value(marked{}).(*marked))
		w.gone <- func() string {
			var left []string
			for what, alive := range map[string]bool{
				"the request": request.Value() != nil, "its URL": header.Value() != nil,
				"the reader": reader.Value() != nil, "the writer": writer.Value() != nil,
				"the net.Conn": conn.Value() != nil, "the context": mark.Value() != nil,
			} {
				if alive {
					left = append(left, what)
				}
			}
			for _, one := range stacks() {
				if strings.Contains(one, "net/http.(*conn)") {
					left = append(left, one)
				}
			}
			return strings.Join(left, ", ")
		}
	}
	return nc, rw, err
}

// Once the handler of a request has returned, the attached connection keeps nothing
// of net/http alive: no goroutine, no request, no buffers, not even its net.Conn.
func TestNothingOfNetHTTPStays(t *testing.T) {
	for _, way := range []string{"at once", "after a Write", "after a Read"} {
		t.Run(way, func(t *testing.T) { nothingOfNetHTTPStays(t, way) })
	}
}

func nothingOfNetHTTPStays(t *testing.T, way string) {
	leakCheck(t)
	gone := make(chan func() string, 1)
	opened, closed := make(chan *ws.Conn, 1), make(chan error, 1)
	mark := func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, marked{}, new(marked))
	}
	srv := &http.Server{ConnContext: mark, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(witnessed{w, gone, r}, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		switch way {
		case "after a Write":
			c.Write(r.Context(), ws.Text, []byte("hello"))
		case "after a Read":
			if typ, p, err := c.Read(r.Context()); err == nil {
				c.Write(r.Context(), typ, p)
			}
		}
		c.Attach(&events{
			opened:  func(c *ws.Conn) { opened <- c },
			message: echoHandler,
			closed:  func(_ *ws.Conn, err error) { closed <- err },
		})
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	// The first frame comes with the request, and waits in net/http's buffer.
	io.WriteString(nc, handshakeRequest()+clientFrame(0x81, "first"))
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v, %v", resp, err)
	}
	if way == "after a Write" {
		expectBytes(t, r, "\x81\x05hello")
	}
	expectBytes(t, r, "\x81\x05first")
	c := await(t, opened, "Opened")
	left := await(t, gone, "Hijack")
	for deadline := time.Now().Add(patience); left() != ""; runtime.GC() {
		if time.Now().After(deadline) {
			t.Errorf("left: %s", left())
			break
		}
	}
	io.WriteString(nc, clientFrame(0x81, "second"))
	expectBytes(t, r, "\x81\x06second")
	nc.Close()
	await(t, closed, "Closed")
	runtime.KeepAlive(c)
	srv.Close()
	<-served
}
