//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func netConns(t testing.TB, typ ws.MessageType) (client, srv net.Conn, c, s *ws.Conn) {
	return netConnsOf(t, typ, ws.ConnOptions{MaxMessage: 64 << 20})
}

func netConnsOf(t testing.TB, typ ws.MessageType, o ws.ConnOptions) (client, srv net.Conn, c, s *ws.Conn) {
	c, s = pair(t, "tcp", o)
	return ws.NetConn(context.Background(), c, typ), ws.NetConn(context.Background(), s, typ), c, s
}

// x/net's own suite for a net.Conn: io, deadlines, concurrent methods.
func TestNetConnIsANetConn(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b := wstest.Pipe()
		// The suite takes an error of Close for a failure: the peer has time to answer.
		o := ws.ConnOptions{CloseTimeout: patience, WriteQueue: 1 << 10}
		c := ws.NewConn(a, ws.Params{Client: true, ConnOptions: o})
		s := ws.NewConn(b, ws.Params{ConnOptions: o})
		nc, ns := ws.NetConn(context.Background(), c, ws.Binary), ws.NetConn(context.Background(), s, ws.Binary)
		return nc, ns, func() {
			var both sync.WaitGroup
			both.Go(func() { nc.Close() })
			both.Go(func() { ns.Close() })
			both.Wait()
		}, nil
	})
}

// The x/net tutorial's warning: a message longer than the buffer. Nothing is lost
// here.
func TestNetConnSmallBufferLosesNothing(t *testing.T) {
	leakCheck(t)
	client, srv, _, _ := netConns(t, ws.Binary)
	want := randomBytes(2000)
	go client.Write(want)
	buf := make([]byte, 1024)
	var got []byte
	for len(got) < len(want) {
		n, err := srv.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, want) {
		t.Error("2,000 bytes came wrong through a buffer of 1,024")
	}
}

func TestNetConnDeadlineInTheMiddleOfAMessage(t *testing.T) {
	nc, c := server(t, "tcp", ws.ConnOptions{})
	srv := ws.NetConn(context.Background(), c, ws.Binary)
	want := randomBytes(3000)
	wire := rawFrame(true, 2, want)
	nc.Write(wire[:1000])
	got := make([]byte, 0, 3000)
	srv.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	for {
		n, err := srv.Read(got[len(got):cap(got)])
		got = got[:len(got)+n]
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("Read: %v", err)
			}
			break
		}
	}
	if ne := net.Error(nil); !errors.As(os.ErrDeadlineExceeded, &ne) || !ne.Timeout() {
		t.Fatal("not a timeout")
	}
	srv.SetReadDeadline(time.Time{})
	go nc.Write(wire[1000:])
	n, err := io.ReadFull(srv, got[len(got):cap(got)])
	got = got[:len(got)+n]
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestNetConnEndsWithEOF(t *testing.T) {
	client, srv, c, _ := netConns(t, ws.Text)
	if client.LocalAddr().String() != c.LocalAddr().String() || client.RemoteAddr().String() != srv.LocalAddr().String() {
		t.Errorf("addresses: %v, %v", client.LocalAddr(), client.RemoteAddr())
	}
	go func() {
		client.Write([]byte("bye"))
		client.Close()
	}()
	p, err := io.ReadAll(srv)
	if err != nil || string(p) != "bye" {
		t.Errorf("%q, %v", p, err)
	}
	if _, err := srv.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Read after the end: %v", err)
	}
}

func TestNetConnRefusesTheOtherType(t *testing.T) {
	_, srv, c, _ := netConnsOf(t, ws.Binary, ws.ConnOptions{CloseTimeout: soon})
	go c.Write(context.Background(), ws.Text, []byte("text"))
	if _, err := srv.Read(make([]byte, 10)); err == nil || err == io.EOF {
		t.Errorf("Read: %v", err)
	}
	if _, _, err := c.Read(testContext(t)); ws.CloseStatus(err) != ws.StatusUnsupportedData {
		t.Errorf("the peer was told %v", err)
	}
}

// A deadline that passes while it is being moved ends what waited for it, and
// nothing that comes after.
func TestNetConnDeadlineMovedAsItPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, srv := wstest.Pair(t, nil)
		nc := ws.NetConn(t.Context(), srv, ws.Binary)
		for i := range 100 {
			nc.SetDeadline(time.Now().Add(time.Second))
			time.Sleep(time.Second)
			nc.SetDeadline(time.Now().Add(time.Hour))
			synctest.Wait()
			if _, err := nc.Write([]byte("x")); err != nil {
				t.Fatalf("round %d, an hour before its deadline: Write: %v", i, err)
			}
			mustRead(t, client)
			mustWrite(t, client, ws.Binary, []byte("x"))
			if _, err := nc.Read(make([]byte, 1)); err != nil {
				t.Fatalf("round %d, an hour before its deadline: Read: %v", i, err)
			}
		}
	})
}

func TestNetConnWriteAfterClose(t *testing.T) {
	client, srv := wstest.Pair(t, nil)
	go echo(client)
	nc := ws.NetConn(t.Context(), srv, ws.Binary)
	if err := nc.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
}
