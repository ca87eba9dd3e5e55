package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// start runs a server on a free port until the test ends, and returns its address.
func start(t *testing.T, what string) string {
	leak := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(context.Background())
	out, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, []string{what, "127.0.0.1:0"}, stdout)
		stdout.CloseWithError(err)
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := goleak.Find(leak); err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
}

func TestEcho(t *testing.T) {
	long := strings.Repeat("x", maxMessage)
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			addr := start(t, network+"-server")
			for range 2 { // a second client comes after the first
				var out bytes.Buffer
				if err := run(t.Context(), []string{network + "-client", addr, "one", "", "zwölf", long}, &out); err != nil {
					t.Fatal(err)
				}
				if got, want := out.String(), "one\n\nzwölf\n"+long+"\n"; got != want {
					t.Errorf("printed %q, want %q", got, want)
				}
			}
		})
	}
}

// A stream has no borders: a line may come byte by byte, and two lines at once.
func TestTCPBorders(t *testing.T) {
	conn := dial(t, "tcp", start(t, "tcp-server"))
	for _, piece := range []string{"o", "ne", "\ntwo\nthr", "ee\n"} {
		if _, err := io.WriteString(conn, piece); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, len("one\ntwo\nthree\n"))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "one\ntwo\nthree\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTCPLineTooLong(t *testing.T) {
	conn := dial(t, "tcp", start(t, "tcp-server"))
	if _, err := io.WriteString(conn, strings.Repeat("x", 10*maxMessage)); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "error: the line is too long\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// Connections that say nothing do not keep the server from stopping: see start.
func TestTCPStopsWithSilentPeers(t *testing.T) {
	var conns []net.Conn
	t.Cleanup(func() { // after the server has stopped
		for _, conn := range conns {
			conn.Close()
		}
	})
	addr := start(t, "tcp-server")
	for range 3 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		if _, err := io.WriteString(conn, "hello\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
	}
}

// What is no request is not answered: an answer (two servers could be set on each
// other), nothing, and what is too long. What comes behind is.
func TestUDPAnswersRequestsAlone(t *testing.T) {
	conn := dial(t, "udp", start(t, "udp-server"))
	for _, datagram := range []string{"!answer", "", "?" + strings.Repeat("x", maxMessage+1), "?end"} {
		if _, err := io.WriteString(conn, datagram); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "!end" {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

// A client asks again when a datagram is lost, and takes no other answer for its own.
func TestUDPAsksAgain(t *testing.T) {
	peer, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 4096)
		_, _, err := peer.ReadFromUDPAddrPort(buf) // lost
		if err == nil {
			var from net.Addr
			if _, from, err = peer.ReadFrom(buf); err == nil {
				peer.WriteTo([]byte("!an older answer"), from)
				_, err = peer.WriteTo([]byte("!hello"), from)
			}
		}
		done <- err
	}()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"udp-client", peer.LocalAddr().String(), "hello"}, &out); err != nil || out.String() != "hello\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		nil, {"tcp-server"}, {"sctp-server", "127.0.0.1:0"}, {"tcp-server", "127.0.0.1:no-port"},
		{"tcp-client", "127.0.0.1:1", strings.Repeat("x", maxMessage+1)},
	} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}
