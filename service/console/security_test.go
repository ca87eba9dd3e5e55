package console_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/console"
	"github.com/tidewire/tidewire/ws"
)

// calls are all that a viewer can ask, and data that would do.
var calls = []struct{ typ, data string }{
	{"console.about", `{}`},
	{"console.rooms", `{}`},
	{"console.sessions", `{}`},
	{"console.room", `{"room":"room:1"}`},
	{"console.session", `{"id":"x"}`},
	{"console.publish", `{"room":"room:1","type":"news","data":"1"}`},
	{"console.disconnect", `{"user":"ann"}`},
	{"console.remove", `{"room":"room:1","user":"ann"}`},
}

// Whoever has no key hears that one is needed, whatever is asked.
func TestNothingAnswersWithoutAKey(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		a := o.client("ann", "room:1")
		header := http.Header{"Cookie": {"key=" + key}, "Authorization": {"Bearer " + key}} // nothing that a browser sends by itself counts
		p, _ := o.dial("/console/live", header)
		texts := []string{
			`{"type":"$join","id":5,"room":"samples","data":{"last":10}}`,
			`{"type":"$join","id":5,"room":"hot"}`,
			`{"type":"$join","id":5,"room":"feed:*"}`,
			`{"type":"$join","id":5,"room":">"}`,
			`{"type":"$history","id":5,"room":"samples","data":{"limit":10}}`,
			`{"type":"$presence","id":5,"room":"samples"}`,
			`{"type":"$refresh","id":5,"data":{"token":"` + key + `"}}`, // $hello comes first
			`{"type":"sample","id":5,"room":"samples","data":{}}`,
			`{"type":"$hello","id":5}`,
			`{"type":"console.nothing","id":5}`,
		}
		for _, call := range calls {
			texts = append(texts, fmt.Sprintf(`{"type":%q,"id":5,"data":%s}`, call.typ, call.data))
		}
		for _, text := range texts {
			p.send("%s", text)
			m := p.next()
			if e, _ := m["data"].(map[string]any); m["type"] != "$error" || e["code"] != "unauthorized" {
				t.Errorf("%s: %v", text, m)
			}
		}
		p.send(`{"type":"$hello","id":6,"data":{"token":%q}}`, key) // it was said before
		p.check(p.next(), `{"type":"$error"}`)
		p.send(`{"type":"console.about","id":5,"data":{}}`)
		p.check(p.next(), `{"type":"$error","data":{"code":"unauthorized"}}`)
		if code := p.closed(); code != 4401 { // in time
			t.Errorf("closed with %d", code)
		}
		a.send(`{"type":"n","room":"room:1","data":1}`)
		if m := a.until("n", "news", "$left"); !holds(m, map[string]any{"type": "n", "pos": map[string]any{"seq": 1}}) {
			t.Errorf("somebody without a key did something: %v", m)
		}
	})
}

// Five wrong keys, and then one every ten seconds. Meanwhile not even the right one is compared.
func TestWrongKeys(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		try := func(key string) string {
			p, _ := o.dial("/console/live", nil)
			defer p.c.CloseNow()
			p.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, key)
			m := p.next()
			e, _ := m["data"].(map[string]any)
			return fmt.Sprint(m["type"], " ", e["code"])
		}
		for i, wrong := range []string{key + "x", key[1:], "x", readKey + key, "key-1"} {
			if got := try(wrong); got != "$error unauthorized" {
				t.Fatalf("wrong key %d: %s", i, got)
			}
		}
		for range 3 {
			if got := try(key); got != "$error rate" {
				t.Fatalf("after five: %s", got)
			}
		}
		time.Sleep(11 * time.Second)
		if got := try(key); !strings.HasPrefix(got, "$ok") {
			t.Fatalf("ten seconds later: %s", got)
		}
		if try("wrong") != "$error unauthorized" || try("wrong") != "$error rate" {
			t.Error("more than one is forgiven")
		}
		time.Sleep(2 * time.Minute)
		for range 20 { // right keys cost nothing
			o.visit(key).c.CloseNow()
		}
		log := o.log.String()
		if n := strings.Count(log, `msg="console: a wrong key"`); n != 6 || strings.Contains(log, key[1:]) {
			t.Errorf("%d wrong keys are in the log:\n%s", n, log)
		}
		p := o.visit(readKey) // who is in cannot become somebody else
		p.send(`{"type":"$refresh","id":5,"data":{"token":%q}}`, key)
		p.check(p.until("$error"), `{"data":{"code":"forbidden"}}`)
		p.send(`{"type":"$refresh","id":5,"data":{"token":%q}}`, readKey)
		p.until("$ok")
	})
}

// Behind a proxy one who tries keys does not lock all out, and it is he whom the log names.
func TestWrongKeysBehindAProxy(t *testing.T) {
	change := func(c *console.Options) { c.Address = saidAddress }
	inOffice(t, change, func(t *testing.T, o *office) {
		try := func(client, key string) *peer {
			p, _ := o.dial("/console/live", http.Header{"X-Client": {client}})
			p.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, key)
			return p
		}
		for range 6 {
			p := try("192.0.2.66", "guess")
			p.until("$error")
			p.c.CloseNow()
		}
		p := try("192.0.2.66", key)
		p.check(p.next(), `{"type":"$error","data":{"code":"rate"}}`)
		p = try("192.0.2.7", key)
		p.until("$ok")
		p.send(`{"type":"console.publish","id":2,"data":{"room":"room:1","type":"news","data":"1"}}`)
		p.until("$ok")
		for _, want := range []string{`msg="console: a wrong key" remote=`, "address=192.0.2.66\n", "address=192.0.2.7 "} {
			if log := o.log.String(); !strings.Contains(log, want) {
				t.Errorf("%q is not in the log:\n%s", want, log)
			}
		}
	})
}

