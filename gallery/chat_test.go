package gallery_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is said goes to all who are in the room, with what the server knows of who said it.
func TestChat(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		ada, grace := h.visit("Ada:a"), h.visit("Grace:g")
		ada.join("chat:lobby")
		ada.want(`{"type":"$live"}`)
		grace.join("chat:lobby")
		grace.want(`{"type":"$live"}`)
		// A text may be anything, and all that a guest says of itself is for nothing.
		text := `<b>{"type":"chat"}</b> "🌊` + "\u202e\x00"
		ada.send(`{"type":"chat","id":3,"room":"chat:lobby","mid":"m1","key":"k","from":"Eve","pos":{"seq":99},"data":{"text":%s,"name":"Eve","at":1,"from":"Eve","more":[2]}}`, quoted(text))
		m := grace.want(`{"type":"chat","room":"chat:lobby","mid":"m1","data":{"text":%s,"name":"Ada","at":%d}}`, quoted(text), time.Now().UnixMilli())
		from, data := m["from"].(string), m["data"].(map[string]any)
		if from == "" || from == "Eve" || len(data) != 3 {
			t.Errorf("she heard %v", m)
		}
		grace.send(`{"type":"chat","id":3,"room":"chat:lobby","mid":"m1","data":{"text":"hi"}}`) // an id of hers, not of Ada's
		grace.until("$ok")
		if m := ada.until("chat"); m["from"] != from || m["data"].(map[string]any)["name"] != "Ada" {
			ada.t.Errorf("she heard %v", m) // her own message comes back
		}
		if m := ada.until("chat"); m["from"] == from || m["data"].(map[string]any)["name"] != "Grace" {
			t.Errorf("she heard %v", m)
		}
		// Repeated, it is stored once, on the next connection and under another name, too.
		again := h.visit("Augusta:a")
		again.send(`{"type":"chat","id":4,"room":"chat:lobby","mid":"m1","data":{"text":"again"}}`)
		if pos := again.want(`{"type":"$ok","re":4}`)["pos"]; fmt.Sprint(pos) != fmt.Sprint(withEpoch(m["pos"], pos)) {
			t.Errorf("it is stored at %v, was at %v", pos, m["pos"])
		}
		// It cannot be said in passing, and rooms have nothing to do with each other.
		ada.send(`{"type":"chat","room":"chat:lobby","mid":"m2","volatile":true,"data":{"text":"kept"}}`)
		ada.send(`{"type":"chat","room":"chat:tea","data":{"text":"milk?"}}`)
		if m := ada.until("chat"); m["mid"] != "m2" || m["pos"] == nil {
			t.Errorf("she heard %v", m)
		}
		late := h.visit("Late")
		late.join("chat:lobby")
		for _, text := range []string{quoted(text), `"hi"`, `"kept"`} {
			late.want(`{"type":"chat","data":{"text":%s}}`, text)
		}
		late.want(`{"type":"$live"}`)
	})
}

// quoted is a text as JSON. (%q is Go's.)
func quoted(text string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, "\x00", `\u0000`).Replace(text) + `"`
}

// withEpoch is a position as replies have it: with its epoch and its mid.
func withEpoch(pos, reply any) any {
	whole := map[string]any{"epoch": reply.(map[string]any)["epoch"], "mid": "m1"}
	whole["seq"] = pos.(map[string]any)["seq"]
	return whole
}

func TestChatRefuses(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		v := h.visit("Ada")
		v.join("chat:lobby")
		v.until("$live")
		for _, tc := range []struct{ code, message string }{
			{"chat.text", `"type":"chat","data":{"text":""}`},
			{"chat.text", `"type":"chat","data":{"text":" \t\n"}`},
			{"chat.text", `"type":"chat","data":{"text":"` + strings.Repeat("é", 2001) + `"}`},
			{"chat.text", `"type":"chat","data":{"name":"Eve"}`},
			{"chat.text", `"type":"chat"`},
			{"invalid", `"type":"chat","data":"x"`},
			{"invalid", `"type":"chat","data":{"text":7}`},
			{"invalid", `"type":"typing","data":"x"`},
			{"guest.type", `"type":"said","data":{"text":"x"}`},
			{"guest.type", `"type":"price","data":{"text":"x"}`},
		} {
			why := v.refused(tc.code, `{%s,"id":7,"room":"chat:lobby"}`, tc.message)
			if tc.code == "guest.type" && why != "guests publish here: chat, typing" || tc.code == "chat.text" && why != "a message has 1 to 2000 characters" {
				t.Errorf("%.60s: %s", tc.message, why)
			}
		}
		v.send(`{"type":"chat","id":8,"room":"chat:lobby","data":{"text":"%s"}}`, strings.Repeat("🌊", 2000))
		v.until("chat")
	})
}

