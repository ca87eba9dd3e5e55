package main

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// connectPlaces are what connect can be sent to or through, by the name of a variable for transcripts:
//
//	PAIR              the certificate PAIR.pem with its key PAIR-key.pem, of all that speak TLS, for this machine
//	TCP, TLS, UDP     say everything again
//	UNIX              does so on a Unix socket
//	WSUNIX            is connectPeers on a Unix socket
//	WSS               is connectPeers over TLS, and WSSPORT its port
//	MUTUAL            is so, for who has a certificate
//	PROXY, SOCKS      proxies that lead to peers, whatever they are asked for
//	LOCKED, LOCKEDSOCKS  the same for ada, whose password is secret
func connectPlaces(t testing.TB, peers string) map[string]string {
	t.Helper()
	dir := shortDir(t)
	name := filepath.Join(dir, "pair")
	if err := writePair(name, time.Now()); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(name+".pem", name+"-key.pem")
	if err != nil {
		t.Fatal(err)
	}
	listen := func(network, addr string) net.Listener {
		ln, err := net.Listen(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	secure := func(ask tls.ClientAuthType) string {
		server := httptest.NewUnstartedServer(connectHandler(t))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: ask}
		server.Config.ErrorLog = log.New(t.Output(), "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	socket := filepath.Join(dir, "ws")
	server := &httptest.Server{Listener: listen("unix", socket), Config: &http.Server{Handler: connectHandler(t)}}
	server.Start()
	t.Cleanup(server.Close)
	places := map[string]string{
		"PAIR":        name,
		"TCP":         attended(t, listen("tcp", "127.0.0.1:0"), again),
		"TLS":         attended(t, tls.NewListener(listen("tcp", "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{pair}}), again),
		"UNIX":        attended(t, listen("unix", filepath.Join(dir, "lines")), again),
		"UDP":         echoUDP(t),
		"WSUNIX":      socket,
		"WSS":         secure(tls.NoClientCert),
		"MUTUAL":      secure(tls.RequireAnyClientCert),
		"PROXY":       attended(t, listen("tcp", "127.0.0.1:0"), httpProxy(peers, "")),
		"LOCKED":      attended(t, listen("tcp", "127.0.0.1:0"), httpProxy(peers, "ada:secret")),
		"SOCKS":       attended(t, listen("tcp", "127.0.0.1:0"), socksProxy(peers, "")),
		"LOCKEDSOCKS": attended(t, listen("tcp", "127.0.0.1:0"), socksProxy(peers, "ada:secret")),
	}
	_, places["WSSPORT"], _ = net.SplitHostPort(places["WSS"])
	_, places["PORT"], _ = net.SplitHostPort(peers)
	return places
}

// attending is a server of its own that does to each connection what attend does.
func attending(t testing.TB, attend func(nc net.Conn) error) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return attended(t, ln, attend)
}

// attended has each connection of ln attended to until the test ends.
func attended(t testing.TB, ln net.Listener, attend func(nc net.Conn) error) string {
	var open sync.Map
	var group sync.WaitGroup
	group.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			open.Store(nc, nil)
			group.Go(func() {
				defer open.Delete(nc)
				defer nc.Close()
				attend(nc)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		open.Range(func(nc, _ any) bool { return nc.(net.Conn).Close() == nil })
		group.Wait()
	})
	return ln.Addr().String()
}

// again says everything again, and ends its half behind that.
func again(nc net.Conn) error {
	_, err := io.Copy(nc, nc)
	return err
}

func echoUDP(t testing.TB) string {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for buf := make([]byte, 64<<10); ; {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			pc.WriteTo(buf[:n], from)
		}
	}()
	t.Cleanup(func() {
		pc.Close()
		<-ended
	})
	return pc.LocalAddr().String()
}

// joined relays to address both ways until both ends are done.
func joined(nc net.Conn, address, hello string) error {
	up, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer up.Close()
	io.WriteString(nc, hello)
	var there sync.WaitGroup
	there.Go(func() { io.Copy(up, nc); up.Close() })
	io.Copy(nc, up)
	nc.Close()
	there.Wait()
	return nil
}

// httpProxy knows CONNECT. who is user:password, or "" for anybody.
func httpProxy(address, who string) func(nc net.Conn) error {
	return func(nc net.Conn) error {
		r, err := http.ReadRequest(bufio.NewReader(nc))
		switch {
		case err != nil:
			return err
		case r.Method != http.MethodConnect:
			_, err = io.WriteString(nc, "HTTP/1.1 405 Method Not Allowed\r\n\r\n")
			return err
		case who != "" && r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(who)):
			_, err = io.WriteString(nc, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
			return err
		}
		return joined(nc, address, "HTTP/1.1 200 OK\r\n\r\n")
	}
}

// socksProxy speaks SOCKS5 (RFC 1928, RFC 1929).
func socksProxy(address, who string) func(nc net.Conn) error {
	return func(nc net.Conn) error {
		read := func(n byte) []byte {
			b := make([]byte, n)
			io.ReadFull(nc, b)
			return b
		}
		read(read(2)[1]) // the methods
		if who == "" {
			nc.Write([]byte{5, 0})
		} else {
			nc.Write([]byte{5, 2})
			user := string(read(read(2)[1]))
			if got := fmt.Sprintf("%s:%s", user, read(read(1)[0])); got != who {
				nc.Write([]byte{1, 1})
				return errors.New("it is somebody else")
			}
			nc.Write([]byte{1, 0})
		}
		switch read(4)[3] { // the kind of address
		case 1:
			read(4)
		case 3:
			read(read(1)[0])
		case 4:
			read(16)
		}
		read(2)
		return joined(nc, address, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
	}
}
