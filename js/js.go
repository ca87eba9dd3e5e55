// Package js holds the browser client: the files of the npm package, embedded, so that
// a server can bring the client that fits it. There is no build step; browsers get the
// files as they are.
package js

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"time"
)

//go:embed tidewire.js tidewire/*.js
var files embed.FS

// Files are tidewire.js, which a page imports, and what that imports, below tidewire/.
func Files() fs.FS { return files }

type file struct {
	data []byte
	etag string
}

// Handler serves the files at /tidewire.js and /tidewire/. Browsers ask again each time, with
// the ETag that they have, so that a new binary's client is there at once.
//
//	http.Handle("/tidewire.js", js.Handler())
//	http.Handle("/tidewire/", js.Handler())
func Handler() http.Handler {
	all := map[string]file{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(name)
		sum := sha256.Sum256(data)
		all["/"+name] = file{data, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
		return err
	})
	if err != nil {
		panic(err) // the embedded files are part of the binary
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := all[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", f.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
	})
}
