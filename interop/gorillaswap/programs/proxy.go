//lint:file-ignore SA1019 what gorilla deprecates must still work after the swap

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A client behind an HTTP proxy that wants a password, and with dial functions of
// its own. The proxy is not anybody's library.

func serveProxy(s *stage) {
	upgrader := websocket.Upgrader{}
	s.listen(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			s.say("server", "upgrade: %v", err)
			return
		}
		defer c.Close()
		who := "server " + r.URL.Path
		s.say(who, "%s, own header %q, proxy's password %q", r.RequestURI, r.Header.Get("X-Own"), r.Header.Get("Proxy-Authorization"))
		for {
			typ, p, err := c.ReadMessage()
			if err != nil {
				s.say(who, "read: %v", err)
				return
			}
			c.WriteMessage(typ, p)
		}
	})
}

func dialProxy(s *stage) {
	proxy := newTunnel(s)
	defer proxy.close()
	address := &url.URL{Scheme: "http", Host: proxy.addr, User: url.UserPassword("me", "open sesame")}
	target := "ws://" + s.addr

	asked := 0
	through := &websocket.Dialer{Proxy: func(r *http.Request) (*url.URL, error) {
		asked++
		s.say("proxy function", "%s %s, own header %q", r.Method, r.URL, r.Header.Get("X-Own"))
		return address, nil
	}}
	talk(s, "through the proxy", through, target+"/a?b=c", http.Header{"X-Own": {"1"}})

	var networks []string
	through.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, limited := ctx.Deadline()
		networks = append(networks, network)
		s.say("dial function", "%s, the proxy: %v, limited: %v", network, addr == proxy.addr, limited)
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}
	through.HandshakeTimeout = patience
	talk(s, "own dial function", through, target+"/d", nil)
	s.say("client", "the proxy function was asked %d times, the dial function %d", asked, len(networks))

	for name, d := range map[string]*websocket.Dialer{
		"without a password": {Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: proxy.addr})},
		"no proxy there":     {Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})},
		"no such proxy":      {Proxy: http.ProxyURL(&url.URL{Scheme: "gopher", Host: proxy.addr})},
	} {
		_, resp, err := d.Dial(target, nil)
		s.say(name, "a response: %v, failed: %v", resp != nil, err != nil)
	}
	mine := errors.New("mine")
	for name, d := range map[string]*websocket.Dialer{
		"proxy function fails": {Proxy: func(*http.Request) (*url.URL, error) { return nil, mine }},
		"dial function fails":  {NetDial: func(string, string) (net.Conn, error) { return nil, mine }},
	} {
		_, _, err := d.Dial(target, nil)
		s.say(name, "its own error: %v", err == mine)
	}
	direct := &websocket.Dialer{
		NetDial: func(network, addr string) (net.Conn, error) {
			s.say("direct", "%s %s", network, addr)
			return net.Dial(network, s.addr)
		},
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	}
	talk(s, "direct", direct, "ws://far.example/e", nil)

	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.say("new client", "%v", err)
		return
	}
	u, _ := url.Parse(target + "/f")
	c, resp, err := websocket.NewClient(nc, u, http.Header{"X-Own": {"2"}}, 512, 512)
	if err != nil {
		s.say("new client", "%v %v", resp, err)
		return
	}
	s.say("new client", "%s, the same connection: %v", resp.Status, c.NetConn() == nc)
	farewell(s, "new client", c)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err = new(websocket.Dialer).DialContext(ctx, target, nil)
	s.say("cancelled", "%v", err != nil)
}

func talk(s *stage, who string, d *websocket.Dialer, url string, h http.Header) {
	c, resp, err := d.Dial(url, h)
	if err != nil {
		s.say(who, "dial: %v", err)
		return
	}
	s.say(who, "%s", resp.Status)
	for _, n := range []int{0, 1000, 100_000} {
		s.say(who, "write: %v", c.WriteMessage(websocket.BinaryMessage, noise(n)))
		typ, p, err := c.ReadMessage()
		s.say(who, "%d %s %v", typ, sum(p), err)
	}
	farewell(s, who, c)
}

func farewell(s *stage, who string, c *websocket.Conn) {
	s.say(who, "goodbye: %v", c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(patience)))
	_, _, err := c.ReadMessage()
	s.say(who, "read: %v", err)
	c.Close()
}

// tunnel is a proxy that only CONNECTs.
type tunnel struct {
	addr   string
	server *httptest.Server
	wg     sync.WaitGroup
}

func newTunnel(s *stage) *tunnel {
	t := &tunnel{}
	t.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.wg.Add(1)
		defer t.wg.Done()
		if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("me:open sesame")) {
			s.say("proxy", "%s %s refused", r.Method, r.Host)
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		s.say("proxy", "%s %s", r.Method, r.Host)
		out, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			s.say("proxy", "%v", err)
			return
		}
		io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n")
		back := make(chan struct{})
		go func() {
			io.Copy(in, out)
			in.Close()
			close(back)
		}()
		io.Copy(out, in)
		out.Close()
		<-back
	}))
	t.addr = t.server.Listener.Addr().String()
	return t
}

func (t *tunnel) close() {
	t.wg.Wait()
	t.server.Close()
}
