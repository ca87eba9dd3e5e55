//go:build !js

package ws_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// join copies both ways until both ends are done.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { io.Copy(a, b); a.Close() })
	both.Go(func() { io.Copy(b, a); b.Close() })
	both.Wait()
}

// connectProxy is an HTTP proxy that knows CONNECT. It connects to target
// whatever it is asked for, and notes that.
func connectProxy(t testing.TB, target string, seen chan<- *http.Request) func(nc net.Conn) {
	return func(nc net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		seen <- r
		up, err := net.Dial("tcp", target)
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(nc, "HTTP/1.1 200 Connection established\r\n\r\n")
		join(nc, up)
	}
}

func viaProxy(*http.Request) (*url.URL, error) { return url.Parse("http://me:secret@proxy.example") }

func TestDialThroughHTTPProxy(t *testing.T) {
	leakCheck(t)
	plain := acceptServer(t, nil).Listener.Addr().String()
	secureServer := &ws.Server{Accept: echoTo(nil), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate().cert}}}
	secure := serveTLS(t, secureServer)
	proxyTLS := &tls.Config{Certificates: []tls.Certificate{certificate().cert}}
	for scheme, target := range map[string]string{"ws": plain, "wss": secure} {
		for _, via := range []string{"http", "https"} {
			seen := make(chan *http.Request, 1)
			proxy := connectProxy(t, target, seen)
			addr := listen(t, func(nc net.Conn) {
				if via == "https" {
					nc = tls.Server(nc, proxyTLS)
				}
				proxy(nc)
			})
			asked := ""
			c, _, err := ws.Dial(testContext(t), scheme+"://localhost:9999/x", &ws.DialOptions{
				TLSConfig: &tls.Config{RootCAs: certificate().roots, ServerName: "localhost"},
				Proxy: func(r *http.Request) (*url.URL, error) {
					asked = r.URL.String()
					return &url.URL{Scheme: via, Host: addr, User: url.UserPassword("me", "s:cret")}, nil
				},
			})
			if err != nil {
				t.Fatalf("%s via %s: %v", scheme, via, err)
			}
			r := <-seen
			auth := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:s:cret"))
			if r.Method != "CONNECT" || r.Host != "localhost:9999" || r.RequestURI != "localhost:9999" || r.Header.Get("Proxy-Authorization") != auth {
				t.Errorf("asked the proxy for %s %s, %v", r.Method, r.RequestURI, r.Header)
			}
			if want := "http" + scheme[2:] + "://localhost:9999/x"; asked != want {
				t.Errorf("asked for a proxy to %s, want %s", asked, want)
			}
			big := randomBytes(100_000)
			mustWrite(t, c, ws.Binary, big)
			if _, p := mustRead(t, c); !bytes.Equal(p, big) {
				t.Error("the echo differs")
			}
			c.CloseNow()
		}
	}
}

