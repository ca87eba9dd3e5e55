package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// Every way for a connection to end, and what both ends are told.

// ending is one way; server and client run at the same time on a connection of
// their own.
type ending struct {
	server, client func(say func(string, ...any), c *websocket.Conn)
}

var endings = map[string]ending{
	"client says goodbye":     {readToTheEnd, goodbye(websocket.CloseNormalClosure, "bye")},
	"client goes away":        {readToTheEnd, goodbye(websocket.CloseGoingAway, "")},
	"client has its own code": {readToTheEnd, goodbye(4242, "ünï")},
	"client gives no code":    {readToTheEnd, goodbye(websocket.CloseNoStatusReceived, "ignored")},
	"server says goodbye":     {goodbye(websocket.CloseServiceRestart, "soon"), readToTheEnd},
	"client hangs up":         {readToTheEnd, hangUp},
	"server hangs up":         {hangUp, readToTheEnd},
	"message past the limit":  {limited(100), talkative},
	"limit not reached":       {limited(2000), talkative},
	"own close handler":       {ownHandler, goodbye(websocket.CloseNormalClosure, "bye")},
	"close handler fails":     {failingHandler, goodbyeAndHangUp},
	"ping handler fails":      {failingPing, pingAndReadOn},
	"data behind the goodbye": {lateData, earlyGoodbye},
	"reason read too late":    {lastWords, writeOn},
	"calls on a closed one":   {readToTheEnd, useClosed},
	"wrong messages":          {readToTheEnd, wrongMessages},
}

func serveClosing(s *stage) {
	upgrader := websocket.Upgrader{}
	s.listen(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			s.say("server", "upgrade: %v", err)
			return
		}
		defer c.Close()
		name := r.URL.Query().Get("ending")
		c.SetReadDeadline(time.Now().Add(patience))
		endings[name].server(func(f string, a ...any) { s.say(name, f, a...) }, c)
	})
}

func dialClosing(s *stage) {
	for name, e := range endings {
		u := "ws://" + s.addr + "/?ending=" + escape(name)
		c, _, err := websocket.DefaultDialer.Dial(u, nil)
		if err != nil {
			s.say(name, "dial: %v", err)
			continue
		}
		c.SetReadDeadline(time.Now().Add(patience))
		e.client(func(f string, a ...any) { s.say(name, f, a...) }, c)
		c.Close()
	}
}

func escape(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == ' ' {
			b[i] = '+'
		}
	}
	return string(b)
}

// ended describes the error that ended reading.
func ended(err error) string {
	var ne net.Error
	switch {
	case err == nil:
		return "no error"
	case errors.Is(err, net.ErrClosed):
		return "closed here"
	case errors.As(err, &ne) && ne.Timeout():
		return "timeout"
	case err == websocket.ErrReadLimit:
		return "ErrReadLimit"
	case err == websocket.ErrCloseSent:
		return "ErrCloseSent"
	}
	return err.Error()
}

func readToTheEnd(say func(string, ...any), c *websocket.Conn) {
	for {
		typ, p, err := c.ReadMessage()
		if err == nil {
			say("%d %s", typ, sum(p))
			continue
		}
		_, again, err2 := c.ReadMessage()
		say("read: %s, and again: %s %v", ended(err), ended(err2), again)
		say("normal %v, unexpected %v", websocket.IsCloseError(err, websocket.CloseNormalClosure),
			websocket.IsUnexpectedCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway))
		if ce, ok := err.(*websocket.CloseError); ok {
			say("code %d, text %q", ce.Code, ce.Text)
			if ce.Code != websocket.CloseAbnormalClosure {
				say("write: %v", c.WriteMessage(websocket.TextMessage, []byte("too late")))
			}
		}
		return
	}
}

func goodbye(code int, text string) func(func(string, ...any), *websocket.Conn) {
	return func(say func(string, ...any), c *websocket.Conn) {
		say("goodbye: %v", c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(patience)))
		say("write: %v", c.WriteMessage(websocket.TextMessage, nil))
		_, err := c.NextWriter(websocket.BinaryMessage)
		say("writer: %v", err)
		say("ping: %v", c.WriteControl(websocket.PingMessage, nil, time.Time{}))
		_, _, err = c.ReadMessage()
		say("answer: %s", ended(err))
	}
}

