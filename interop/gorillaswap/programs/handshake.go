//lint:file-ignore SA1019 what gorilla deprecates must still work after the swap

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"

	"github.com/gorilla/websocket"
)

// What may go wrong before the first message, and what may be asked for.

func serveHandshake(s *stage) {
	strict := websocket.Upgrader{}
	picky := websocket.Upgrader{
		CheckOrigin:  func(r *http.Request) bool { return r.Header.Get("Origin") == "https://friend.example" },
		Subprotocols: []string{"v2", "v1"},
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			_, ok := reason.(websocket.HandshakeError)
			w.Header().Set("X-Handshake-Error", fmt.Sprint(ok))
			http.Error(w, "picky says no", status)
		},
	}
	s.listen(func(w http.ResponseWriter, r *http.Request) {
		var c *websocket.Conn
		var err error
		switch r.URL.Path {
		case "/strict":
			c, err = strict.Upgrade(w, r, http.Header{"Set-Cookie": {"visited=yes; Path=/"}})
		case "/picky":
			c, err = picky.Upgrade(w, r, nil)
		case "/old":
			if c, err = websocket.Upgrade(w, r, http.Header{"Sec-Websocket-Protocol": {"v1"}}, 1024, 1024); err != nil {
				http.Error(w, "old says no", http.StatusBadRequest)
			}
		case "/either":
			if !websocket.IsWebSocketUpgrade(r) {
				io.WriteString(w, "an ordinary page")
				return
			}
			c, err = strict.Upgrade(w, r, nil)
		default:
			http.NotFound(w, r)
			return
		}
		if err != nil {
			_, ok := err.(websocket.HandshakeError)
			s.say("server "+r.URL.Path, "refused: HandshakeError %v", ok)
			return
		}
		defer c.Close()
		s.say("server "+r.URL.Path, "cookie %q, asked for %q, chose %q", r.Header.Get("Cookie"), websocket.Subprotocols(r), c.Subprotocol())
		c.WriteMessage(websocket.TextMessage, []byte("welcome to "+r.URL.Path+", "+r.Host[:3]))
		c.ReadMessage()
	})
}

func dialHandshake(s *stage) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.say("client", "jar: %v", err)
	}
	plain := &websocket.Dialer{}
	for _, tc := range []struct {
		name   string
		dialer *websocket.Dialer
		url    string
		header http.Header
	}{
		{"not found", plain, "/nowhere", nil},
		{"strict", plain, "/strict", nil},
		{"strict, same origin", plain, "/strict", http.Header{"Origin": {"http://" + s.addr}}},
		{"strict, foreign origin", plain, "/strict", http.Header{"Origin": {"https://evil.example"}}},
		{"picky, no origin", plain, "/picky", nil},
		{"picky, friend", plain, "/picky", http.Header{"Origin": {"https://friend.example"}}},
		{"picky, subprotocols", &websocket.Dialer{Subprotocols: []string{"v0", "v1", "v2"}}, "/picky", http.Header{"Origin": {"https://friend.example"}}},
		{"picky, subprotocols in the header", plain, "/picky", http.Header{"Origin": {"https://friend.example"}, "Sec-Websocket-Protocol": {"v1, v0"}}},
		{"picky, none of ours", &websocket.Dialer{Subprotocols: []string{"v0"}}, "/picky", http.Header{"Origin": {"https://friend.example"}}},
		{"old, foreign origin", &websocket.Dialer{Subprotocols: []string{"v1"}}, "/old", http.Header{"Origin": {"https://evil.example"}}},
		{"either", plain, "/either", nil},
		{"own Host", plain, "/either", http.Header{"Host": {"own.example"}}},
		{"jar, first", &websocket.Dialer{Jar: jar}, "/strict", nil},
		{"jar, second", &websocket.Dialer{Jar: jar}, "/strict", nil},
		{"cookie in the header", plain, "/strict", http.Header{"Cookie": {"a=1; b=2"}}},
		{"doubled header", plain, "/strict", http.Header{"Sec-Websocket-Key": {"mine"}}},
		{"doubled subprotocol", &websocket.Dialer{Subprotocols: []string{"v1"}}, "/strict", http.Header{"Sec-Websocket-Protocol": {"v1"}}},
	} {
		c, resp, err := tc.dialer.Dial("ws://"+s.addr+tc.url, tc.header)
		if resp != nil {
			body, _ := io.ReadAll(resp.Body)
			s.say(tc.name, "%s, error header %q, body %q", resp.Status, resp.Header.Get("X-Handshake-Error"), body)
		}
		if err != nil {
			s.say(tc.name, "ErrBadHandshake: %v, a response: %v", err == websocket.ErrBadHandshake, resp != nil)
			continue
		}
		_, p, err := c.ReadMessage()
		s.say(tc.name, "%q %v, subprotocol %q", p, err, c.Subprotocol())
		s.say(tc.name, "addresses: %v %v %v", c.RemoteAddr(), c.RemoteAddr() == c.NetConn().RemoteAddr(), c.UnderlyingConn() == c.NetConn())
		c.Close()
	}
	for _, u := range []string{"http://" + s.addr, "ws://user:pass@" + s.addr, "%", "ws://127.0.0.1:0/"} {
		_, resp, err := plain.Dial(u, nil)
		s.say("urls", "%s: %v %v", u, resp, err != nil)
	}

	// Requests that are no handshakes.
	get := func(name, method, path string, header http.Header) {
		r, err := http.NewRequest(method, "http://"+s.addr+path, nil)
		if err != nil {
			s.say(name, "%v", err)
			return
		}
		r.Header = header
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			s.say(name, "%v", err)
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		s.say(name, "%s, version %q, %q", resp.Status, resp.Header.Get("Sec-Websocket-Version"), body)
	}
	good := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	get("plain GET", "GET", "/strict", http.Header{})
	get("plain GET of either", "GET", "/either", http.Header{})
	for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Version", "Sec-Websocket-Key"} {
		h := good.Clone()
		h.Del(name)
		get("without "+name, "GET", "/strict", h)
		get("without "+name+", picky", "GET", "/picky", h)
		h.Set(name, "nonsense")
		get("wrong "+name, "GET", "/strict", h)
		get("wrong "+name+", old", "GET", "/old", h)
	}
	get("POST", "POST", "/strict", good)
	get(strings.ToLower("HEAD"), "HEAD", "/strict", good)
}
