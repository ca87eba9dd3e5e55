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
	for _, name := range pages(t) {
		want := types[path.Ext(name)]
		if want == "" {
			t.Errorf("%s: no page needs such a file", name)
		}
		r := get(t, "GET", "/"+strings.TrimSuffix(name, "index.html"))
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
	if r := get(t, "GET", "/chat?room=tea"); r.StatusCode != 307 || r.Header.Get("Location") != "/chat/?room=tea" {
		t.Errorf("/chat: %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
}

// pages are the names of all files.
func pages(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("pages"), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) < 5 {
		t.Fatalf("found %d files: %v", len(names), err)
	}
	return names
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

// The library that draws charts comes from here, with its license, and keeps to the policy as the pages do.
func TestUPlot(t *testing.T) {
	for target, want := range map[string]string{
		"/uplot/uPlot.iife.min.js": "text/javascript; charset=utf-8",
		"/uplot/uPlot.min.css":     "text/css; charset=utf-8",
		"/uplot/LICENSE":           "text/plain; charset=utf-8",
	} {
		r := get(t, "GET", target)
		if got := r.Header.Get("Content-Type"); r.StatusCode != 200 || got != want {
			t.Errorf("%s: %d, %q; want 200, %q", target, r.StatusCode, got, want)
		}
		text := body(t, r)
		if m := unsafe[path.Ext(target)]; m != nil && m.MatchString(text) {
			t.Errorf("%s contains %q", target, m.FindString(text))
		}
		if target == "/uplot/LICENSE" && !strings.HasPrefix(text, "The MIT License") {
			t.Errorf("%s: %q", target, text)
		}
	}
}

func TestOtherPaths(t *testing.T) {
	for _, target := range []string{"/nothing", "/pages/index.html", "/../web.go", "/page.js/", "/web.go", "/tidewire/", "/tidewire/none.js"} {
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
	for _, target := range []string{"/", "/page.js", "/nothing"} {
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
	tag := get(t, "GET", "/page.js").Header.Get("ETag")
	if len(tag) < 10 || tag == get(t, "GET", "/chat/chat.js").Header.Get("ETag") {
		t.Fatalf("ETag is %q", tag)
	}
	if r := get(t, "GET", "/page.js", "If-None-Match", tag); r.StatusCode != 304 || body(t, r) != "" {
		t.Errorf("%d, want 304 without a body", r.StatusCode)
	}
	if r := get(t, "GET", "/page.js", "If-None-Match", `"old"`); r.StatusCode != 200 {
		t.Errorf("%d for an old ETag, want 200", r.StatusCode)
	}
}

// unsafe is what would not work under the policy, or parses text as HTML.
var unsafe = map[string]*regexp.Regexp{
	".html": regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son[a-z]+=|javascript:`),
	".js":   regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser`),
	".css":  regexp.MustCompile(`(?i)@import|url\(`),
}

// The policy forbids inline code, so a page that has some would not work; and
// text from the network must never be parsed as HTML.
func TestPagesKeepToThePolicy(t *testing.T) {
	elsewhere := regexp.MustCompile(`(?i)https?://`)
	ref := regexp.MustCompile(`(?:from |src=|href=|import\()"(\.?/[^"#]*)"`)
	for _, name := range pages(t) {
		data, err := os.ReadFile("pages/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, re := range []*regexp.Regexp{unsafe[path.Ext(name)], elsewhere} {
			if re == nil || path.Ext(name) == ".svg" { // an SVG names its namespace
				continue
			}
			if m := re.Find(data); m != nil {
				t.Errorf("%s contains %q", name, m)
			}
		}
		for _, m := range ref.FindAllSubmatch(data, -1) {
			if r := get(t, "GET", string(m[1])); r.StatusCode != 200 {
				t.Errorf("%s refers to %s: %d", name, m[1], r.StatusCode)
			}
		}
	}
}

// A page is something that a beginner reads in one go: all of its scripts together, beside the client's.
func TestScriptsAreSmall(t *testing.T) {
	lines := func(name string) int {
		data, err := os.ReadFile("pages/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "\n")
	}
	shared := lines("page.js")
	for _, name := range pages(t) {
		if path.Ext(name) != ".js" || name == "page.js" || strings.HasPrefix(name, "console/") {
			continue
		}
		if dir, base := path.Split(name); dir != strings.TrimSuffix(base, ".js")+"/" {
			t.Errorf("%s: a page has one script, named after it", name)
		}
		if n := lines(name) + shared; n >= 150 {
			t.Errorf("%s has %d lines with page.js", name, n)
		}
	}
}

// The console is no demo, but a tool: it is several modules, and still small.
func TestConsoleIsSmall(t *testing.T) {
	all, modules := 0, 0
	for _, name := range pages(t) {
		if !strings.HasPrefix(name, "console/") || path.Ext(name) != ".js" {
			continue
		}
		data, err := os.ReadFile("pages/" + name)
		if err != nil {
			t.Fatal(err)
		}
		n := strings.Count(string(data), "\n")
		if n > 250 {
			t.Errorf("%s has %d lines", name, n)
		}
		all += n
		modules++
	}
	if all >= 600 || modules < 3 {
		t.Errorf("%d modules have %d lines", modules, all)
	}
}

// Each control has a name that a screen reader can say, and each demo its source one click away.
func TestPagesAreWellFormed(t *testing.T) {
	for _, name := range pages(t) {
		dir, ok := strings.CutSuffix(name, "/index.html")
		if !ok {
			continue
		}
		html := body(t, get(t, "GET", "/"+dir+"/"))
		for _, m := range regexp.MustCompile(`<(?:textarea|input|select) [^>]*id="([^"]+)"`).FindAllStringSubmatch(html, -1) {
			if !strings.Contains(html, `for="`+m[1]+`"`) {
				t.Errorf("%s: #%s has no label", dir, m[1])
			}
		}
		for _, want := range []string{`href="/` + dir + `/` + dir + `.js">Source`, `href="/"`, `id="state"`, "<h1>", "<main", "<noscript>"} {
			if !strings.Contains(html, want) {
				t.Errorf("%s lacks %s", dir, want)
			}
		}
		if inGallery := strings.Contains(body(t, get(t, "GET", "/")), `href="/`+dir+`/"`); inGallery == (dir == "console") { // that is no demo
			t.Errorf("%s is in the gallery: %t", dir, inGallery)
		}
	}
}

// What one page has of its own does not change another one: a rule for an id alone, in the section of a page, is for
// what is on no other page.
func TestSectionsOfTheStyleSheet(t *testing.T) {
	data, err := os.ReadFile("pages/style.css")
	if err != nil {
		t.Fatal(err)
	}
	html := map[string]string{}
	for _, name := range pages(t) {
		if dir, ok := strings.CutSuffix(name, "/index.html"); ok {
			html[dir] = body(t, get(t, "GET", "/"+dir+"/"))
		}
	}
	section, sections, ids := "", 0, 0
	for _, line := range strings.Split(string(data), "\n") {
		if m := regexp.MustCompile(`^/\* (\w+)\. \*/$`).FindStringSubmatch(line); m != nil {
			section = strings.ToLower(m[1])
			sections++
		}
		if strings.HasPrefix(line, "/* Narrow screens") {
			section = ""
		}
		m := regexp.MustCompile(`^ *#([\w-]+)`).FindStringSubmatch(line)
		if m == nil || html[section] == "" || m[1] == section {
			continue
		}
		ids++
		for page, text := range html {
			if page != section && strings.Contains(text, `id="`+m[1]+`"`) {
				t.Errorf("the rules for #%s, of the page %s, are for %s too", m[1], section, page)
			}
		}
	}
	if sections < len(html) || ids < 20 {
		t.Errorf("found %d sections with rules for %d ids", sections, ids)
	}
}
