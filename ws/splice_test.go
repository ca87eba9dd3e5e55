//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

// sink is a TCP connection, and what comes out at its other end.
func sink(t *testing.T) (to *net.TCPConn, all func() []byte) {
	t.Helper()
	a, b := tcpPair(t)
	var got []byte
	done := make(chan struct{})
	go func() {
		defer close(done)
		got, _ = io.ReadAll(b)
	}()
	t.Cleanup(func() {
		a.Close()
		b.Close()
		<-done
	})
	return a.(*net.TCPConn), func() []byte {
		a.(*net.TCPConn).CloseWrite()
		<-done
		return got
	}
}

// source is a TCP connection from which p comes, and then its end.
func source(t *testing.T, p []byte) *net.TCPConn {
	t.Helper()
	a, b := tcpPair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Write(p)
		b.Close()
	}()
	t.Cleanup(func() {
		a.Close()
		<-done
	})
	return a.(*net.TCPConn)
}

// TestWriteTo has messages of all kinds be written to a socket by io.Copy.
func TestWriteTo(t *testing.T) {
	for kind, pair := range streams {
		for _, zip := range []bool{false, true} {
			for _, toClient := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, compression %v, to the client %v", kind, zip, toClient), func(t *testing.T) {
					a, b := pair(t)
					var p *deflate.Params
					if zip {
						p = &deflate.Params{}
					}
					o := ws.ConnOptions{MaxMessage: -1}
					from, to := ws.NewConn(a, ws.Params{Client: !toClient, ConnOptions: o, Deflate: p}), ws.NewConn(b, ws.Params{Client: toClient, ConnOptions: o, Deflate: p})
					defer from.CloseNow()
					defer to.CloseNow()
					out, all := sink(t)
					var want bytes.Buffer
					var group sync.WaitGroup
					defer group.Wait()
					ctx := t.Context()
					sizes := []int{0, 1, 5000, 16383, 16384, 70_000, 1 << 20}
					group.Go(func() {
						for i, n := range sizes {
							typ, p := ws.Binary, randomBytes(n)
							if i%3 == 2 {
								typ, p = ws.Text, bytes.Repeat([]byte("aé"), n/3)
							}
							if i%2 == 0 {
								if err := from.Write(ctx, typ, p); err != nil {
									t.Error(err)
								}
								continue
							}
							w, err := from.Writer(ctx, typ) // in fragments
							if err != nil {
								t.Error(err)
								return
							}
							w.Write(p)
							w.Close()
						}
					})
					for i, n := range sizes {
						typ, r, err := to.Reader(ctx)
						if err != nil {
							t.Fatal(err)
						}
						p := randomBytes(n)
						if i%3 == 2 {
							p = bytes.Repeat([]byte("aé"), n/3)
						}
						want.Write(p)
						if n, err := io.Copy(out, r); err != nil || int(n) != len(p) || (typ == ws.Text) != (i%3 == 2) {
							t.Fatal(n, err, typ)
						}
						if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
							t.Fatal(n, err)
						}
					}
					if got := all(); !bytes.Equal(got, want.Bytes()) {
						t.Fatalf("%d bytes came, want %d", len(got), want.Len())
					}
				})
			}
		}
	}
}

// TestWriteToBuffer has a message be written to what is an io.ReaderFrom and no socket, and to what is none.
func TestWriteToBuffer(t *testing.T) {
	a, b := tcpPair(t)
	server, client := ws.NewConn(a, ws.Params{}), ws.NewConn(b, ws.Params{Client: true, ConnOptions: ws.ConnOptions{MaxMessage: -1}})
	defer server.CloseNow()
	defer client.CloseNow()
	want := randomBytes(2 << 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Write(context.Background(), ws.Binary, want)
		server.Write(context.Background(), ws.Binary, want)
		server.Write(context.Background(), ws.Binary, want)
		server.Write(context.Background(), ws.Binary, []byte("next"))
	}()
	var buf bytes.Buffer
	for _, w := range []io.Writer{&buf, struct{ io.Writer }{&buf}} {
		buf.Reset()
		_, r, err := client.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(w, r); err != nil || n != int64(len(want)) || !bytes.Equal(buf.Bytes(), want) {
			t.Fatal(n, err)
		}
	}
	// One that takes no more: what is left of the message is discarded, unless the kernel was asked.
	_, r, err := client.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	if _, err := io.Copy(writerFunc(func([]byte) (int, error) { return 0, full }), r); err != full {
		t.Fatal(err)
	}
	if _, p, err := client.Read(t.Context()); string(p) != "next" {
		t.Fatal(err)
	}
	<-done
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestWriteToEnds has the socket that is written to, and the one that is read, end in the middle of a frame.
func TestWriteToEnds(t *testing.T) {
	t.Run("to", func(t *testing.T) {
		a, b := tcpPair(t)
		server, client := ws.NewConn(a, ws.Params{}), ws.NewConn(b, ws.Params{Client: true, ConnOptions: ws.ConnOptions{MaxMessage: -1}})
		defer server.CloseNow()
		defer client.CloseNow()
		done := make(chan struct{})
		go func() {
			defer close(done)
			server.Write(context.Background(), ws.Binary, randomBytes(32<<20))
		}()
		out, _ := sink(t)
		_, r, err := client.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out.Close()
		if _, err := io.Copy(out, r); !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
		client.CloseNow()
		<-done
	})
	t.Run("from", func(t *testing.T) {
		a, b := tcpPair(t)
		client := ws.NewConn(b, ws.Params{Client: true, ConnOptions: ws.ConnOptions{MaxMessage: -1}})
		defer client.CloseNow()
		done := make(chan struct{})
		go func() {
			defer close(done)
			p := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.Binary, Length: 1 << 20})
			a.Write(append(p, randomBytes(500_000)...))
			a.Close()
		}()
		out, all := sink(t)
		_, r, err := client.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(out, r)
		var closed *ws.CloseError
		if !errors.As(err, &closed) || closed.By != ws.Network {
			t.Fatal(n, err)
		}
		if got := all(); len(got) != 500_000 || n != 500_000 {
			t.Fatal(len(got), n)
		}
		<-done
	})
}

