package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/api"
)

// paths are those that the API has.
var paths = []string{"publish", "broadcast", "disconnect", "rooms", "presence", "history", "openapi.yaml"}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "get", "PROPFIND", "QUERY"}

// spell returns the ways to write a path that somebody before or behind the API may take for it.
func spell(name string) []string {
	return []string{
		"/api/" + name, "//api/" + name, "/api//" + name, "/api/x/../" + name, "/x/../api/" + name, "/api/./" + name, "/api/" + name + "/",
		"/API/" + name, "/api/" + strings.ToUpper(name), "/api/%2e%2e/api/" + name, "/api/%2e/" + name, "/api%2f" + name, "/%61pi/" + name,
		"/api/" + fmt.Sprintf("%%%02x", name[0]) + name[1:], "/api/" + name + "%00", "/api/" + name + ";x=1", "/api/" + name + "%20", "/api/" + name + ".json",
		"/api/" + name + "%2f", "/api/" + name + "%3f", "/api\\" + name, "http://here/api/" + name + "?room=room:7", "http://other/api/../api/" + name, "/", "*",
	}
}

// raw sends a request as it is written here, and returns the answer.
func raw(t *testing.T, addr, method, target, more string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\n%s\r\n", method, target, more)
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	resp.Body.Close()
	return resp
}

// Nobody gets an answer without a key, however the path is written and whatever is asked; and who has one gets it at the path
// as it is written here, and at no other.
func TestPathsAndMethods(t *testing.T) {
	hub := live.NewHub(nil)
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 10, Presence: true})
	h, err := api.New(hub, key)
	if err != nil {
		t.Fatal(err)
	}
	behind := http.NewServeMux()
	behind.Handle("/api/", h)
	alone, mounted := httptest.NewServer(h), httptest.NewServer(behind)
	t.Cleanup(func() {
		alone.Close()
		mounted.Close()
		hub.Close()
	})
	addr, muxed := alone.Listener.Addr().String(), mounted.Listener.Addr().String()
	for _, name := range paths {
		for _, target := range spell(name) {
			for _, method := range methods {
				target := target
				if method == "CONNECT" {
					target = strings.TrimPrefix(target, "http:/")
				}
				resp := raw(t, addr, method, target, "Origin: https://elsewhere.example\r\n")
				// A target that is none ends in the server, and OPTIONS * is the server's own.
				if s := resp.StatusCode; s != 401 && s != 400 && (method != "OPTIONS" || target != "*") {
					t.Errorf("%s %s without a key: %d", method, target, s)
				}
				// A mux before it sends odd paths elsewhere by itself, to where a key is needed too.
				if s := raw(t, muxed, method, target, "").StatusCode; s == 200 && target != "*" || s == 422 || s == 405 {
					t.Errorf("%s %s without a key, behind a mux: %d", method, target, s)
				}
				for header := range resp.Header {
					if strings.HasPrefix(header, "Access-Control-") {
						t.Errorf("%s %s: %s", method, target, header)
					}
				}
			}
			resp := raw(t, addr, "GET", target, "Authorization: Bearer "+key+"\r\n")
			exact := target == "/api/"+name || target == "http://here/api/"+name+"?room=room:7"
			if exact == (resp.StatusCode == 404) || !exact && resp.StatusCode != 404 && resp.StatusCode != 400 {
				t.Errorf("GET %s: %d", target, resp.StatusCode)
			}
		}
		allowed := 0
		for _, method := range methods {
			resp := raw(t, addr, method, "/api/"+name+"?x=1", "Authorization: Bearer "+key+"\r\nContent-Type: application/json\r\n")
			allow := ", " + resp.Header.Get("Allow") + ","
			if resp.StatusCode != 405 {
				allowed++
			} else if allow == ", ," || strings.Contains(allow, ", "+method+",") {
				t.Errorf("%s %s: %d, and allowed are %s", method, name, resp.StatusCode, allow)
			}
		}
		if allowed != 1 && allowed != 2 { // POST, or GET and HEAD
			t.Errorf("%s: %d methods", name, allowed)
		}
	}
}

// A page of another site can have a browser send neither a form that is taken, nor anything that needs to be asked for first.
func TestBrowsers(t *testing.T) {
	d := open(t)
	body := `{"room":"room:7","type":"n"}`
	for _, typ := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; application/json",
		"application/json, text/plain", "application/jsonp", "application/json; charset=utf-16", "application/json; charset=utf-8; charset=utf-7"} {
		if code, _, text := d.ask("POST", "/api/publish", body, "Content-Type", typ); code != 400 {
			t.Errorf("%q: %d %s", typ, code, text)
		}
	}
	for _, more := range []string{"", "Authorization: Bearer " + key + "\r\n"} {
		resp := raw(t, strings.TrimPrefix(d.url, "http://"), "OPTIONS", "/api/publish", more+
			"Origin: https://elsewhere.example\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type\r\n")
		if resp.StatusCode/100 != 4 {
			t.Errorf("a preflight: %d", resp.StatusCode)
		}
	}
	_, header, _ := d.ask("GET", "/api/rooms", "", "Origin", "https://elsewhere.example")
	for name := range header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
			t.Error(name)
		}
	}
	if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Cache-Control") != "no-store" {
		t.Error(header)
	}
	d.want(200, "GET", "/api/history?room=room:7", "", `{"messages":[]}`)
}

