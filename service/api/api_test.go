package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/service/api"
)

func TestPublish(t *testing.T) {
	d := open(t)
	_, came := d.join("ann", "room:7")
	first := d.want(200, "POST", "/api/publish", `{"room":"room:7","type":"n","data":{"a":[1,"ü"]},"mid":"m1","from":"bob"}`, `{"room":"room:7","pos":{"mid":"m1"}}`)
	if got := <-came; got != "map[a:[1 ü]] bob" {
		t.Error(got)
	}
	if again := d.want(200, "POST", "/api/publish", `{"room":"room:7","type":"n","data":0,"mid":"m1"}`, `{}`); !reflect.DeepEqual(again, first) {
		t.Errorf("a repetition: %v, and before %v", again, first)
	}
	d.want(200, "POST", "/api/publish", `{"room":"loose:1","type":"n"}`, `{"room":"loose:1"}`)
	d.want(200, "POST", "/api/publish", `{"messages":[
		{"room":"room:7","type":"n","data":1,"mid":"m2"},
		{"room":"room:8","type":"$ok","data":1},
		{"room":"room:7","type":"n","data":2,"mid":"m3"},
		{"room":"room:8","type":"n","data":1},
		{"room":"nowhere","type":"n","data":1}]}`,
		`{"results":[{"room":"room:7","pos":{"mid":"m2"}},{"error":{"code":"invalid"}},{"pos":{"mid":"m3"}},{"error":{"code":"aborted"}},{"error":{"code":"no-room"}}]}`)
	for _, want := range []string{"1 ", "2 "} {
		if got := <-came; got != want {
			t.Errorf("%q came, want %q", got, want)
		}
	}
	d.want(200, "GET", "/api/history?room=room:7&limit=2", "", `{"more":true,"head":{"mid":"m3"},"messages":[{"type":"n","data":1,"pos":{"mid":"m2"}},{"data":2}]}`)
	d.want(200, "GET", "/api/history?room=room:7&limit=2&before=2", "", `{"more":false,"messages":[{"from":"bob","data":{"a":[1,"ü"]}}]}`)
	d.want(200, "GET", "/api/history?room=room:9", "", `{"more":false,"messages":[]}`)
}

// An answer has 4 MiB of messages at most, so that many who ask at once do not take all memory; what is before is asked for.
func TestHistoryOfLargeMessages(t *testing.T) {
	d := open(t)
	for i := range 10 {
		d.want(200, "POST", "/api/publish", fmt.Sprintf(`{"room":"room:7","type":"n%d","data":%q}`, i, strings.Repeat("x", 500<<10)), `{}`)
	}
	types := func(query string) (all string, more any) {
		answer := d.want(200, "GET", "/api/history?room=room:7"+query, "", `{}`)
		for _, m := range answer["messages"].([]any) {
			all += m.(map[string]any)["type"].(string)
		}
		return all, answer["more"]
	}
	if all, more := types(""); all != "n2n3n4n5n6n7n8n9" || more != true {
		t.Error(all, more)
	}
	if all, more := types("&before=3"); all != "n0n1" || more != false {
		t.Error(all, more)
	}
}

func TestBroadcast(t *testing.T) {
	d := open(t)
	c, came := d.join("ann", "room:7")
	mail := make(chan any, 1)
	client.On(c, "n", func(_ context.Context, data any) { mail <- data })
	d.want(200, "POST", "/api/broadcast", `{"rooms":["room:7","nowhere"],"users":["ann"],"type":"n","data":"x","mid":"m1"}`,
		`{"results":[{"room":"room:7","pos":{"mid":"m1"}},{"room":"nowhere","error":{"code":"no-room"}},{"user":"ann"}]}`)
	if got := <-came; got != "x " {
		t.Error(got)
	}
	if got := <-mail; got != "x" {
		t.Error(got)
	}
}

func TestRoomsAndPresence(t *testing.T) {
	d := open(t)
	ann, _ := d.join("ann", "room:7")
	d.join("bob", "room:7")
	d.join("bob", "room:8")
	d.want(200, "GET", "/api/rooms", "", `{"more":false,"rooms":[{"name":"room:7","members":2},{"name":"room:8","members":1}]}`)
	d.want(200, "GET", "/api/rooms?limit=1", "", `{"more":true,"rooms":[{"name":"room:7"}]}`)
	d.want(200, "GET", "/api/rooms?after=room:7", "", `{"more":false,"rooms":[{"name":"room:8"}]}`)
	d.want(200, "GET", "/api/rooms?prefix=loose", "", `{"more":false,"rooms":[]}`)
	d.want(200, "GET", "/api/presence?room=room:7", "", `{"users":2,"sessions":2,"members":[{"user":"ann","info":{"name":"ANN"}},{"user":"bob"}]}`)
	d.want(200, "GET", "/api/presence?room=room:9", "", `{"users":0,"sessions":0}`)
	d.want(200, "POST", "/api/disconnect", `{"user":"ann","reason":"enough"}`, `{}`)
	<-ann.Done()
	d.want(200, "POST", "/api/disconnect", `{"user":"bob","room":"room:8"}`, `{}`)
}

