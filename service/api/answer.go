package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// failure is the answer where something went wrong.
type failure struct {
	Error *protocol.Error `json:"error"`
}

// document is an answer that is not JSON.
type document string

// statuses are those of HTTP, by code. CodeAborted is beside them: it is only said of single messages.
var statuses = map[string]int{
	protocol.CodeInvalid:      http.StatusBadRequest,
	protocol.CodeUnauthorized: http.StatusUnauthorized,
	protocol.CodeNoRoom:       http.StatusNotFound,
	protocol.CodeTooLarge:     http.StatusRequestEntityTooLarge,
	protocol.CodeUnsupported:  http.StatusUnprocessableEntity,
	protocol.CodeBusy:         http.StatusTooManyRequests,
	protocol.CodeInternal:     http.StatusInternalServerError,
	protocol.CodeUnavailable:  http.StatusServiceUnavailable,
}

// errorOf returns what may be said of an error. Those without a code, or with one that nobody knows here, are the server's own:
// they are for the log.
func (h *Handler) errorOf(err error) *protocol.Error {
	var e *protocol.Error
	switch {
	case errors.As(err, &e) && statuses[e.Code] != 0:
		return e
	case errors.Is(err, live.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return protocol.Errorf(protocol.CodeUnavailable, "what stores messages does not answer; a message may be stored: repeat it with the same mid")
	}
	h.logger().Error("A request to the API failed", "err", err)
	return protocol.Errorf(protocol.CodeInternal, "the server has failed; its log says why")
}

// refuse answers with an error.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	e := h.errorOf(err)
	status := statuses[e.Code]
	if errors.Is(err, os.ErrDeadlineExceeded) {
		status = http.StatusRequestTimeout
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt((e.RetryAfter+999)/1000, 10))
	}
	h.write(w, status, failure{e})
}

// write sends an answer. Who does not take it in time has gone.
func (h *Handler) write(w http.ResponseWriter, status int, answer any) {
	typ := "application/json"
	var p []byte
	if d, ok := answer.(document); ok {
		typ, p = "application/yaml", []byte(d)
	} else {
		var err error
		if p, err = json.Marshal(answer); err != nil {
			h.logger().Error("An answer of the API cannot be said in JSON", "err", err)
			status, p = http.StatusInternalServerError, []byte(`{"error":{"code":"internal"}}`)
		}
		p = append(p, '\n')
	}
	w.Header().Set("Content-Type", typ)
	w.Header().Set("Content-Length", strconv.Itoa(len(p)))
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience)) // the server takes it back behind the request
	w.WriteHeader(status)
	w.Write(p)
}