// Two keys in one request are none: who is before the API may look at the other one.
func TestOneKeyHeader(t *testing.T) {
	d := open(t)
	good := "Authorization: Bearer " + key + "\r\n"
	for _, more := range []string{good + good, good + "Authorization: Bearer x\r\n", "Authorization: Bearer x\r\n" + good, "Authorization: Bearer " + key + ",Bearer x\r\n"} {
		if resp := raw(t, strings.TrimPrefix(d.url, "http://"), "GET", "/api/rooms", more); resp.StatusCode != 401 {
			t.Errorf("%q: %d", more, resp.StatusCode)
		}
	}
	for _, bad := range []string{key + "\n", " " + key, key + "\x00", key + "é"} {
		if _, err := api.New(d.hub, bad); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("a key that no header can bring: %v", err)
		}
	}
}

// What is in a name comes out neither in a header nor, as a line of its own, in an answer.
func TestInjection(t *testing.T) {
	d := open(t)
	for _, evil := range []string{`a\r\nSet-Cookie: x=1`, `a\nlevel=ERROR`, `a\u0000`, `a\u0085b`, `a\u2028b`, `\ud800`, `a\u202eb`, `\u001b[2J`} {
		for _, tc := range []struct{ path, body string }{
			{"publish", `{"room":"room:%s","type":"n"}`},
			{"publish", `{"room":"room:7","type":"n%s"}`},
			{"publish", `{"room":"room:7","type":"n","mid":"%s"}`},
			{"publish", `{"room":"room:7","type":"n","key":"%s"}`},
			{"publish", `{"room":"room:7","type":"n","from":"%s"}`},
			{"disconnect", `{"user":"ann","reason":"%s"}`},
			{"disconnect", `{"user":"%s"}`},
			{"disconnect", `{"user":"ann","room":"room:%s"}`},
		} {
			body := fmt.Sprintf(tc.body, evil)
			code, header, text := d.ask("POST", "/api/"+tc.path, body)
			if code != 400 || len(header["Set-Cookie"]) > 0 || strings.Count(text, "\n") != 1 || strings.ContainsAny(text, "\r\x00\x1b\u0085\u2028\u202e") {
				t.Errorf("%s: %d %q", body, code, text)
			}
		}
	}
	d.want(200, "POST", "/api/broadcast", `{"users":["a\r\nb","ann",""],"rooms":["room:\n"],"type":"n"}`,
		`{"results":[{"error":{"code":"invalid"}},{"error":{"code":"invalid"}},{"user":"ann"},{"error":{"code":"invalid"}}]}`)
	d.want(400, "POST", "/api/broadcast", `{"users":["ann"],"type":"$drain"}`, `{"error":{"code":"invalid"}}`)
	d.want(400, "POST", "/api/disconnect", `{"user":"ann","room":"room:7","reason":"x"}`, `{"error":{"code":"invalid"}}`)
	d.want(200, "GET", "/api/history?room=room:7", "", `{"messages":[]}`)
}

// Parameters are taken as two readers would take them, or not at all.
func TestParameters(t *testing.T) {
	d := open(t)
	for _, query := range []string{
		"history?room=room:7&room=room:8", "history?room=room:7&Room=room:8", "history?room=room:7;limit=1", "history?room=room%00", "history?room=room:%ff",
		"history?room=room:7%0d%0aX:1", "history?room=room:*", "history?room=", "history", "history?room=room:7&limit=", "history?room=room:7&limit=1e1",
		"history?room=room:7&limit=0x10", "history?room=room:7&limit=%2b1", "history?room=room:7&limit=201", "history?room=room:7&before=-1",
		"history?room=room:7&before=99999999999999999999", "history?room=room:7&before=9007199254740992", "history?room=room:%", "history?room[]=room:7",
		"history?room=room:7&=", "presence?room=room:7&room=room:7", "presence?room=room:>", "presence?room=%2a", "presence?room=room:7%20",
		"rooms?limit=0", "rooms?prefix=a&prefix=b", "rooms?prefix=%ff", "rooms?after=%00", "openapi.yaml?x=1",
	} {
		code, _, text := d.ask("GET", "/api/"+query, "")
		if code != 400 && (code != 422 || !strings.ContainsAny(query, "*>")) && (code != 404 || !strings.HasPrefix(query, "presence")) {
			t.Errorf("%s: %d %s", query, code, text)
		}
	}
	if code, _, _ := d.ask("POST", "/api/publish?room=room:7", `{"room":"room:8","type":"n"}`); code != 400 {
		t.Errorf("a parameter beside a body: %d", code)
	}
	if code, _, _ := d.ask("GET", "/api/rooms", `{"prefix":"x"}`); code != 400 {
		t.Errorf("a body beside parameters: %d", code)
	}
}
