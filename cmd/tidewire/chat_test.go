package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// visitor is a client of the chat, as a page would be, that writes its JSON by hand.
type visitor struct {
	t *testing.T
	c *ws.Conn
}

// chatRoom is a chat that is served in memory until the test ends.
type chatRoom struct {
	t      *testing.T
	chat   *chat
	ln     *wstest.Listener
	engine *ws.Engine
}

// inMemory runs the test in a bubble, beside a chat with that heartbeat.
func inMemory(t *testing.T, heartbeat time.Duration, test func(t *testing.T, r *chatRoom)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		r := &chatRoom{t, newChat(log), wstest.Listen(), ws.NewEngine()}
		server := newServer(r.chat, log)
		server.Engine = r.engine
		ctx, stop := context.WithCancel(t.Context())
		served, told := make(chan error, 1), make(chan struct{})
		go func() { served <- server.Serve(r.ln) }()
		go func() { defer close(told); r.chat.people.run(ctx, r.chat.hub, heartbeat) }()
		t.Cleanup(func() {
			r.chat.hub.Close()
			server.Close()
			<-served
			stop()
			<-told
		})
		test(t, r)
	})
}

// visit connects to the chat.
func (r *chatRoom) visit(t *testing.T) *visitor {
	t.Helper()
	c, _, err := ws.Dial(t.Context(), "ws://chat/chat", &ws.DialOptions{
		NetDial:     r.ln.DialContext,
		ConnOptions: ws.ConnOptions{Engine: r.engine},
		Proxy:       func(*http.Request) (*url.URL, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return &visitor{t, c}
}

// enter joins the lobby, under a name.
func (r *chatRoom) enter(t *testing.T, name string) *visitor {
	t.Helper()
	v := r.visit(t)
	v.join()
	v.send(`{"type":"here","data":{"room":"room:lobby","name":%q}}`, name)
	for {
		for _, p := range v.until("people")["data"].(object)["people"].([]any) {
			if p.(object)["name"] == strings.TrimSpace(name) {
				return v
			}
		}
	}
}

func (v *visitor) join() {
	v.t.Helper()
	v.send(`{"type":"$join","id":1,"room":"room:lobby","data":{"last":100}}`)
	v.want(object{"type": "$ok", "re": 1.0})
	v.until("$live")
}

func (v *visitor) send(format string, args ...any) {
	v.t.Helper()
	if err := v.c.Write(context.Background(), ws.Text, fmt.Appendf(nil, format, args...)); err != nil {
		v.t.Fatal(err)
	}
}

type object = map[string]any

// next is the next message.
func (v *visitor) next() object {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, p, err := v.c.Read(ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	var m object
	if err := json.Unmarshal(p, &m); err != nil {
		v.t.Fatalf("%q: %v", p, err)
	}
	return m
}

// until is the next message of that type.
func (v *visitor) until(typ string) object {
	v.t.Helper()
	for {
		if m := v.next(); m["type"] == typ {
			return m
		}
	}
}

// want is the next message; it must hold these fields.
func (v *visitor) want(fields object) object {
	v.t.Helper()
	m := v.next()
	if !holds(m, fields) {
		v.t.Fatalf("got %v, want %v", m, fields)
	}
	return m
}

// holds reports whether got has everything that want has.
func holds(got, want any) bool {
	w, ok := want.(object)
	if !ok {
		return fmt.Sprint(got) == fmt.Sprint(want)
	}
	g, ok := got.(object)
	for name, value := range w {
		ok = ok && holds(g[name], value)
	}
	return ok
}

// ended reads until the connection ends and returns how.
func (v *visitor) ended() ws.StatusCode {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := v.c.Read(ctx); err != nil {
			return ws.CloseStatus(err)
		}
	}
}

func TestChat(t *testing.T) {
	inMemory(t, time.Hour, func(t *testing.T, r *chatRoom) {
		ada, grace := r.visit(t), r.visit(t)
		ada.join()
		grace.join()
		// data may be anything, a string that holds JSON included; and the sender
		// hears it too.
		const text = `<b>{"type":"chat","data":"x"}</b> 🌊`
		ada.send(`{"type":"chat","id":2,"room":"room:lobby","mid":"m1","data":{"name":"  Ada ","text":%q,"at":1,"more":2}}`, text)
		said := object{"type": "chat", "room": "room:lobby", "mid": "m1", "pos": object{"seq": 1},
			"data": object{"name": "Ada", "text": text, "at": float64(time.Now().UnixMilli())}}
		grace.want(said)
		for range 2 { // the reply, and her own message
			if m := ada.next(); m["type"] == "$ok" {
				continue
			} else if !holds(m, said) {
				t.Errorf("she heard %v", m)
			}
		}
		// Repeated, it is stored once; and it cannot be said in passing.
		ada.send(`{"type":"chat","id":3,"room":"room:lobby","mid":"m1","data":{"name":"Ada","text":"x"}}`)
		ada.want(object{"type": "$ok", "re": 3, "pos": object{"seq": 1}})
		ada.send(`{"type":"chat","room":"room:lobby","mid":"m2","volatile":true,"data":{"name":"Ada","text":"kept"}}`)
		grace.want(object{"mid": "m2", "pos": object{"seq": 2}})
		// Who comes later hears what was said.
		next := r.visit(t)
		next.send(`{"type":"$join","room":"room:lobby","data":{"last":100}}`)
		next.until("chat")
		next.want(object{"mid": "m2", "data": object{"text": "kept"}})
	})
}

func TestChatRefuses(t *testing.T) {
	inMemory(t, time.Hour, func(t *testing.T, r *chatRoom) {
		v := r.visit(t)
		v.join()
		for _, tc := range []struct{ message, code, reason string }{
			{`"type":"chat","room":"room:lobby","data":{"name":"Ada","text":""}`, "chat.text", "a message has 1 to 2000 characters"},
			{`"type":"chat","room":"room:lobby","data":{"name":"Ada","text":"` + strings.Repeat("é", 2001) + `"}`, "chat.text", ""},
			{`"type":"chat","room":"room:lobby","data":{"text":"x"}`, "chat.name", "a name has 1 to 32 characters"},
			{`"type":"chat","room":"room:lobby","data":{"name":"` + strings.Repeat("é", 33) + `","text":"x"}`, "chat.name", ""},
			{`"type":"chat","room":"room:lobby","data":"x"`, "invalid", ""},
			{`"type":"chat","room":"lobby","data":{"name":"Ada","text":"x"}`, "no-room", ""},
			{`"type":"people","room":"room:lobby","data":{"count":7,"people":[]}`, "chat.type", `guests publish messages of the type "chat" only`},
			{`"type":"here","data":{"room":"room:lobby","name":" "}`, "chat.name", ""},
			{`"type":"here","data":{"room":"room:other","name":"Ada"}`, "not-joined", ""},
			{`"type":"here","data":7`, "invalid", ""},
			{`"type":"shout","data":7`, "unknown-type", ""},
			{`"type":"$join","room":"room:*"`, "forbidden", ""},
		} {
			v.send(`{%s,"id":7}`, tc.message)
			m := v.want(object{"type": "$error", "re": 7, "data": object{"code": tc.code}})
			if got := m["data"].(object)["message"].(string); !strings.Contains(got, tc.reason) {
				t.Errorf("%.60s: %s", tc.message, got)
			}
		}
		v.send(`{"type":"chat","room":"room:lobby","data":{"name":%q,"text":%q}}`, strings.Repeat("🌊", 32), strings.Repeat("🌊", 2000))
		v.want(object{"type": "chat"})
		v.send(`{"type":%q}`, strings.Repeat("x", 16<<10))
		if got := v.ended(); got != ws.StatusMessageTooBig {
			t.Errorf("closed with %d, want 1009", got)
		}
	})
}

// Past the rate messages are refused, one by one and with a word; later they are
// taken again; and who goes on and on is sent away.
func TestChatRate(t *testing.T) {
	inMemory(t, time.Hour, func(t *testing.T, r *chatRoom) {
		ada := r.visit(t)
		say := func(id int) {
			ada.send(`{"type":"chat","id":%d,"room":"room:lobby","data":{"name":"Ada","text":"x"}}`, id)
		}
		for n := 1; n <= burst; n++ {
			say(n)
			ada.want(object{"type": "$ok", "re": n})
		}
		say(100)
		ada.want(object{"type": "$error", "re": 100, "data": object{"code": "rate", "retryable": true}})
		time.Sleep(time.Second)
		for n := 1; n <= perSecond; n++ {
			say(n)
			ada.want(object{"type": "$ok", "re": n})
		}
		for range maxRefusals - 1 {
			say(1)
			ada.want(object{"type": "$error"})
		}
		say(1)
		say(1)
		if got := ada.ended(); got != ws.StatusPolicyViolation {
			t.Errorf("closed with %d, want 1008", got)
		}
	})
}

// A guest that reads nothing holds nobody up, and is closed in the end.
func TestChatSlowGuest(t *testing.T) {
	inMemory(t, time.Hour, func(t *testing.T, r *chatRoom) {
		r.enter(t, "Slow")
		ada := r.enter(t, "Ada")
		text := strings.Repeat("🌊", 2000) // 8,000 bytes
		left := false
		for n := range 200 {
			start := time.Now()
			ada.send(`{"type":"chat","room":"room:lobby","mid":"m%d","data":{"name":"Ada","text":%q}}`, n, text)
			m := ada.next()
			for ; m["type"] == "people"; m = ada.next() {
				left = names(m) == "1 Ada;"
			}
			if m["mid"] != fmt.Sprint("m", n) {
				t.Fatalf("message %d came back as %v", n, m)
			}
			if d := time.Since(start); d != 0 {
				t.Fatalf("message %d came back after %v", n, d)
			}
			time.Sleep(time.Second / perSecond)
		}
		if !left {
			t.Error("the slow guest is still there after 40 s and 1.6 MB")
		}
	})
}

// Pages of other sites must not join under a visitor's eyes.
func TestChatChecksOrigin(t *testing.T) {
	s := serve(t)
	_, r, err := ws.Dial(t.Context(), "ws://"+s.host+"/chat", &ws.DialOptions{Header: http.Header{"Origin": {"https://elsewhere.example"}}})
	if err == nil || r == nil || r.StatusCode != http.StatusForbidden {
		t.Fatalf("a foreign page got %v, %v", r, err)
	}
	c := s.dial(t, "/chat", &ws.DialOptions{Header: http.Header{"Origin": {"http://" + s.host}}})
	v := &visitor{t, c}
	v.send(`{"type":"$hello","id":1}`)
	v.want(object{"type": "$ok", "re": 1})
}
