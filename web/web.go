// Package web holds the pages that "tidewire serve" shows: plain HTML, one style
// sheet and plain ES modules, embedded in the binary. There is no build step;
// the files in pages are what the browser gets.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/tidewire/tidewire/js"
	"github.com/tidewire/tidewire/load/uplot"
)

//go:embed pages
var pages embed.FS

// policy allows the pages their own files and their own server, and nothing
// else: no inline script or style, no other site, no frame around them, and no
// string that becomes HTML.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

type file struct {
	data        []byte
	contentType string
	etag        string
}

// Handler serves the pages, each index.html as its folder, every other file under its name, the browser client
// at /tidewire.js and below /tidewire/, and uPlot, which draws charts, below /uplot/.
// Answers carry a strict Content-Security-Policy and an ETag; browsers ask again
// each time, so that a new binary's pages show at once.
func Handler() http.Handler {
	files := map[string]file{}
	add := func(from fs.FS, root, prefix string) {
		err := fs.WalkDir(from, root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := fs.ReadFile(from, name)
			sum := sha256.Sum256(data)
			files[prefix+strings.TrimSuffix(strings.TrimPrefix(name, root), "index.html")] = file{
				data:        data,
				contentType: contentType(name),
				etag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
			}
			return err
		})
		if err != nil {
			panic(err) // the embedded files are part of the binary
		}
	}
	add(pages, "pages", "")
	add(uplot.Files, ".", "/uplot/")
	client := js.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD work here", http.StatusMethodNotAllowed)
			return
		}
		if r.URL.Path == "/tidewire.js" || strings.HasPrefix(r.URL.Path, "/tidewire/") {
			client.ServeHTTP(w, r)
			return
		}
		f, ok := files[r.URL.Path]
		if _, isPage := files[r.URL.Path+"/"]; !ok && isPage {
			to := url.URL{Path: r.URL.Path + "/", RawQuery: r.URL.RawQuery}
			http.Redirect(w, r, to.String(), http.StatusTemporaryRedirect)
			return
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		h.Set("Content-Type", f.contentType)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", f.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
	})
}

// contentType does not ask the machine's own table, which may know less.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case "":
		return "text/plain; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}
