// Package api is what a back end in any language does with a hub, over HTTP: publish, read who is there and what was said, and
// end sessions.
//
//	POST /api/publish       {"room","type","data","mid","key","from","volatile"}, or {"messages":[…]}
//	POST /api/broadcast     {"rooms":[…],"users":[…],"type","data",…}
//	POST /api/disconnect    {"user","reason"}, or with "room" to remove the user from that room alone
//	GET  /api/rooms         ?prefix=&after=&limit=
//	GET  /api/presence      ?room=
//	GET  /api/history       ?room=&before=&limit=
//	GET  /api/openapi.yaml  all of this, as OpenAPI 3.1 says it
//
// Each request has a key, as "Authorization: Bearer KEY". An answer is JSON; what went wrong is {"error":{"code","message"}}, with
// the codes of the protocol (docs/protocol.md). docs/api.md shows how to use it.
package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

const (
	// MinKey is how many bytes a key has at least.
	MinKey = 16

	patience = 10 * time.Second // for a body to come, for its answer to be found, and for that to be taken
)

// OpenAPI is the description of the API, in YAML: what GET /api/openapi.yaml answers.
//
//go:embed openapi.yaml
var OpenAPI string

// Handler is the API of one hub. It is safe for concurrent use.
type Handler struct {
	// Logger hears of panics, and of errors that are the server's own. nil means slog.Default(). It is set before the
	// Handler serves anybody.
	Logger *slog.Logger

	hub    *live.Hub
	keys   [][sha256.Size]byte
	routes map[string]route
}

// route is what is at one path.
type route struct {
	method string
	answer func(ctx context.Context, in input) (any, error)
}

// input is what a request says: its body, or its parameters.
type input struct {
	body  []byte
	query string
}

// New returns the API of a hub, for who has one of the keys. Several are for replacing one: the new one is added, and the old
// one goes when nobody uses it. There must be one at least; each has MinKey bytes or more, all of them printable ASCII and no
// space: what a header can bring.
func New(hub *live.Hub, keys ...string) (*Handler, error) {
	if len(keys) == 0 {
		return nil, errors.New("api: there is no key")
	}
	h := &Handler{hub: hub}
	for i, key := range keys {
		if len(key) < MinKey {
			return nil, fmt.Errorf("api: key %d has %d bytes; %d are the least", i+1, len(key), MinKey)
		}
		if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("api: key %d has a character that no header can bring: a space, a line break, or what is not ASCII", i+1)
		}
		h.keys = append(h.keys, sha256.Sum256([]byte(key)))
	}
	h.routes = map[string]route{
		"/api/publish":      {http.MethodPost, h.publish},
		"/api/broadcast":    {http.MethodPost, h.broadcast},
		"/api/disconnect":   {http.MethodPost, h.disconnect},
		"/api/rooms":        {http.MethodGet, h.rooms},
		"/api/presence":     {http.MethodGet, h.presence},
		"/api/history":      {http.MethodGet, h.history},
		"/api/openapi.yaml": {http.MethodGet, h.openAPI},
	}
	return h, nil
}

// ServeHTTP answers a request. Without a key it says nothing, not even what there is. A path is taken as it is written: what only
// means the same when it is cleaned or decoded is not there.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			h.logger().Error("A request to the API panicked", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			h.refuse(w, protocol.Errorf(protocol.CodeInternal, "the server has failed"))
		}
	}()
	// Who is refused before the body was read is not read to its end, for the sake of the connection. Where there is no such
	// deadline the server's own has to do.
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience))
	}
	if !h.knows(r.Header["Authorization"]) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		h.refuse(w, protocol.Errorf(protocol.CodeUnauthorized, "a key is needed: Authorization: Bearer KEY"))
		return
	}
	at, ok := h.routes[r.URL.EscapedPath()]
	switch {
	case !ok:
		h.write(w, http.StatusNotFound, failure{protocol.Errorf(protocol.CodeUnsupported, "there is no such path")})
		return
	case r.Method == at.method, r.Method == http.MethodHead && at.method == http.MethodGet:
	default:
		allow := at.method
		if allow == http.MethodGet {
			allow = "GET, HEAD"
		}
		w.Header().Set("Allow", allow)
		h.write(w, http.StatusMethodNotAllowed, failure{protocol.Errorf(protocol.CodeUnsupported, "it is done by %s", allow)})
		return
	}
	answer, err := h.answer(w, r, at)
	if err != nil {
		h.refuse(w, err)
		return
	}
	h.write(w, http.StatusOK, answer)
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, at route) (any, error) {
	in := input{query: r.URL.RawQuery}
	switch {
	case at.method == http.MethodGet && r.ContentLength != 0:
		return nil, protocol.Errorf(protocol.CodeInvalid, "it takes no body")
	case at.method == http.MethodPost && in.query != "":
		return nil, protocol.Errorf(protocol.CodeInvalid, "it takes no parameters but those in the body")
	case at.method == http.MethodPost:
		var err error
		if in.body, err = readBody(w, r); err != nil {
			return nil, err
		}
	}
	ctx, done := context.WithTimeout(r.Context(), patience)
	defer done()
	return at.answer(ctx, in)
}

// knows reports whether a header has one of the keys, and nothing beside it. How long that takes says nothing of them.
func (h *Handler) knows(header []string) bool {
	if len(header) != 1 {
		return false
	}
	scheme, key, _ := strings.Cut(header[0], " ")
	sum := sha256.Sum256([]byte(key))
	found := 0
	for i := range h.keys {
		found |= subtle.ConstantTimeCompare(h.keys[i][:], sum[:])
	}
	return strings.EqualFold(scheme, "Bearer") && found == 1
}

func (h *Handler) logger() *slog.Logger {
	if h.Logger != nil {
		return h.Logger
	}
	return slog.Default()
}

// openAPI says what there is.
func (h *Handler) openAPI(_ context.Context, in input) (any, error) {
	if _, err := in.parameters(); err != nil {
		return nil, err
	}
	return document(OpenAPI), nil
}
