package js_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/tidewire/tidewire/js"
)

func get(path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	js.Handler().ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	names, err := filepath.Glob("tidewire/*.js")
	if err != nil || len(names) < 5 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, name := range append(names, "tidewire.js") {
		name = filepath.ToSlash(name)
		want, err := fs.ReadFile(js.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		w := get("/" + name)
		if w.Code != http.StatusOK || w.Body.String() != string(want) || w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		etag := w.Header().Get("ETag")
		if w := get("/"+name, "If-None-Match", etag); etag == "" || w.Code != http.StatusNotModified {
			t.Errorf("%s: %d with ETag %s", name, w.Code, etag)
		}
	}
	for _, path := range []string{"/", "/tidewire", "/tidewire/", "/tidewire/none.js", "/test/kit.js", "/package.json", "/js.go"} {
		if w := get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
