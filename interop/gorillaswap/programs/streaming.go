package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Messages as streams: written and read in pieces, with control messages between
// their frames.

func serveStreaming(s *stage) {
	upgrader := websocket.Upgrader{ReadBufferSize: 256, WriteBufferSize: 256, EnableCompression: true}
	s.listen(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			s.say("server", "upgrade: %v", err)
			return
		}
		defer c.Close()
		who := r.URL.Path
		pings := 0
		answer := c.PingHandler()
		c.SetPingHandler(func(p string) error { pings++; return answer(p) })
		if strings.HasSuffix(who, "/lines") {
			lines := bufio.NewScanner(websocket.JoinMessages(c, "\n"))
			for lines.Scan() {
				s.say(who, "line %q", lines.Text())
			}
			s.say(who, "end: %v", lines.Err())
			return
		}
		for {
			typ, in, err := c.NextReader()
			if err != nil {
				s.say(who, "read: %v, pings: %d", err, pings)
				return
			}
			out, err := c.NextWriter(typ)
			if err != nil {
				s.say(who, "writer: %v", err)
				return
			}
			if typ == websocket.TextMessage { // only the beginning; the rest is left
				in = io.LimitReader(in, 1000)
			}
			n, err := io.Copy(out, in)
			s.say(who, "%d: copied %d, %v", typ, n, err)
			if err := out.Close(); err != nil {
				s.say(who, "close: %v", err)
			}
		}
	})
}

func dialStreaming(s *stage) {
	for _, compress := range []bool{false, true} {
		base := "/plain"
		if compress {
			base = "/compressed"
		}
		d := websocket.Dialer{EnableCompression: compress, ReadBufferSize: 128, WriteBufferSize: 128}
		c, _, err := d.Dial("ws://"+s.addr+base, nil)
		if err != nil {
			s.say(base, "dial: %v", err)
			continue
		}
		c.SetReadDeadline(time.Now().Add(patience))
		streamMessages(s, base, c)
		c.Close()

		if c, _, err = d.Dial("ws://"+s.addr+base+"/lines", nil); err != nil {
			s.say(base, "dial: %v", err)
			continue
		}
		writeLines(s, base, c)
		c.Close()
	}
}

func streamMessages(s *stage, who string, c *websocket.Conn) {
	pongs := 0
	c.SetPongHandler(func(string) error { pongs++; return nil })
	for _, n := range []int{0, 5, 1000, 100_000} {
		w, err := c.NextWriter(websocket.BinaryMessage)
		if err != nil {
			s.say(who, "writer: %v", err)
			return
		}
		rest := noise(n)
		for k := 1; len(rest) > 0; k = k*2 + 1 {
			k = min(k, len(rest))
			if _, err := w.Write(rest[:k]); err != nil {
				s.say(who, "write: %v", err)
			}
			rest = rest[k:]
			if err := c.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience)); err != nil {
				s.say(who, "ping: %v", err)
			}
		}
		s.say(who, "close: %v", w.Close())
		typ, r, err := c.NextReader()
		if err != nil {
			s.say(who, "reader: %v", err)
			return
		}
		var got bytes.Buffer
		_, err = got.ReadFrom(r)
		s.say(who, "%d %s %v", typ, sum(got.Bytes()), err)
		m, err := r.Read(make([]byte, 1))
		s.say(who, "behind the end: %d %v", m, err != nil)
	}
	s.say(who, "pongs: %d", pongs)

	// Text of which the server leaves a part; a reader of which we leave one.
	for _, n := range []int{999, 5000} {
		w, err := c.NextWriter(websocket.TextMessage)
		if err != nil {
			s.say(who, "writer: %v", err)
			return
		}
		copied, err := io.Copy(w, bytes.NewReader(tide(n)))
		s.say(who, "copied: %d %v", copied, err)
		// The next message ends this one.
		s.say(who, "next: %v", c.WriteMessage(websocket.BinaryMessage, []byte("next")))
		s.say(who, "late close: %v", w.Close() != nil)
	}
	for range 2 {
		typ, r, err := c.NextReader()
		if err != nil {
			s.say(who, "reader: %v", err)
			return
		}
		some := make([]byte, 10)
		_, err = io.ReadFull(r, some)
		s.say(who, "%d %q %v", typ, some, err)
		typ, p, err := c.ReadMessage()
		s.say(who, "%d %q %v", typ, p, err)
		m, err := r.Read(some)
		s.say(who, "the reader of before: %d %v", m, err != nil)
	}
	s.say(who, "goodbye: %v", c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")))
	_, _, err := c.NextReader()
	s.say(who, "reader: %v", err)
}

func writeLines(s *stage, who string, c *websocket.Conn) {
	for _, line := range []string{"one", "", "two and ", "three"} {
		w, err := c.NextWriter(websocket.TextMessage)
		if err != nil {
			s.say(who, "writer: %v", err)
			return
		}
		_, err = io.WriteString(w, line)
		s.say(who, "%v %v", err, w.Close())
	}
	c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, "no more lines"))
	_, _, err := c.ReadMessage()
	s.say(who, "lines: %v", err)
}
