package web_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/js"
	"github.com/tidewire/tidewire/web"
)

func get(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestFilesAndTheirTypes(t *testing.T) {
	types := map[string]string{
		".html": "text/html; charset=utf-8",
		".css":  "text/css; charset=utf-8",
		".js":   "text/javascript; charset=utf-8",
		".svg":  "image/svg+xml",
	}
	names, err := fs.Glob(os.DirFS("pages"), "*")
	if err != nil || len(names) < 10 {
		t.Fatalf("found %d files: %v", len(names), err)
	}
	for _, name := range append(names, "") {
		r := get(t, "GET", "/"+name)
		want := types[path.Ext(name)]
		if name == "" {
			name, want = "index.html", types[".html"]
		}
		if want == "" {
			t.Errorf("%s: no page needs such a file", name)
		}
		if got := r.Header.Get("Content-Type"); r.StatusCode != 200 || got != want {
			t.Errorf("%s: %d, %q; want 200, %q", name, r.StatusCode, got, want)
		}
		data, err := os.ReadFile("pages/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, r); got != string(data) {
			t.Errorf("%s: %d bytes came, of %d", name, len(got), len(data))
		}
	}
}

func TestBrowserClient(t *testing.T) {
	for _, target := range []string{"/tidewire.js", "/tidewire/client.js"} {
		want, err := fs.ReadFile(js.Files(), target[1:])
		if err != nil {
			t.Fatal(err)
		}
		r := get(t, "GET", target)
		if r.StatusCode != 200 || body(t, r) != string(want) || r.Header.Get("Content-Security-Policy") == "" || r.Header.Get("ETag") == "" {
			t.Errorf("%s: %d %v", target, r.StatusCode, r.Header)
		}
	}
	if r := get(t, "POST", "/tidewire.js"); r.StatusCode != 405 {
		t.Errorf("POST: %d", r.StatusCode)
	}
}

func TestOtherPaths(t *testing.T) {
	for _, target := range []string{"/nothing", "/pages/index.html", "/../web.go", "/main.js/", "/web.go", "/tidewire/", "/tidewire/none.js"} {
		if r := get(t, "GET", target); r.StatusCode != 404 {
			t.Errorf("%s: %d, want 404", target, r.StatusCode)
		}
	}
	r := get(t, "POST", "/")
	if r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
	if r := get(t, "HEAD", "/"); r.StatusCode != 200 || body(t, r) != "" {
		t.Errorf("HEAD: %d with a body", r.StatusCode)
	}
}

func TestPolicy(t *testing.T) {
	for _, target := range []string{"/", "/main.js", "/nothing"} {
		h := get(t, "GET", target).Header
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
			"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
		} {
			if !strings.Contains(csp+";", want+";") {
				t.Errorf("%s: the policy lacks %s", target, want)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: the policy is loose: %s", target, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: browsers may guess the type", target)
		}
	}
}

func TestUnchangedFileIsNotSentAgain(t *testing.T) {
	tag := get(t, "GET", "/main.js").Header.Get("ETag")
	if len(tag) < 10 || tag == get(t, "GET", "/chat.js").Header.Get("ETag") {
		t.Fatalf("ETag is %q", tag)
	}
	if r := get(t, "GET", "/main.js", "If-None-Match", tag); r.StatusCode != 304 || body(t, r) != "" {
		t.Errorf("%d, want 304 without a body", r.StatusCode)
	}
	if r := get(t, "GET", "/main.js", "If-None-Match", `"old"`); r.StatusCode != 200 {
		t.Errorf("%d for an old ETag, want 200", r.StatusCode)
	}
}

// The policy forbids inline code, so a page that has some would not work; and
// text from the network must never be parsed as HTML.
func TestPagesKeepToThePolicy(t *testing.T) {
	bad := map[string]*regexp.Regexp{
		".html": regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son[a-z]+=|javascript:|https?://`),
		".js":   regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|https?://`),
		".css":  regexp.MustCompile(`(?i)@import|url\(|https?://`),
	}
	ref := regexp.MustCompile(`(?:from |src=|href=|import\()"(\.?/[^"#]*)"`)
	files := 0
	err := fs.WalkDir(os.DirFS("pages"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile("pages/" + name)
		if err != nil {
			return err
		}
		if re := bad[path.Ext(name)]; re != nil {
			if m := re.Find(data); m != nil {
				t.Errorf("%s contains %q", name, m)
			}
		}
		for _, m := range ref.FindAllSubmatch(data, -1) {
			target := path.Join("/", path.Dir(name), string(m[1]))
			if r := get(t, "GET", target); r.StatusCode != 200 {
				t.Errorf("%s refers to %s: %d", name, m[1], r.StatusCode)
			}
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Fatalf("%d files, %v", files, err)
	}
}

// A script is something that a beginner reads in one go.
func TestScriptsAreSmall(t *testing.T) {
	names, err := fs.Glob(os.DirFS("pages"), "*.js")
	if err != nil || len(names) < 10 {
		t.Fatalf("found %d scripts: %v", len(names), err)
	}
	for _, name := range names {
		data, err := os.ReadFile("pages/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(data), "\n"); n >= 150 {
			t.Errorf("%s has %d lines: split it by its nouns", name, n)
		}
	}
}

// Each control has a name that a screen reader can say.
func TestControlsHaveLabels(t *testing.T) {
	html := body(t, get(t, "GET", "/"))
	for _, m := range regexp.MustCompile(`<(?:textarea|input) [^>]*id="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		if !strings.Contains(html, `for="`+m[1]+`"`) {
			t.Errorf("#%s has no label", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`<section [^>]*aria-labelledby="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		if !strings.Contains(html, `<h2 id="`+m[1]+`"`) {
			t.Errorf("no heading #%s", m[1])
		}
	}
	if n := strings.Count(html, `role="log"`); n != 2 {
		t.Errorf("%d logs, want 2", n)
	}
}
