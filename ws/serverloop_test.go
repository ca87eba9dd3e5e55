//go:build !js

package ws_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// memoryListener hands out what it is given, errors included.
type memoryListener struct {
	next   chan any // net.Conn or error
	closed chan struct{}
	once   sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{next: make(chan any), closed: make(chan struct{})}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case v := <-l.next:
		if err, ok := v.(error); ok {
			return nil, err
		}
		return v.(net.Conn), nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *memoryListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *memoryListener) Addr() net.Addr { return textAddr("memory") }

func TestServerBacksOffWithoutDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		s := &ws.Server{Accept: echoTo(nil), Logger: log.logger(), Engine: ws.NewEngine()}
		ln := newMemoryListener()
		done := make(chan error, 1)
		go func() { done <- s.Serve(ln) }()
		start := time.Now()
		for range 12 {
			ln.next <- &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
		}
		// 5 ms doubling to 1 s: the twelfth came after 5+10+…+640+1000+1000+1000.
		if took := time.Since(start); took != (5+10+20+40+80+160+320+640+1000+1000+1000)*time.Millisecond {
			t.Errorf("12 errors took %v", took)
		}
		if n := strings.Count(log.String(), "too many open files"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		client, server := net.Pipe()
		ln.next <- server // it goes on
		resp, _, _ := exchangeIn(t, client, handshakeRequest())
		if resp.StatusCode != 101 {
			t.Errorf("%s", resp.Status)
		}
		client.Close()
		ln.next <- &net.OpError{Op: "accept", Err: syscall.EINVAL} // for good
		if err := <-done; !errors.Is(err, syscall.EINVAL) {
			t.Errorf("Serve: %v", err)
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// exchangeIn is exchange without a deadline, for a bubble.
func exchangeIn(t testing.TB, nc net.Conn, raw string) (*http.Response, *bufio.Reader, net.Conn) {
	t.Helper()
	if _, err := io.WriteString(nc, raw); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp, r, nc
}

func TestServerBoundsHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &ws.Server{Accept: echoTo(nil), MaxHandshakes: 3, HandshakeTimeout: 4 * time.Second, Engine: ws.NewEngine()}
		ln := newMemoryListener()
		done := make(chan error, 1)
		go func() { done <- s.Serve(ln) }()
		var slow []net.Conn
		for range 3 {
			client, server := net.Pipe()
			ln.next <- server
			slow = append(slow, client)
			go io.WriteString(client, "GET / HT")
		}
		// Two more may come, of which one waits here and one in the backlog.
		client, server := net.Pipe()
		ln.next <- server
		go io.WriteString(client, handshakeRequest())
		synctest.Wait()
		_, last := net.Pipe()
		select {
		case ln.next <- last:
			t.Fatal("a fifth connection was accepted")
		default:
		}
		// The slow ones are given up, and then it is its turn.
		start := time.Now()
		for _, nc := range slow {
			go io.Copy(io.Discard, nc)
		}
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil || resp.StatusCode != 101 {
			t.Fatalf("%v, %v", resp, err)
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("waited %v", took)
		}
		client.Close()
		s.Close()
		if err := <-done; err != ws.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestServerGivesUpSlowHandshakesAndBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan error, 1)
		s := &ws.Server{Accept: echoTo(nil), Engine: ws.NewEngine(), Logger: new(logBuffer).logger(),
			HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := io.Copy(io.Discard, r.Body)
				read <- err
			})}
		ln := newMemoryListener()
		done := make(chan error, 1)
		go func() { done <- s.Serve(ln) }()
		trickle := func(raw string) time.Duration {
			client, server := net.Pipe()
			defer client.Close()
			ln.next <- server
			start := time.Now()
			ended := make(chan struct{})
			go func() {
				io.Copy(io.Discard, client)
				close(ended)
			}()
			go func() {
				for i := range len(raw) {
					if _, err := client.Write([]byte{raw[i]}); err != nil {
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
			}()
			<-ended
			return time.Since(start)
		}
		if took := trickle(handshakeRequest("X-Pad: " + strings.Repeat("x", 1000))); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("a slow handshake took %v", took)
		}
		body := strings.Repeat("x", 10_000)
		if took := trickle("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + body); took < 60*time.Second || took > 80*time.Second {
			t.Errorf("a slow body took %v", took)
		}
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the body ended with %v", err)
		}
		s.Close()
		<-done
		time.Sleep(time.Second) // the writers notice
	})
}