// Sessions are shown with where they come from, and who says so.
func TestPlaces(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		for _, client := range []string{"", "192.0.2.66", "2001:db8::"} {
			p, _ := o.dial("/live", http.Header{"X-Client": {client}})
			p.send(`{"type":"$hello","id":1,"data":{"token":"ann"}}`)
			p.until("$ok")
		}
		p := o.visit(readKey)
		p.send(`{"type":"console.sessions","id":2,"data":{}}`)
		text, _ := json.Marshal(p.until("$ok"))
		for _, want := range []string{`"address":"192.0.2.66 by `, `"address":"2001:db8:: by `, `"address":"client:`} {
			if !strings.Contains(string(text), want) {
				t.Errorf("no %s in %s", want, text)
			}
		}
	})
}

// Pages of other origins stay outside.
func TestOrigin(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		for origin, want := range map[string]int{"http://office": 101, "http://evil.example": 403, "http://office.evil.example": 403, "null": 403} {
			if _, status := o.dial("/console/live", http.Header{"Origin": {origin}}); status != want {
				t.Errorf("%s: %d, want %d", origin, status, want)
			}
		}
	})
}

// The same holds behind net/http.
func TestHandler(t *testing.T) {
	hub := live.NewHub(nil)
	c, err := console.New(console.Options{Hub: hub, Keys: []string{key}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c)
	t.Cleanup(func() { hub.Close(); c.Close(); server.Close() })
	for origin, want := range map[string]int{"": 101, server.URL: 101, "http://evil.example": 403} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, r, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), &ws.DialOptions{Header: header})
		if r == nil || r.StatusCode != want {
			t.Fatalf("%q: %v, want %d", origin, err, want)
		}
		if want != 101 {
			continue
		}
		p := &peer{t, conn}
		p.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, key)
		p.want(`{"type":"$ok","data":{"user":"key 1"}}`)
		conn.CloseNow()
	}
}

// A read key looks, and changes nothing.
func TestReadKey(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		a := o.client("ann", "room:1")
		p := o.visit(readKey)
		for _, call := range calls {
			p.send(`{"type":%q,"id":5,"data":%s}`, call.typ, call.data)
			m := p.until("$ok", "$error")
			e, _ := m["data"].(map[string]any)
			switch call.typ {
			case "console.publish", "console.disconnect", "console.remove":
				if m["type"] != "$error" || e["code"] != "forbidden" {
					t.Errorf("%s: %v", call.typ, m)
				}
			default:
				if e["code"] == "forbidden" {
					t.Errorf("%s: %v", call.typ, m)
				}
			}
		}
		a.send(`{"type":"n","room":"room:1","data":1}`)
		if m := a.until("n", "news", "$left"); !holds(m, map[string]any{"type": "n", "pos": map[string]any{"seq": 1}}) {
			t.Errorf("a read key did something: %v", m)
		}
		if !strings.Contains(o.log.String(), `a read key was refused a change" by="read key 1"`) {
			t.Error(o.log.String())
		}
	})
}

// What a viewer asks is bounded.
func TestBounds(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		p := o.visit(readKey)
		p.ask("console.rooms", `{"limit":101}`, `{"code":"invalid"}`)
		p.ask("console.rooms", `{"offset":-1}`, `{"code":"invalid"}`)
		p.ask("console.rooms", `{"sort":"secret"}`, `{"code":"invalid"}`)
		p.ask("console.sessions", `{"text":"`+long+`"}`, `{"code":"too-large"}`)
		p.ask("console.sessions", `{"room":"`+long+`"}`, `{"code":"too-large"}`)
		time.Sleep(10 * time.Second)
		refused := 0
		for range 100 {
			p.send(`{"type":"console.rooms","id":9,"data":{}}`)
			if m := p.until("$ok", "$error"); m["type"] == "$error" {
				refused++
			}
		}
		if refused < 15 || refused > 25 {
			t.Errorf("of a hundred at once %d were refused", refused)
		}
		time.Sleep(10 * time.Second)
		for i := range 64 {
			p.ask("console.room", fmt.Sprintf(`{"room":"room:%d"}`, i), `{"code":null}`)
		}
		p.ask("console.room", `{"room":"room:64"}`, `{"code":"limit"}`)
		var all []*peer
		for range 31 {
			all = append(all, o.visit(readKey))
		}
		q, _ := o.dial("/console/live", nil)
		q.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, readKey)
		q.want(`{"type":"$error","data":{"code":"limit"}}`)
		for range 31 {
			all = append(all, o.visit(key))
		}
		if _, status := o.dial("/console/live", nil); status != 503 || len(all) != 62 {
			t.Errorf("one more viewer: %d", status)
		}
	})
}

func TestOptions(t *testing.T) {
	hub := live.NewHub(nil)
	defer hub.Close()
	for want, o := range map[string]console.Options{
		"no Hub":           {Keys: []string{key}},
		"no key":           {Hub: hub},
		"key 2 has 5":      {Hub: hub, Keys: []string{key, "short"}},
		"read key 1 has 0": {Hub: hub, ReadKeys: []string{""}},
		"printable":        {Hub: hub, Keys: []string{"a key with spaces, and ü"}},
		"twice":            {Hub: hub, Keys: []string{key}, ReadKeys: []string{key}},
	} {
		c, err := console.New(o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "spaces") {
			t.Errorf("%v, want %s", err, want)
		}
		if c != nil {
			t.Error("there is a Console")
		}
	}
	c, err := console.New(console.Options{Hub: hub, Keys: []string{key}, Logger: slog.New(slog.DiscardHandler), Accept: ws.AcceptOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
