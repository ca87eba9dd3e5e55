package console_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
)

func TestRoomsPage(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		a := o.client("ann", "room:1", "room:2", "loose:1", "loose:*")
		o.client("bob", "room:2")
		for range 60 { // two a second, of which 60 are kept
			o.hub.Room("room:1").Publish(t.Context(), "n", 1)
			time.Sleep(time.Second / 2)
			a.until("n")
		}
		p := o.visit(readKey)
		p.ask("console.rooms", `{}`, `{"found":4,"all":4,"rows":[{"name":"loose:*","history":false},{"name":"loose:1"},{"name":"room:1","members":1,"history":true},{"name":"room:2","members":2}]}`)
		p.ask("console.rooms", `{"text":"OOM","sort":"members","descending":true}`, `{"found":2,"rows":[{"name":"room:2"},{"name":"room:1"}]}`)
		p.ask("console.rooms", `{"sort":"rate","descending":true,"limit":1}`, `{"found":4,"rows":[{"name":"room:1"}]}`)
		p.ask("console.rooms", `{"sort":"name","offset":3}`, `{"found":4,"rows":[{"name":"room:2"}]}`)
		p.ask("console.rooms", `{"offset":9}`, `{"found":4,"rows":[]}`)
		got := p.ask("console.rooms", `{"sort":"horizon","limit":1}`, `{"rows":[{"name":"room:1"}]}`)
		if ms := got["rows"].([]any)[0].(map[string]any)["horizon"].(float64); ms < 25_000 || ms > 60_000 {
			t.Errorf("the horizon is %v ms", ms)
		}
	})
}

func TestSessionsPage(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		o.client("ann-lee", "room:1", "room:2")
		time.Sleep(time.Minute)
		o.client("bob", "room:2", "loose:1", "loose:2")
		o.client("")
		p := o.visit(readKey)
		p.ask("console.sessions", `{"sort":"user","descending":true}`, `{"found":3,"all":3,"rows":[{"user":"bob","rooms":3},{"user":"ann-lee","rooms":2},{"rooms":0}]}`)
		p.ask("console.sessions", `{"sort":"age","descending":true,"limit":1}`, `{"rows":[{"user":"ann-lee","age":60000,"queued":0,"waiting":0}]}`)
		p.ask("console.sessions", `{"sort":"rooms","limit":1}`, `{"rows":[{"rooms":0}]}`)
		p.ask("console.sessions", `{"text":"Loose:"}`, `{"found":1,"rows":[{"user":"bob"}]}`)
		p.ask("console.sessions", `{"text":"N-L"}`, `{"found":1,"rows":[{"user":"ann-lee"}]}`)
		p.ask("console.sessions", `{"room":"room:2","sort":"user"}`, `{"found":2,"rows":[{"user":"ann-lee"},{"user":"bob"}]}`)
		p.ask("console.sessions", `{"text":"CLIENT:"}`, `{"found":3}`) // the address
		row := p.ask("console.sessions", `{"room":"loose:1"}`, `{"found":1}`)["rows"].([]any)[0].(map[string]any)
		p.ask("console.session", fmt.Sprintf(`{"id":%q}`, row["id"]), `{"user":"bob","names":["loose:1","loose:2","room:2"]}`)
		p.ask("console.sessions", fmt.Sprintf(`{"text":%q}`, row["id"]), `{"found":1}`)
		p.ask("console.session", `{"id":"nobody"}`, `{"code":"console.gone"}`)
	})
}

