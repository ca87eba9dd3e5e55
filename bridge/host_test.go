package bridge_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestHost has a header name another host than the target's address, as where many sites share one.
func TestHost(t *testing.T) {
	told := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- r.Host + " " + r.Header.Get("X-Other")
		http.NotFound(w, r)
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	for want, header := range map[string]http.Header{
		"site.example too": {"Host": {"site.example"}, "X-Other": {"too"}},
		addr + " too":      {"X-Other": {"too"}},
	} {
		rule := pairRule(t, "ws", parse(t, "ws://"+addr+"/"))
		rule.Header = header
		b := run(t, rule)
		for range 2 {
			c := dialWS(t, b.at(0, rule.Listen))
			c.Read(within(t)) // until it is closed
			select {
			case got := <-told:
				if got != want {
					t.Errorf("%q, want %q", got, want)
				}
			default:
				t.Fatalf("the target has heard nothing: %s", b.logs)
			}
		}
	}
}