func TestServeTLS(t *testing.T) {
	leakCheck(t)
	e := newWitness()
	addr := serveTLS(t, &ws.Server{Accept: e.accept, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{certificate().cert}, NextProtos: []string{"h2"}}})
	c, resp, err := ws.Dial(testContext(t), "wss://"+addr, &ws.DialOptions{TLSConfig: &tls.Config{RootCAs: certificate().roots}})
	if err != nil {
		t.Fatal(err)
	}
	if resp.TLS.NegotiatedProtocol != "http/1.1" {
		t.Errorf("negotiated %q", resp.TLS.NegotiatedProtocol)
	}
	mustWrite(t, c, ws.Text, []byte("x"))
	mustRead(t, c)
	c.Close(ws.StatusNormalClosure, "")

	plain, _, _ := talk(t, addr, handshakeRequest())
	if body, _ := io.ReadAll(plain.Body); plain.StatusCode != 400 || !strings.Contains(string(body), "TLS") {
		t.Errorf("plain HTTP: %s, %q", plain.Status, body)
	}
	for _, s := range []func(net.Listener) error{
		func(ln net.Listener) error { return new(ws.Server).ServeTLS(ln, "", "") },
		func(ln net.Listener) error { return new(ws.Server).ServeTLS(ln, "/nonexistent", "/nonexistent") },
	} {
		ln := newMemoryListener()
		if err := s(ln); err == nil || !strings.HasPrefix(err.Error(), "ws: ") {
			t.Errorf("without a certificate: %v", err)
		}
		<-ln.closed
	}
}

func TestServerPanicUnderTLS(t *testing.T) {
	leakCheck(t)
	addr := serveTLS(t, &ws.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate().cert}},
		Logger:    new(logBuffer).logger(),
		Accept:    func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) { panic("oh no") },
	})
	_, resp, err := ws.Dial(testContext(t), "wss://"+addr, &ws.DialOptions{TLSConfig: &tls.Config{RootCAs: certificate().roots}})
	if err == nil || resp == nil || resp.StatusCode != 500 {
		t.Errorf("%v, %v", resp, err)
	}
}

// A configuration for each client must not bring back what the Server does not
// speak.
func TestServerOffersHTTP1WhateverTheConfig(t *testing.T) {
	leakCheck(t)
	certificates := []tls.Certificate{certificate().cert}
	for name, config := range map[string]*tls.Config{
		"own": {Certificates: certificates, NextProtos: []string{"h2", "http/1.1"}},
		"for each client": {GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{Certificates: certificates, NextProtos: []string{"h2", "http/1.1"}}, nil
		}},
		"its own after all": {Certificates: certificates, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, nil
		}},
	} {
		addr := serveTLS(t, &ws.Server{TLSConfig: config, HTTP: http.NotFoundHandler()})
		nc, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: certificate().roots, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(name, err)
		}
		if got := nc.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
			t.Errorf("%s: agreed on %q", name, got)
		}
		nc.Close()
	}
}

func TestListenAndServe(t *testing.T) {
	leakCheck(t)
	s := &ws.Server{}
	if err := s.ListenAndServe("256.256.256.256:0"); err == nil || !strings.HasPrefix(err.Error(), "ws: ") {
		t.Errorf("%v", err)
	}
	s.Close()
	if err := s.ListenAndServe("127.0.0.1:0"); err != ws.ErrServerClosed {
		t.Errorf("%v", err)
	}
}

// BenchmarkServerHandshake is a connection's whole life on loopback, seen by
// both ends: connect, upgrade, close.
func BenchmarkServerHandshake(b *testing.B) {
	_, addr := serve(b, &ws.Server{Accept: echoTo(nil)})
	request := []byte(handshakeRequest())
	answer := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		nc.Write(request)
		if n, err := nc.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 101 ") {
			b.Fatalf("%q, %v", answer[:n], err)
		}
		nc.(*net.TCPConn).SetLinger(0)
		nc.Close()
	}
}