// Typing marks are for who is there, and not kept.
func TestTyping(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		ada, grace := h.visit("Ada:a"), h.visit("Grace:g")
		ada.join("chat:lobby")
		ada.want(`{"type":"$live"}`)
		grace.send(`{"type":"typing","id":3,"room":"chat:lobby","volatile":false,"data":{"name":"Ada","from":"x"}}`)
		m := ada.want(`{"type":"typing","volatile":true,"data":{"name":"Grace"}}`)
		if m["pos"] != nil || m["from"] == nil || len(m["data"].(map[string]any)) != 1 {
			t.Errorf("she heard %v", m)
		}
		grace.want(`{"type":"$ok","re":3}`)
		late := h.visit("Late")
		late.join("chat:lobby")
		late.want(`{"type":"$live"}`)
	})
}

// A room keeps its last messages, and gives them out page by page.
func TestChatHistory(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		const said = 230
		v := h.visit("Ada")
		for n := 1; n <= said; n++ {
			v.send(`{"type":"chat","id":%d,"room":"chat:lobby","data":{"text":"%d"}}`, n+10, n)
			v.want(`{"type":"$ok","re":%d}`, n+10)
			time.Sleep(20 * time.Millisecond)
		}
		before, want, pages := 1<<50, said, 0
		for more := true; more; pages++ {
			v.send(`{"type":"$history","id":9,"room":"chat:lobby","data":{"before":%d,"limit":30}}`, before)
			page := v.until("$ok")["data"].(map[string]any)
			messages := page["messages"].([]any)
			for i := range messages {
				m := messages[len(messages)-1-i].(map[string]any)
				if got := m["data"].(map[string]any)["text"]; got != fmt.Sprint(want) {
					t.Fatalf("page %d has %v, want %d", pages, got, want)
				}
				before, want = int(m["pos"].(map[string]any)["seq"].(float64)), want-1
			}
			more, _ = page["more"].(bool)
		}
		if want != said-200 || pages != 7 {
			t.Errorf("%d are left out, %d pages", want, pages)
		}
	})
}

// Everybody sees who is there. Another name is the same guest, and a connection that breaks is given time to come back.
func TestChatPresence(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		enter := func(token string) *visitor {
			v := h.visit(token)
			v.send(`{"type":"$join","id":2,"room":"chat:lobby","data":{"presence":true}}`)
			return v
		}
		ada := enter("Ada:a")
		sees := func(want ...string) {
			t.Helper()
			time.Sleep(time.Second)
			ada.send(`{"type":"$presence","id":9,"room":"chat:lobby"}`)
			names := map[string]bool{}
			for {
				m := ada.until("$ok")
				if m["re"] != 9.0 {
					continue
				}
				users := m["data"].(map[string]any)["users"].([]any)
				for _, u := range users {
					for _, s := range u.(map[string]any)["sessions"].([]any) {
						names[s.(map[string]any)["info"].(map[string]any)["name"].(string)] = true
					}
				}
				if len(users) != len(want) {
					t.Errorf("%d are there, want %q", len(users), want)
				}
				break
			}
			for _, name := range want {
				if !names[name] {
					t.Errorf("%q is not there: %v", name, names)
				}
			}
		}
		sees("Ada")
		grace := enter("Grace:g")
		stranger := enter("Zoe")
		sees("Ada", "Grace", "Zoe")
		renamed := enter("Grace%20H.:g")
		grace.c.Close(1000, "")
		sees("Ada", "Grace H.", "Zoe")
		stranger.send(`{"type":"$leave","room":"chat:lobby"}`)
		sees("Ada", "Grace H.")
		renamed.c.CloseNow()
		sees("Ada", "Grace H.")
		time.Sleep(5 * time.Second)
		sees("Ada")
	})
}

// A guest that reads nothing holds nobody up.
func TestChatSlowGuest(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		slow, ada := h.visit("Slow"), h.visit("Ada")
		slow.join("chat:lobby")
		ada.join("chat:lobby")
		synctest.Wait()
		text := strings.Repeat("🌊", 2000) // 8,000 bytes
		for n := range 200 {
			start := time.Now()
			ada.send(`{"type":"chat","room":"chat:lobby","mid":"m%d","data":{"text":%q}}`, n, text)
			if m := ada.until("chat"); m["mid"] != fmt.Sprint("m", n) {
				t.Fatalf("message %d came back as %v", n, m)
			}
			if d := time.Since(start); d != 0 {
				t.Fatalf("message %d came back after %v", n, d)
			}
			time.Sleep(50 * time.Millisecond)
		}
		// It gets all of it when it reads at last, in order.
		for n := range 200 {
			if m := slow.until("chat"); m["mid"] != fmt.Sprint("m", n) {
				t.Fatalf("got %v, want m%d", m["mid"], n)
			}
		}
	})
}