func TestDialProxyFailures(t *testing.T) {
	leakCheck(t)
	for name, c := range map[string]struct {
		answer string
		want   string
	}{
		"407":       {"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 9\r\n\r\nlog in 1st", "407 Proxy Authentication Required to CONNECT: \"log in 1s"},
		"no body":   {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502 Bad Gateway"},
		"not HTTP":  {"SSH-2.0-x\r\n", "not HTTP"},
		"huge head": {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 9000), "MaxHeader"},
		"too much":  {"HTTP/1.1 200 OK\r\n\r\nhello", "hello"},
		"garbage":   {"HTTP/1.1 abc\r\n\r\n", "abc"},
		"2000":      {"HTTP/1.1 2000 OK\r\n\r\n", "2000 OK"},
		"200OK":     {"HTTP/1.1 200OK\r\n\r\n", "200OK"},
		"2xx":       {"HTTP/1.1 2xx OK\r\n\r\n", "2xx OK"},
	} {
		addr := scripted(t, func(_ *http.Request, nc net.Conn) { io.WriteString(nc, c.answer) })
		_, _, err := ws.Dial(testContext(t), "ws://example.com", &ws.DialOptions{
			Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: addr, User: url.UserPassword("me", "hunter2")})})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "proxy http://"+addr) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, p := range []string{"ftp://127.0.0.1:1", "://"} {
		_, _, err := ws.Dial(testContext(t), "ws://example.com", &ws.DialOptions{
			Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(p) }})
		if err == nil || !strings.Contains(err.Error(), "proxy") {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// socks is a SOCKS5 proxy (RFC 1928) that wants a user and password if given
// them (RFC 1929), connects to target whatever it is asked for, and notes that.
func socks(t testing.TB, nc net.Conn, user, password, target string, seen chan<- string) error {
	r := bufio.NewReader(nc)
	read := func(n int) []byte {
		b := make([]byte, n)
		io.ReadFull(r, b)
		return b
	}
	read(int(read(2)[1])) // the methods
	if user == "" {
		nc.Write([]byte{5, 0})
	} else {
		nc.Write([]byte{5, 2})
		got := string(read(int(read(2)[1])))
		got += ":" + string(read(int(read(1)[0])))
		if got != user+":"+password {
			nc.Write([]byte{1, 1})
			return fmt.Errorf("logged in as %s", got)
		}
		nc.Write([]byte{1, 0})
	}
	head := read(4)
	if head[1] != 1 || head[3] != 3 {
		return fmt.Errorf("asked with %v", head)
	}
	host := string(read(int(read(1)[0])))
	seen <- fmt.Sprintf("%s:%d", host, binary.BigEndian.Uint16(read(2)))
	up, err := net.Dial("tcp", target)
	if err != nil {
		return err
	}
	nc.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	join(nc, up)
	return nil
}

func TestDialThroughSOCKS5(t *testing.T) {
	leakCheck(t)
	target := acceptServer(t, nil).Listener.Addr().String()
	for _, c := range []struct {
		scheme string
		user   *url.Userinfo
	}{{"socks5", nil}, {"socks5h", nil}, {"socks5", url.UserPassword("me", "secret")}} {
		seen := make(chan string, 1)
		addr := listen(t, func(nc net.Conn) {
			user := ""
			if c.user != nil {
				user = "me"
			}
			if err := socks(t, nc, user, "secret", target, seen); err != nil {
				t.Error(err)
			}
		})
		conn, _, err := ws.Dial(testContext(t), "ws://far.example/x", &ws.DialOptions{
			Proxy: http.ProxyURL(&url.URL{Scheme: c.scheme, Host: addr, User: c.user})})
		if err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != "far.example:80" {
			t.Errorf("asked for %s", got)
		}
		if _, ok := conn.NetConn().(*net.TCPConn); !ok {
			t.Errorf("the stream is a %T", conn.NetConn())
		}
		mustWrite(t, conn, ws.Text, []byte("x"))
		mustRead(t, conn)
		conn.CloseNow()
	}
	addr := listen(t, func(nc net.Conn) { socks(t, nc, "me", "other", target, make(chan string, 1)) })
	_, _, err := ws.Dial(testContext(t), "ws://far.example", &ws.DialOptions{
		Proxy: http.ProxyURL(&url.URL{Scheme: "socks5", Host: addr, User: url.UserPassword("me", "hunter2")})})
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "proxy socks5://"+addr) {
		t.Errorf("a wrong password: %v", err)
	}
}

// net/http reads the environment once, so each case has a process of its own.
func TestDialProxyFromEnvironment(t *testing.T) {
	if url := os.Getenv("WS_TEST_DIAL"); url != "" {
		c, _, err := ws.Dial(testContext(t), url, &ws.DialOptions{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, c, ws.Text, []byte("through the proxy"))
		mustRead(t, c)
		c.CloseNow()
		return
	}
	leakCheck(t)
	plain := acceptServer(t, nil).Listener.Addr().String()
	secure := serveTLS(t, &ws.Server{Accept: echoTo(nil), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate().cert}}})
	for _, c := range []struct{ variable, scheme, url, target string }{
		{"HTTP_PROXY", "http", "ws://far.example/x", plain},
		{"HTTPS_PROXY", "http", "wss://far.example/x", secure},
		{"HTTP_PROXY", "socks5", "ws://far.example/x", plain},
	} {
		asked := make(chan string, 1)
		addr := listen(t, func(nc net.Conn) {
			if c.scheme == "socks5" {
				socks(t, nc, "", "", c.target, asked)
				return
			}
			seen := make(chan *http.Request, 1)
			go func() { asked <- (<-seen).RequestURI }()
			connectProxy(t, c.target, seen)(nc)
		})
		cmd := exec.Command(os.Args[0], "-test.run=^TestDialProxyFromEnvironment$", "-test.v")
		cmd.Env = []string{"WS_TEST_DIAL=" + c.url, c.variable + "=" + c.scheme + "://" + addr, "HOME=" + os.Getenv("HOME")}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", c.variable, err, out)
		}
		if got := <-asked; !strings.HasPrefix(got, "far.example:") {
			t.Errorf("%s: asked for %s", c.variable, got)
		}
	}
}