func goodbyeAndHangUp(say func(string, ...any), c *websocket.Conn) {
	say("goodbye: %v", c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")))
	_, _, err := c.ReadMessage()
	say("answer: %s", ended(err))
}

func hangUp(say func(string, ...any), c *websocket.Conn) {
	say("hello: %v", c.WriteMessage(websocket.TextMessage, []byte("hello, and nothing more")))
	say("close: %v", c.Close())
}

func limited(n int64) func(func(string, ...any), *websocket.Conn) {
	return func(say func(string, ...any), c *websocket.Conn) {
		c.SetReadLimit(n)
		readToTheEnd(say, c)
	}
}

func talkative(say func(string, ...any), c *websocket.Conn) {
	for _, n := range []int{10, 100, 1000} {
		if err := c.WriteMessage(websocket.TextMessage, tide(n)); err != nil {
			say("write: %s", ended(err))
		}
	}
	say("goodbye: %v", c.WriteMessage(websocket.CloseMessage, nil))
	_, _, err := c.ReadMessage()
	say("answer: %s", ended(err))
}

func ownHandler(say func(string, ...any), c *websocket.Conn) {
	answer := c.CloseHandler()
	c.SetCloseHandler(func(code int, text string) error {
		say("handler: %d %q", code, text)
		say("last words: %v", c.WriteMessage(websocket.TextMessage, []byte("last words")))
		return answer(websocket.CloseGoingAway, "not sent")
	})
	readToTheEnd(say, c)
}

func failingHandler(say func(string, ...any), c *websocket.Conn) {
	c.SetCloseHandler(func(code int, text string) error { return errors.New("the handler fails") })
	_, _, err := c.ReadMessage()
	_, _, err2 := c.ReadMessage()
	say("read: %v, and again: %v", err, err2)
	say("still open for writing: %v", c.WriteMessage(websocket.TextMessage, []byte("one more")))
}

func failingPing(say func(string, ...any), c *websocket.Conn) {
	c.SetPingHandler(func(p string) error { return errors.New("no ping: " + p) })
	_, _, err := c.ReadMessage()
	_, _, err2 := c.NextReader()
	say("read: %v, and again: %v", err, err2)
	say("write: %v", c.WriteMessage(websocket.TextMessage, []byte("still here")))
}

func pingAndReadOn(say func(string, ...any), c *websocket.Conn) {
	say("ping: %v", c.WriteControl(websocket.PingMessage, []byte("please"), time.Now().Add(patience)))
	readToTheEnd(say, c)
}

func earlyGoodbye(say func(string, ...any), c *websocket.Conn) {
	say("goodbye: %v", c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")))
	readToTheEnd(say, c)
}

func lateData(say func(string, ...any), c *websocket.Conn) {
	c.SetCloseHandler(func(int, string) error {
		for range 3 {
			say("late: %v", c.WriteMessage(websocket.BinaryMessage, noise(1000)))
		}
		return nil
	})
	_, _, err := c.ReadMessage()
	say("read: %s", ended(err))
	say("goodbye: %v", c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")))
	say("and again: %v", c.WriteMessage(websocket.CloseMessage, nil))
}

func lastWords(say func(string, ...any), c *websocket.Conn) {
	say("news: %v", c.WriteMessage(websocket.TextMessage, []byte("news")))
	say("goodbye: %v", c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, "gone")))
	c.Close()
}

// writeOn hears of the end by a write that fails, and only then reads why.
func writeOn(say func(string, ...any), c *websocket.Conn) {
	var err error
	for err == nil {
		err = c.WriteMessage(websocket.TextMessage, []byte("still there?"))
	}
	say("the same again: %v", c.WriteMessage(websocket.TextMessage, nil) == err)
	for range 2 {
		_, p, err := c.ReadMessage()
		say("read: %q, %s", p, ended(err))
	}
}

func useClosed(say func(string, ...any), c *websocket.Conn) {
	say("close: %v", c.Close())
	say("twice: %v", errors.Is(c.Close(), net.ErrClosed))
	_, _, err := c.ReadMessage()
	say("read: %s", ended(err))
	say("write: %s", ended(c.WriteMessage(websocket.TextMessage, nil)))
	say("control: %s", ended(c.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience))))
}

func wrongMessages(say func(string, ...any), c *websocket.Conn) {
	for _, typ := range []int{-1, 0, 3, 7, 11} {
		_, err := c.NextWriter(typ)
		say("type %d: %v %v %v", typ, c.WriteMessage(typ, nil) != nil, err != nil, c.WriteControl(typ, nil, time.Time{}) != nil)
	}
	say("control of text: %v", c.WriteControl(websocket.TextMessage, nil, time.Time{}) != nil)
	say("long ping: %v %v", c.WriteControl(websocket.PingMessage, tide(126), time.Time{}) != nil, c.WriteMessage(websocket.PingMessage, tide(126)) != nil)
	var ne net.Error
	err := c.WriteControl(websocket.PingMessage, nil, time.Now().Add(-time.Second))
	say("late ping: %v", errors.As(err, &ne) && ne.Timeout())
	w, err := c.NextWriter(websocket.TextMessage)
	say("writer: %v", err)
	io.WriteString(w, "fine ")
	io.WriteString(w, "after all")
	say("end: %v, twice: %v", w.Close(), w.Close() != nil)
	_, err = w.Write([]byte("late"))
	say("late: %v", err != nil)
	goodbye(websocket.CloseNormalClosure, "")(say, c)
}
