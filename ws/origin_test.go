//go:build !js

package ws

import (
	"net/http"
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	for _, c := range []struct {
		origin, host string
		patterns     []string
		status       int // 0: allowed
	}{
		// Only browsers send one.
		{"", "example.com", nil, 0},
		// The same origin, with default ports and without regard to case.
		{"http://example.com", "example.com", nil, 0},
		{"https://example.com", "example.com", nil, 0},
		{"https://EXAMPLE.com", "example.COM", nil, 0},
		{"https://example.com", "example.com:443", nil, 0},
		{"https://example.com:443", "example.com", nil, 0},
		{"http://example.com:80", "example.com", nil, 0},
		{"http://localhost:8080", "localhost:8080", nil, 0},
		{"http://[::1]:8080", "[::1]:8080", nil, 0},
		{"http://[::1]", "[::1]:80", nil, 0},
		{"http://[::1]", "[::1]", nil, 0},
		// Other origins.
		{"http://evil.com", "example.com", nil, 403},
		{"http://example.com:8080", "example.com", nil, 403},
		{"http://example.com", "example.com:8080", nil, 403},
		{"https://example.com:80", "example.com", nil, 403},
		{"http://localhost:8080", "localhost:8081", nil, 403},
		{"http://example.com.evil.com", "example.com", nil, 403},
		{"http://notexample.com", "example.com", nil, 403},
		{"http://example.co\u212a", "example.cok", nil, 403},
		{"http://examplE@com", "example`com", nil, 403},
		// What is no http origin is never the same.
		{"null", "example.com", nil, 403},
		{"null", "null", nil, 403},
		{"example.com", "example.com", nil, 403},
		{"file://", "", nil, 403},
		{"http://", "", nil, 403},
		{"http://example.com/path", "example.com", nil, 403},
		{"http://user@example.com", "example.com", nil, 403},
		{"http://evil.com#example.com", "example.com", []string{"*example.com"}, 403},
		{"http://evil.com?example.com", "example.com", []string{"*example.com"}, 403},
		{"http://evil.com/example.com", "example.com", []string{"*example.com"}, 403},
		{"http://exa mple.com", "example.com", []string{"*"}, 403},
		{"chrome-extension://abcdef", "example.com", nil, 403},
		// Patterns on the host.
		{"https://app.example.com", "api.example.com", []string{"*.example.com"}, 0},
		{"https://APP.example.com", "api.example.com", []string{"*.EXAMPLE.com"}, 0},
		{"https://a.b.example.com", "api.example.com", []string{"*.example.com"}, 0},
		{"https://example.com", "api.example.com", []string{"*.example.com"}, 403},
		{"https://badexample.com", "api.example.com", []string{"*.example.com"}, 403},
		{"https://app.example.com:443", "x", []string{"app.example.com"}, 0},
		{"https://app.example.com:8443", "x", []string{"app.example.com"}, 403},
		{"http://localhost:3000", "x", []string{"localhost:*"}, 0},
		{"http://localhost", "x", []string{"localhost:*"}, 403},
		{"http://[::1]:8080", "x", []string{"[::1]:8080"}, 0},
		{"http://b.com", "x", []string{"a.com", "b.com"}, 0},
		// Patterns on the scheme too.
		{"https://example.com", "x", []string{"https://example.com"}, 0},
		{"http://example.com", "x", []string{"https://example.com"}, 403},
		{"https://a.example.com", "x", []string{"HTTPS://*.example.com"}, 0},
		{"chrome-extension://abcdef", "x", []string{"chrome-extension://abcdef"}, 0},
		// null only where it is named.
		{"null", "x", []string{"*"}, 403},
		{"null", "x", []string{"null"}, 0},
		// A pattern that cannot match is a fault of the server's.
		{"https://a.com", "x", []string{"[a"}, 500},
	} {
		ref := checkOrigin(c.origin, c.host, c.patterns)
		status := 0
		if ref != nil {
			status = ref.status()
		}
		if status != c.status {
			t.Errorf("origin %q, host %q, patterns %q: %d, want %d (%v)", c.origin, c.host, c.patterns, status, c.status, ref)
		}
		if status == http.StatusForbidden && !strings.Contains(ref.Body, "Origins") {
			t.Errorf("the body names no option: %q", ref.Body)
		}
	}
}

func TestSameOriginAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		if checkOrigin("https://example.com", "example.com:443", nil) != nil {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