// TestWriteFrom sends what comes from sockets, files and memory, while others write too.
func TestWriteFrom(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	want := randomBytes(1 << 20)
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	sources := map[string]func(t *testing.T) io.Reader{
		"tcp": func(t *testing.T) io.Reader { return source(t, want) },
		"file": func(t *testing.T) io.Reader {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return f
		},
		"memory": func(*testing.T) io.Reader { return bytes.NewReader(want) },
	}
	for kind, pair := range streams {
		for from, open := range sources {
			for _, client := range []bool{false, true} {
				t.Run(fmt.Sprintf("from %s to %s, client %v", from, kind, client), func(t *testing.T) {
					a, b := pair(t)
					o := ws.ConnOptions{MaxMessage: -1}
					c, peer := ws.NewConn(a, ws.Params{Client: client, ConnOptions: o}), ws.NewConn(b, ws.Params{Client: !client, ConnOptions: o})
					defer c.CloseNow()
					defer peer.CloseNow()
					var group sync.WaitGroup
					defer group.Wait()
					group.Go(func() {
						for range 50 {
							c.Write(context.Background(), ws.Text, []byte("between"))
						}
					})
					group.Go(func() {
						r := open(t)
						for _, n := range []int64{0, 10, 16383, 16384, 100_000, 600_000} {
							if err := c.WriteFrom(context.Background(), ws.Binary, r, n); err != nil {
								t.Error(err)
							}
						}
					})
					var got []byte
					between := 0
					for messages := 0; messages < 6 || between < 50; {
						typ, p, err := peer.Read(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if typ == ws.Text {
							between++
						} else {
							got = append(got, p...)
							messages++
						}
					}
					if n := 10 + 16383 + 16384 + 100_000 + 600_000; !bytes.Equal(got, want[:n]) {
						t.Fatalf("%d bytes came that differ from the %d that were sent", len(got), n)
					}
				})
			}
		}
	}
}

// TestWriteFromFails has the source end too early, and be no good at all.
func TestWriteFromFails(t *testing.T) {
	for _, client := range []bool{false, true} {
		a, b := tcpPair(t)
		c, peer := ws.NewConn(a, ws.Params{Client: client, ConnOptions: ws.ConnOptions{CloseTimeout: soon}}), ws.NewConn(b, ws.Params{Client: !client})
		defer c.CloseNow()
		defer peer.CloseNow()
		if err := c.WriteFrom(t.Context(), ws.Binary, source(t, nil), -1); err == nil {
			t.Fatal("a negative length")
		}
		if err := c.WriteFrom(t.Context(), 7, source(t, nil), 1); err == nil {
			t.Fatal("no such type")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.WriteFrom(ended, ws.Binary, source(t, randomBytes(100_000)), 100_000); err != context.Canceled {
			t.Fatal(err)
		}
		// The connection is whole so far.
		if err := c.Write(t.Context(), ws.Text, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, p, err := peer.Read(t.Context()); string(p) != "hello" {
			t.Fatal(err)
		}
		if err := c.WriteFrom(t.Context(), ws.Binary, source(t, randomBytes(100_000)), 200_000); err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
		if typ, p, err := peer.Read(t.Context()); err == nil {
			t.Fatalf("half a message came as %v of %d bytes", typ, len(p))
		}
		if err := c.Write(t.Context(), ws.Text, []byte("more")); err == nil {
			t.Fatal("the connection goes on")
		}
		if _, _, err := c.Read(t.Context()); !client && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
}