// What is wrong is said in one way, with the status that HTTP has for it.
func TestRefusals(t *testing.T) {
	d := open(t)
	long := strings.Repeat("x", 5<<20)
	for _, tc := range []struct {
		status             int
		method, path, body string
		code               string
	}{
		{400, "POST", "/api/publish", ``, "invalid"},
		{400, "POST", "/api/publish", `{`, "invalid"},
		{400, "POST", "/api/publish", `[]`, "invalid"},
		{400, "POST", "/api/publish", `{} {}`, "invalid"},
		{400, "POST", "/api/publish", `{"rooom":"room:7"}`, "invalid"},
		{400, "POST", "/api/publish", `{"room":"room:7"}`, "invalid"},
		{400, "POST", "/api/publish", `{"room":"room:7","type":"$join"}`, "invalid"},
		{400, "POST", "/api/publish", `{"room":"room:*","type":"n"}`, "invalid"},
		{400, "POST", "/api/publish", `{"room":"room:7","type":"n","messages":[{"room":"room:7","type":"n"}]}`, "invalid"},
		{404, "POST", "/api/publish", `{"room":"nowhere","type":"n"}`, "no-room"},
		{413, "POST", "/api/publish", `{"room":"room:7","type":"n","data":"` + long + `"}`, "too-large"},
		{413, "POST", "/api/publish", `{"messages":[` + strings.Repeat(`{},`, 1000) + `{}]}`, "too-large"},
		{400, "POST", "/api/broadcast", `{"type":"n"}`, "invalid"},
		{400, "POST", "/api/broadcast", `{"rooms":["room:7"],"room":"room:7","type":"n"}`, "invalid"},
		{400, "POST", "/api/disconnect", `{}`, "invalid"},
		{400, "POST", "/api/disconnect", `{"user":"ann","reason":"` + long[:200] + `"}`, "invalid"},
		{400, "GET", "/api/rooms?limit=1001", "", "invalid"},
		{400, "GET", "/api/rooms?limit=-1", "", "invalid"},
		{400, "GET", "/api/rooms?limit=1&limit=2", "", "invalid"},
		{400, "GET", "/api/history?room=room:7&key=" + key, "", "invalid"},
		{400, "GET", "/api/history?room=%zz", "", "invalid"},
		{413, "POST", "/api/disconnect", `{"user":"` + long[:129] + `"}`, "too-large"},
		{413, "GET", "/api/history?room=" + long[:129], "", "too-large"},
		{413, "GET", "/api/presence?room=" + long[:129], "", "too-large"},
		{422, "GET", "/api/history?room=loose:1", "", "unsupported"},
		{422, "GET", "/api/presence?room=loose:1", "", "unsupported"},
		{404, "GET", "/api/presence?room=nowhere", "", "no-room"},
		{404, "GET", "/api/nothing", "", "unsupported"},
		{405, "GET", "/api/publish", "", "unsupported"},
		{405, "DELETE", "/api/rooms", "", "unsupported"},
	} {
		d.want(tc.status, tc.method, tc.path, tc.body, fmt.Sprintf(`{"error":{"code":%q}}`, tc.code))
	}
	if code, _, text := d.ask("POST", "/api/publish", `{"room":"room:7","type":"n"}`, "Content-Type", "text/plain"); code != 400 {
		t.Errorf("a form of another site: %d %s", code, text)
	}
}

// Nothing is said to who has no key: not what there is, and not in which way the key was wrong.
func TestKeys(t *testing.T) {
	d := open(t)
	said := ""
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer " + key[:15], "Bearer " + key + "x", "Basic " + key, key, "Bearer  " + key, "Bearer " + key + " "} {
		for _, at := range []string{"POST /api/publish", "POST /api/broadcast", "POST /api/disconnect", "GET /api/rooms", "GET /api/presence", "GET /api/history",
			"GET /api/openapi.yaml", "GET /api/nothing", "OPTIONS /api/publish", "GET /api/"} {
			method, path, _ := strings.Cut(at, " ")
			r := httptest.NewRequest(method, path, nil)
			r.Header["Authorization"] = []string{header}
			w := httptest.NewRecorder()
			h, err := api.New(d.hub, key, oldKey)
			if err != nil {
				t.Fatal(err)
			}
			h.ServeHTTP(w, r)
			described().check(r, nil, w.Code, w.Header(), w.Body.Bytes())
			if said == "" {
				said = w.Body.String()
			}
			if w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Bearer" || w.Body.String() != said || w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%q, %s: %d %v %s", header, at, w.Code, w.Header(), w.Body)
			}
		}
	}
	if code, _, _ := d.ask("GET", "/api/rooms", "", "Authorization", "bearer "+oldKey); code != 200 {
		t.Errorf("the second key: %d", code)
	}
	for _, keys := range [][]string{{}, {""}, {key, key[:15]}} {
		if _, err := api.New(d.hub, keys...); err == nil || strings.Contains(err.Error(), key[:15]) {
			t.Errorf("keys %d: %v", len(keys), err)
		}
	}
}

// A body that breaks off publishes nothing.
func TestBodyBreaksOff(t *testing.T) {
	d := open(t)
	h, err := api.New(d.hub, key)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/api/publish", io.MultiReader(strings.NewReader(`{"room":"room:7","type":"n"`), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	described().check(r, []byte(`{"room":"room:7","type":"n"`), w.Code, w.Header(), w.Body.Bytes())
	if w.Code != 400 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	d.want(200, "GET", "/api/history?room=room:7", "", `{"messages":[]}`)
}