// A room is shown with who is there and what was said, and what is said comes as it is published, whatever the room is called.
func TestRoomPanel(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		a := o.client("ann", "room:1", "loose:x", "loose:*")
		o.hub.Room("room:1").Publish(t.Context(), "early", strings.Repeat("ü", 2000), live.WithFrom("ann"))
		p := o.visit(readKey)
		room := p.ask("console.room", `{"room":"room:1"}`, `{"name":"room:1","members":1,"presence":{"users":1,"sessions":1,"members":[{"user":"ann","info":"{\"name\":\"<b>ann\"}"}]},
			"messages":[{"type":"early","from":"ann","size":4002}]}`)
		if data := room["messages"].([]any)[0].(map[string]any)["data"].(string); len(data) > 1024 || !strings.HasPrefix(data, `"üü`) {
			t.Errorf("data of %d bytes", len(data))
		}
		p.ask("console.room", `{"room":"loose:x"}`, `{"members":1,"presence":null,"messages":[]}`)
		p.ask("console.room", `{"room":"loose:*"}`, `{"members":1,"presence":null,"feed":null}`)
		p.ask("console.room", `{"room":"room:none"}`, `{"members":0,"messages":[],"presence":{"users":0}}`)
		p.ask("console.room", `{"room":"elsewhere"}`, `{"code":"no-room"}`)
		p.ask("console.room", `{"room":" "}`, `{"code":"invalid"}`)

		p.send(`{"type":"$join","id":3,"room":"feed:none"}`)
		p.check(p.until("$error"), `{"data":{"code":"forbidden"}}`)
		p.send(`{"type":"$join","id":3,"room":%q}`, room["feed"])
		p.until("$ok")
		a.send(`{"type":"chat","room":"room:1","data":{"n":12345678901234567}}`)
		var chat []any
		for len(chat) == 0 { // what was told of late is there already, and known by its mid
			chat = slices.DeleteFunc(p.until("batch")["data"].(map[string]any)["messages"].([]any), func(m any) bool {
				return m.(map[string]any)["mid"] == room["messages"].([]any)[0].(map[string]any)["mid"]
			})
		}
		p.check(chat, `[{"type":"chat","from":"ann","data":"{\"n\":12345678901234567}","seq":2}]`)
		for i := range 50 { // more than is shown at once
			o.hub.Room("room:1").Publish(t.Context(), "n", i, live.Volatile())
		}
		batch := p.until("batch")["data"].(map[string]any)
		p.check(batch, `{"skipped":30}`)
		if all := batch["messages"].([]any); len(all) != 20 || fmt.Sprint(all[19].(map[string]any)["data"]) != "49" {
			t.Errorf("%v", all)
		}

		// When nobody looks any more, nothing is taken.
		p.c.CloseNow()
		time.Sleep(time.Minute)
		p = o.visit(key)
		p.send(`{"type":"$join","id":3,"room":%q}`, room["feed"])
		p.check(p.until("$error"), `{"data":{"code":"forbidden"}}`)
	})
}

// Ten minutes of samples are there for who comes, and say what has happened.
func TestSamples(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		a := o.client("ann", "room:1")
		a.send(`{"type":"nothing","id":7}`)
		a.until("$error")
		time.Sleep(11 * time.Minute)
		p := o.visit(readKey)
		p.send(`{"type":"$join","id":3,"room":"samples","data":{"last":200}}`)
		for range 200 {
			p.check(p.until("sample"), `{"data":{"sessions":1,"users":1,"rooms":1,"members":1,"queue":null}}`)
		}
		p.send(`{"type":"$history","id":4,"room":"samples","data":{"before":1000000,"limit":200}}`)
		p.until("$ok")
		for range 5 {
			a.send(`{"type":"chat","room":"room:1","mid":"m%d","data":1}`, time.Now().UnixNano())
			a.until("chat")
			a.send(`{"type":"chat","room":"nowhere","id":8,"data":1}`)
			a.until("$error")
			time.Sleep(time.Second / 2)
		}
		var in, handled, delivered, queues, errors float64
		for range 5 {
			s := p.until("sample")["data"].(map[string]any)
			in += s["in"].(float64)
			if s["handler"] != nil {
				handled++
			}
			if s["delivery"] != nil {
				delivered++
			}
			if s["queue"] != nil {
				queues++
			}
			if e, ok := s["errors"].(map[string]any); ok {
				errors += e["no-room"].(float64)
			}
			synctest.Wait()
			time.Sleep(10 * time.Millisecond)
		}
		if in < 9.9 || in > 10.1 || handled == 0 || delivered == 0 || queues < 4 || errors != 5 {
			t.Errorf("in %v, handler %v, delivery %v, queue %v, errors %v", in, handled, delivered, queues, errors)
		}
		p.send(`{"type":"$join","id":3,"room":"hot"}`)
		p.check(p.until("hot"), `{"data":[{"name":"room:1","members":1}]}`)
		p.send(`{"type":"sample","id":5,"room":"samples","data":1}`)
		p.check(p.until("$error"), `{"data":{"code":"forbidden"}}`)
	})
}

