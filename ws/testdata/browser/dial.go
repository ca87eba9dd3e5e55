//go:build js

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	"github.com/tidewire/tidewire/client/callback"
	"github.com/tidewire/tidewire/ws"
)

func dial() {
	c := open("/echo?secret=1", &ws.DialOptions{Subprotocols: []string{"other", "chat"}})
	want("subprotocol", c.Subprotocol(), "chat")
	want("remote address", c.RemoteAddr().String(), base+"/echo")
	want("remote network", c.RemoteAddr().Network(), "websocket")
	want("local address", c.LocalAddr().String(), origin)
	if c.NetConn() != nil {
		fail("a NetConn")
	}
	ended(c)
	c = open("/echo", nil)
	want("subprotocol", c.Subprotocol(), "")
	ended(c)
}

func callbacks() {
	seen := make(chan string, 100)
	cl := &callback.Client{
		URL:            base + "/echo",
		OnConnected:    func(*callback.Client) { seen <- "connected" },
		OnTextMessage:  func(m string, _ *callback.Client) { seen <- m },
		OnDisconnected: func(err error, _ *callback.Client) { seen <- fmt.Sprint("disconnected ", ws.CloseStatus(err)) },
	}
	must(cl.Connect(bounded()))
	want("first", arrives("an event", seen), "connected")
	must(cl.SendText("hello"))
	want("then", arrives("an event", seen), "hello")
	cl.Close()
	want("last", arrives("an event", seen), fmt.Sprint("disconnected ", ws.StatusNormalClosure))
	cl.Wait()
}

func refusedOptions() {
	jar, err := cookiejar.New(nil)
	must(err)
	for name, o := range map[string]ws.DialOptions{
		"DialOptions.Header":             {Header: http.Header{"A": {"b"}}},
		"DialOptions.Host":               {Host: "elsewhere"},
		"DialOptions.Origin":             {Origin: "https://elsewhere"},
		"DialOptions.Jar":                {Jar: jar},
		"DialOptions.TLSConfig":          {TLSConfig: &tls.Config{}},
		"DialOptions.InsecureSkipVerify": {InsecureSkipVerify: true},
		"DialOptions.Proxy":              {Proxy: http.ProxyFromEnvironment},
		"DialOptions.NetDial":            {NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, nil }},
		"DialOptions.UnixSocket":         {UnixSocket: "/run/socket"},
		"DialOptions.MaxHeader":          {MaxHeader: 1},
		"DialOptions.FollowRedirects":    {FollowRedirects: 1},
		"DialOptions.HTTPClient":         {HTTPClient: http.DefaultClient},
		"ConnOptions.MessageTimeout":     {ConnOptions: ws.ConnOptions{MessageTimeout: 1}},
		"ConnOptions.PingInterval":       {ConnOptions: ws.ConnOptions{PingInterval: 1}},
		"ConnOptions.PingMisses":         {ConnOptions: ws.ConnOptions{PingMisses: 1}},
		"ConnOptions.ControlRate":        {ConnOptions: ws.ConnOptions{ControlRate: 1}},
		`subprotocol "a"`:                {Subprotocols: []string{"a", "a"}},
		"not a token":                    {Subprotocols: []string{"a b"}},
	} {
		c, _, err := ws.Dial(bounded(), base+"/echo", &o)
		if c != nil {
			fail("%s: a connection", name)
		}
		if strings.HasPrefix(name, "subprotocol") {
			name = "twice"
		}
		wantError(name, err, "ws: dial: ", name)
	}
	// What switches off is honoured by what does nothing.
	ended(open("/echo", &ws.DialOptions{ConnOptions: ws.ConnOptions{PingInterval: -1, MessageTimeout: -1, ControlRate: -1}}))
}

func refusedDials() {
	opened := ws.Stats().Opened
	for u, words := range map[string][]string{
		"ftp://host/":            {"scheme"},
		"ws://host/#fragment":    {"fragment"},
		"ws://user:secret@host/": {"the URL has a user"},
		base + "/nowhere":        {base + "/nowhere", "could not connect", "console"},
		"ws://127.0.0.1:1/":      {"could not connect"}, // a port that browsers block
		"ws://1.2.3.999/":        {"refuses to try"},
	} {
		_, _, err := ws.Dial(bounded(), u, nil)
		wantError(u, err, append(words, "ws: dial")...)
	}
	past, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := ws.Dial(past, base+"/echo", nil)
	want("a Dial of the past", errors.Is(err, context.Canceled), true)

	s := session{key: -1}
	_, _, err = ws.Dial(bounded(), base+"/hang?key=-1", &ws.DialOptions{HandshakeTimeout: 50 * time.Millisecond})
	wantError("a server that never answers", err, "HandshakeTimeout")
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, _, err = ws.Dial(ctx, base+"/hang?key=-1", nil)
	want("a Dial that is cancelled", errors.Is(err, context.Canceled), true)
	s.ask("release")
	want("connections opened", ws.Stats().Opened, opened)
}
