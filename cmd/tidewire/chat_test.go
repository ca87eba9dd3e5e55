package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// visitor is a client of the chat, as a page would be.
type visitor struct {
	t *testing.T
	c *ws.Conn
}

// visit connects to the chat in memory, without saying hello.
func visit(t *testing.T, r *chat) *visitor {
	t.Helper()
	client, server := wstest.Pair(t, &wstest.PairOptions{Server: chatOptions.ConnOptions})
	if err := server.Attach(r.newGuest()); err != nil {
		t.Fatal(err)
	}
	return &visitor{t, client}
}

func (v *visitor) send(typ string, data any) {
	v.t.Helper()
	if err := v.c.Write(context.Background(), ws.Text, encode(typ, data)); err != nil {
		v.t.Fatal(err)
	}
}

type object = map[string]any

// next is the next message.
func (v *visitor) next() (typ string, data object) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, p, err := v.c.Read(ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	var m struct {
		Type string
		Data object
	}
	if err := json.Unmarshal(p, &m); kind != ws.Text || err != nil {
		v.t.Fatalf("%q: %v", p, err)
	}
	return m.Type, m.Data
}

// want is the next message too; it must be of that type and hold these fields.
func (v *visitor) want(typ string, fields object) object {
	v.t.Helper()
	got, data := v.next()
	if got != typ {
		v.t.Fatalf("got %s %v, want %s %v", got, data, typ, fields)
	}
	for name, value := range fields {
		if !reflect.DeepEqual(data[name], value) {
			v.t.Errorf("%s: %s is %#v, want %#v", typ, name, data[name], value)
		}
	}
	return data
}

// enter says hello and waits to be welcomed.
func enter(t *testing.T, r *chat, name string) (v *visitor, id float64) {
	t.Helper()
	v = visit(t, r)
	v.send("hello", object{"name": name})
	return v, v.want("welcome", nil)["id"].(float64)
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
	synctest.Test(t, func(t *testing.T) {
		room := newChat(5 * time.Second)
		ada := visit(t, room)
		ada.send("hello", object{"name": "  Ada "})
		ada.want("welcome", object{
			"id": 1.0, "heartbeat": 5000.0, "members": []any{object{"id": 1.0, "name": "Ada"}},
		})
		grace := visit(t, room)
		grace.send("hello", object{"name": "Grace"})
		grace.want("welcome", object{
			"id": 2.0, "members": []any{object{"id": 1.0, "name": "Ada"}, object{"id": 2.0, "name": "Grace"}},
		})
		ada.want("join", object{"id": 2.0, "name": "Grace"})

		// data may be anything, a string that holds JSON included; and the sender
		// hears it too.
		const text = `<b>{"type":"say","data":"x"}</b> 🌊`
		ada.send("say", object{"text": text, "key": "k1"})
		for _, v := range []*visitor{ada, grace} {
			v.want("said", object{
				"id": 1.0, "name": "Ada", "text": text, "key": "k1", "at": float64(time.Now().UnixMilli()),
			})
		}
		grace.send("rename", object{"name": "Grace H."})
		for _, v := range []*visitor{ada, grace} {
			v.want("renamed", object{"id": 2.0, "name": "Grace H.", "was": "Grace"})
		}
		grace.c.Close(ws.StatusNormalClosure, "")
		ada.want("leave", object{"id": 2.0, "name": "Grace H."})
		// Who was there before hello is nobody, and leaves as nobody.
		visit(t, room).c.CloseNow()
		synctest.Wait()
		ada.send("say", object{"text": "alone", "key": "k2"})
		ada.want("said", object{"text": "alone"})
		// And who has left is not shown to those who come.
		next := visit(t, room)
		next.send("hello", object{"name": "Next"})
		next.want("welcome", object{
			"members": []any{object{"id": 1.0, "name": "Ada"}, object{"id": 3.0, "name": "Next"}},
		})
	})
}

// Everybody sees the same messages in the same order, whoever sends them.
func TestChatHasOneOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := newChat(time.Hour)
		visitors := make([]*visitor, 5)
		for i := range visitors {
			visitors[i], _ = enter(t, room, fmt.Sprint("guest ", i))
		}
		for i, v := range visitors {
			for range len(visitors) - 1 - i {
				v.want("join", nil)
			}
			go func() {
				for n := range burst - 1 {
					v.send("say", object{"text": "x", "key": fmt.Sprint(i, "-", n)})
				}
			}()
		}
		var first []any
		for i, v := range visitors {
			var keys []any
			for range len(visitors) * (burst - 1) {
				keys = append(keys, v.want("said", nil)["key"])
			}
			if i == 0 {
				first = keys
			}
			if !reflect.DeepEqual(keys, first) {
				t.Errorf("guest %d saw another order", i)
			}
		}
	})
}

func TestChatRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := newChat(time.Hour)
		stranger := visit(t, room)
		for _, tc := range []struct {
			typ, reason string
			data        any
		}{
			{"say", "say hello first", object{"text": "x", "key": "k"}},
			{"shout", `there is no message type "shout"`, object{"key": "k"}},
			{"", `there is no message type ""`, nil},
			{"hello", `data must be {"name": …}`, "Ada"},
			{"hello", "a name has 1 to 32 characters", object{"name": " "}},
			{"hello", "a name has 1 to 32 characters", object{"name": strings.Repeat("é", 33)}},
		} {
			stranger.send(tc.typ, tc.data)
			stranger.want("refused", object{"reason": tc.reason})
		}
		stranger.send("hello", object{"name": strings.Repeat("🌊", 32)})
		stranger.want("welcome", nil)
		for _, tc := range []struct {
			typ, reason, key string
			data             object
		}{
			{"hello", "you have said hello already", "", object{"name": "x"}},
			{"say", "a message has 1 to 2000 characters", "k1", object{"text": "", "key": "k1"}},
			{"say", "a message has 1 to 2000 characters", "k2", object{"text": strings.Repeat("é", 2001), "key": "k2"}},
			{"say", "a key has 1 to 64 bytes", "", object{"text": "x"}},
			{"say", `data must be {"text": …, "key": …}`, "k3", object{"text": 7, "key": "k3"}},
			{"rename", "a name has 1 to 32 characters", "", object{}},
		} {
			stranger.send(tc.typ, tc.data)
			stranger.want("refused", object{"reason": tc.reason, "key": tc.key})
		}
		stranger.send("say", object{"text": strings.Repeat("🌊", 2000), "key": "k"})
		stranger.want("said", nil)
	})
}

func TestChatClosesOn(t *testing.T) {
	for name, tc := range map[string]struct {
		typ  ws.MessageType
		data string
		code ws.StatusCode
	}{
		"no JSON":   {ws.Text, "hello", ws.StatusUnsupportedData},
		"an array":  {ws.Text, "[]", ws.StatusUnsupportedData},
		"binary":    {ws.Binary, `{"type":"hello","data":{"name":"x"}}`, ws.StatusUnsupportedData},
		"too large": {ws.Text, `{"type":"` + strings.Repeat("x", chatMessage) + `"}`, ws.StatusMessageTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := visit(t, newChat(time.Hour))
				v.c.Write(context.Background(), tc.typ, []byte(tc.data))
				if got := v.ended(); got != tc.code {
					t.Errorf("closed with %d, want %d", got, tc.code)
				}
			})
		})
	}
}

// Past the rate messages are refused, one by one and with a word; later they are
// taken again; and who goes on and on is sent away.
func TestChatRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := newChat(time.Hour)
		ada, _ := enter(t, room, "Ada") // the first of the burst
		say := func(n int) { ada.send("say", object{"text": "x", "key": fmt.Sprint(n)}) }
		for n := range burst - 1 {
			say(n)
			ada.want("said", object{"key": fmt.Sprint(n)})
		}
		say(100)
		ada.want("refused", object{"key": "100", "reason": "too fast: 5 messages a second are allowed"})
		time.Sleep(time.Second)
		for n := range perSecond {
			say(n)
			ada.want("said", nil)
		}
		for n := range maxRefusals - 1 {
			say(n)
			ada.want("refused", nil)
		}
		say(0)
		if got := ada.ended(); got != ws.StatusPolicyViolation {
			t.Errorf("closed with %d, want 1008", got)
		}
	})
}

func TestChatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := newChat(time.Hour)
		room.room = 2
		ada, _ := enter(t, room, "Ada")
		silent := visit(t, room) // counts too
		synctest.Wait()
		if got := visit(t, room).ended(); got != ws.StatusTryAgainLater {
			t.Errorf("closed with %d, want 1013", got)
		}
		silent.c.CloseNow()
		synctest.Wait()
		enter(t, room, "Grace")
		ada.want("join", object{"name": "Grace"})
	})
}

func TestChatHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := newChat(5 * time.Second)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); room.beat(ctx) }()
		ada, _ := enter(t, room, "Ada")
		for n := 1; n <= 3; n++ {
			start := time.Now()
			ada.want("heartbeat", object{"at": float64(time.Now().Add(5 * time.Second).UnixMilli())})
			if d := time.Since(start); d != 5*time.Second {
				t.Errorf("beat %d came after %v", n, d)
			}
		}
		stop()
		<-done
	})
}

// A guest that reads nothing holds nobody up, costs no more than its queue, and
// is closed.
func TestChatSlowGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := newChat(time.Hour)
		enter(t, room, "Slow")
		ada, _ := enter(t, room, "Ada")
		text := strings.Repeat("🌊", 2000) // 8,000 bytes
		var left bool
		for n := 0; n < 200 && !left; n++ {
			start := time.Now()
			ada.send("say", object{"text": text, "key": fmt.Sprint(n)})
			typ, data := ada.next()
			if typ == "leave" {
				left = true
				if data["name"] != "Slow" {
					t.Errorf("%v left", data)
				}
				typ, data = ada.next()
			}
			if typ != "said" || data["key"] != fmt.Sprint(n) || time.Since(start) != 0 {
				t.Fatalf("message %d came back as %s after %v", n, typ, time.Since(start))
			}
			time.Sleep(time.Second / perSecond)
		}
		if !left {
			t.Error("the slow guest is still there after 1.6 MB")
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
	v.send("hello", object{"name": "Ada"})
	v.want("welcome", nil)
}
