// Package api is what a back end in any language does with a hub, over HTTP: publish, read who is there and what was said, and
// end sessions.
//
//	POST /api/publish     {"room","type","data","mid","key","from","volatile"}, or {"messages":[…]}
//	POST /api/broadcast   {"rooms":[…],"users":[…],"type","data",…}
//	POST /api/disconnect  {"user","reason"}, or with "room" to remove the user from that room alone
//	GET  /api/rooms       ?prefix=&after=&limit=
//	GET  /api/presence    ?room=
//	GET  /api/history     ?room=&before=&limit=
//
// Each request has a key, as "Authorization: Bearer KEY". An answer is JSON; what went wrong is {"error":{"code","message"}}, with
// the codes of the protocol (docs/protocol.md).
package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

const (
	// MinKey is how many bytes a key has at least.
	MinKey = 16

	maxBody  = 4 << 20
	maxBatch = 1000
	patience = 10 * time.Second // of a request, within which it is answered
)

// Handler is the API of one hub. It is safe for concurrent use.
type Handler struct {
	hub  *live.Hub
	keys [][sha256.Size]byte
	mux  *http.ServeMux
}

// New returns the API of a hub, for who has one of the keys. Several are for replacing one: the new one is added, and the old
// one goes when nobody uses it. There must be one at least, and each has MinKey bytes or more.
func New(hub *live.Hub, keys ...string) (*Handler, error) {
	if len(keys) == 0 {
		return nil, errors.New("api: there is no key")
	}
	h := &Handler{hub: hub, mux: http.NewServeMux()}
	for i, key := range keys {
		if len(key) < MinKey {
			return nil, fmt.Errorf("api: key %d has %d bytes; %d are the least", i+1, len(key), MinKey)
		}
		h.keys = append(h.keys, sha256.Sum256([]byte(key)))
	}
	h.mux.HandleFunc("POST /api/publish", answering(h.publish))
	h.mux.HandleFunc("POST /api/broadcast", answering(h.broadcast))
	h.mux.HandleFunc("POST /api/disconnect", answering(h.disconnect))
	h.mux.HandleFunc("GET /api/rooms", answering(h.rooms))
	h.mux.HandleFunc("GET /api/presence", answering(h.presence))
	h.mux.HandleFunc("GET /api/history", answering(h.history))
	return h, nil
}

// ServeHTTP answers a request. Without a key it says nothing, not even what there is.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !h.knows(r.Header.Get("Authorization")) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, protocol.Errorf(protocol.CodeUnauthorized, "a key is needed: Authorization: Bearer KEY"))
		return
	}
	_, pattern := h.mux.Handler(r)
	if pattern == "" {
		status := http.StatusNotFound
		probe := *r
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			probe.Method = method
			if _, pattern := h.mux.Handler(&probe); pattern != "" {
				status = http.StatusMethodNotAllowed
				w.Header().Set("Allow", method)
			}
		}
		write(w, status, failure{protocol.Errorf(protocol.CodeUnsupported, "there is no %s %s", r.Method, r.URL.Path)})
		return
	}
	ctx, done := context.WithTimeout(r.Context(), patience)
	defer done()
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	h.mux.ServeHTTP(w, r.WithContext(ctx))
}

// knows reports whether a header has one of the keys. How long that takes says nothing of them.
func (h *Handler) knows(header string) bool {
	scheme, key, _ := strings.Cut(header, " ")
	sum := sha256.Sum256([]byte(key))
	found := 0
	for i := range h.keys {
		found |= subtle.ConstantTimeCompare(h.keys[i][:], sum[:])
	}
	return strings.EqualFold(scheme, "Bearer") && found == 1
}

// answering makes a handler of what returns an answer.
func answering(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := f(r)
		if err != nil {
			refuse(w, err)
			return
		}
		write(w, http.StatusOK, answer)
	}
}

// read reads a request's body.
func read(r *http.Request, into any) error {
	if typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || typ != "application/json" {
		return protocol.Errorf(protocol.CodeInvalid, "the Content-Type must be application/json")
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); more == io.EOF {
			return nil
		}
		err = errors.New("there is something behind it")
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return protocol.Errorf(protocol.CodeTooLarge, "the body has more than %d bytes", large.Limit)
	}
	return protocol.Errorf(protocol.CodeInvalid, "the body: %v", err)
}

// failure is the answer where something went wrong.
type failure struct {
	Error *protocol.Error `json:"error"`
}

// errorOf returns what may be said of an error: those without a code are the server's own.
func errorOf(err error) *protocol.Error {
	var e *protocol.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, live.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return protocol.Errorf(protocol.CodeUnavailable, "what stores messages does not answer; the message may be stored: repeat it with the same mid")
	}
	return protocol.Errorf(protocol.CodeInvalid, "%v", err)
}

// statuses are those of HTTP, by code.
var statuses = map[string]int{
	protocol.CodeInvalid:      http.StatusBadRequest,
	protocol.CodeUnauthorized: http.StatusUnauthorized,
	protocol.CodeForbidden:    http.StatusForbidden,
	protocol.CodeNoRoom:       http.StatusNotFound,
	protocol.CodeTooLarge:     http.StatusRequestEntityTooLarge,
	protocol.CodeLimit:        http.StatusTooManyRequests,
	protocol.CodeBusy:         http.StatusTooManyRequests,
	protocol.CodeAborted:      http.StatusConflict,
	protocol.CodeUnavailable:  http.StatusServiceUnavailable,
	protocol.CodeDraining:     http.StatusServiceUnavailable,
	protocol.CodeUnsupported:  http.StatusUnprocessableEntity,
	protocol.CodeInternal:     http.StatusInternalServerError,
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	e := errorOf(err)
	status, ok := statuses[e.Code]
	if !ok {
		status = http.StatusBadRequest
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint((e.RetryAfter+999)/1000))
	}
	write(w, status, failure{e})
}

func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer) // who does not read it has gone
}