func TestChanges(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		a, b := o.client("ann", "room:1", "room:2"), o.client("bob", "room:1")
		c := o.client("bob")
		p := o.visit(otherKey)
		p.ask("console.publish", `{"room":"room:1","type":"news","data":"{\"a\":[12345678901234567]}"}`, `{}`)
		a.check(a.until("news"), `{"room":"room:1","data":{"a":[12345678901234567]},"pos":{"seq":1}}`)
		p.ask("console.publish", `{"room":"room:1","type":"news","data":"1","volatile":true}`, `{}`)
		a.check(a.until("news"), `{"pos":null}`)
		for data, code := range map[string]string{
			`{"room":"room:1","type":"news","data":"{"}`:         "invalid",
			`{"room":"room:1","type":"$join","data":"1"}`:        "invalid",
			`{"room":"room:*","type":"news","data":"1"}`:         "invalid",
			`{"room":"elsewhere","type":"news","data":"1"}`:      "no-room",
			`{"room":"room:1","type":"news","data":[1]}`:         "invalid",
			`{"room":"room:1","type":"` + long + `","data":"1"}`: "too-large",
		} {
			p.ask("console.publish", data, fmt.Sprintf(`{"code":%q}`, code))
		}
		p.ask("console.remove", `{"room":"room:1","user":"ann"}`, `{}`)
		a.check(a.until("$left"), `{"room":"room:1","data":{"reason":"removed"}}`)
		p.ask("console.remove", `{"room":"room:1","user":""}`, `{"code":"invalid"}`)

		rows := p.ask("console.sessions", `{"text":"ann"}`, `{"found":1}`)["rows"].([]any)
		p.ask("console.disconnect", fmt.Sprintf(`{"session":%q,"reason":"enough"}`, rows[0].(map[string]any)["id"]), `{}`)
		if code := a.closed(); code != 4403 {
			t.Errorf("ann was closed with %d", code)
		}
		time.Sleep(time.Second)
		p.ask("console.sessions", `{"text":"ann"}`, `{"found":0}`)
		p.ask("console.disconnect", `{"user":"bob","reason":"enough"}`, `{}`)
		if b.closed() != 4403 || c.closed() != 4403 {
			t.Error("bob is still there")
		}
		p.ask("console.disconnect", `{"user":"bob","session":"x"}`, `{"code":"invalid"}`)
		p.ask("console.disconnect", `{}`, `{"code":"invalid"}`)
		p.ask("console.disconnect", `{"session":"x"}`, `{"code":"console.gone"}`)
		p.ask("console.disconnect", `{"user":"bob","reason":"`+long+`"}`, `{"code":"too-large"}`)

		log := o.log.String()
		for _, want := range []string{
			`msg="console: published" by="key 2" remote=client`, `room=room:1 type=news bytes=25 volatile=false`,
			`msg="console: removed" by="key 2"`, `room=room:1 user=ann`,
			`msg="console: disconnected" by="key 2"`, `user=bob reason=enough`, `error="console.gone`,
		} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %s:\n%s", want, log)
			}
		}
		if strings.Contains(log, key) || strings.Contains(log, otherKey) {
			t.Error("there is a key in the log")
		}
	})
}

var long = strings.Repeat("x", 200)

// What a hub does when it ends, or cannot store, is in the samples.
func TestDrainingIsShown(t *testing.T) {
	inOffice(t, nil, func(t *testing.T, o *office) {
		p := o.visit(readKey)
		p.send(`{"type":"$join","id":3,"room":"samples","data":{"last":1}}`)
		p.check(p.until("sample"), `{"data":{"draining":null}}`)
		o.hub.Close()
		time.Sleep(time.Second)
		p.until("sample")
		p.check(p.until("sample"), `{"data":{"draining":true}}`)
		go o.console.Shutdown(t.Context())
		p.until("$drain")
		if code := p.closed(); code != 1012 {
			t.Errorf("the console closed with %d", code)
		}
	})
}
