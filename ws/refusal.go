//go:build !js

package ws

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// Refusal is a handshake turned down, and the HTTP answer that says so.
//
// A callback of [UpgradeOptions], or [Server].Accept, returns one to choose the
// answer; any other error of theirs is answered with a bare 403. [Accept],
// [Upgrade] and [Server] return one when the request is at fault, after they
// have answered with it.
type Refusal struct {
	Status int         // 300 to 599; 0 = 403
	Body   string      // sent as plain text; "" = the name of Status
	Header http.Header // sent beside it, such as WWW-Authenticate or Location
	Cause  error       // not sent; Unwrap returns it
}

// Error gives the status, the body and the cause.
func (r *Refusal) Error() string {
	s := fmt.Sprintf("ws: handshake refused with %d %s", r.status(), http.StatusText(r.status()))
	if r.Body != "" {
		s += ": " + r.Body
	}
	if r.Cause != nil {
		s += ": " + r.Cause.Error()
	}
	return s
}

// Unwrap returns Cause.
func (r *Refusal) Unwrap() error { return r.Cause }

func (r *Refusal) status() int {
	switch {
	case r.Status == 0:
		return http.StatusForbidden
	case r.Status < 300 || r.Status > 599:
		return http.StatusInternalServerError
	}
	return r.Status
}

func (r *Refusal) body() string {
	return cmp.Or(r.Body, http.StatusText(r.status()), "refused") + "\n"
}

// refuse makes a Refusal.
func refuse(status int, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Body: fmt.Sprintf(format, args...)}
}

// refuseUpgrade makes the Refusal that asks for a WebSocket handshake. "The
// server MUST [send] a Sec-WebSocket-Version header" (RFC 6455 section 4.4),
// and Upgrade with a 426 (RFC 9110 section 15.5.22).
func refuseUpgrade(format string, args ...any) *Refusal {
	r := refuse(http.StatusUpgradeRequired, format, args...)
	r.Header = http.Header{"Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}}
	return r
}

// refusalOf turns the error of a callback into a Refusal.
func refusalOf(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return &Refusal{Status: http.StatusForbidden, Cause: err}
}

// answer sends the Refusal through net/http.
func (r *Refusal) answer(w http.ResponseWriter) {
	count.refused.Add(1)
	h := w.Header()
	h.Del("Content-Length") // a middleware may have meant them for another body
	h.Del("Content-Encoding")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	maps.Copy(h, r.Header)
	if h.Get("Upgrade") != "" {
		h.Set("Connection", "Upgrade")
	}
	w.WriteHeader(r.status())
	io.WriteString(w, r.body())
}

// append appends the Refusal as an HTTP/1.1 answer that ends its connection.
func (r *Refusal) append(b []byte) []byte {
	status, body := r.status(), r.body()
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, "\r\nX-Content-Type-Options: nosniff\r\n"...)
	if _, ok := r.Header["Content-Type"]; !ok {
		b = append(b, "Content-Type: text/plain; charset=utf-8\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	if _, ok := r.Header["Upgrade"]; ok {
		b = append(b, "\r\nConnection: close, Upgrade\r\n"...)
	} else {
		b = append(b, "\r\nConnection: close\r\n"...)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if !isToken(name) || equalFold(name, "connection") || equalFold(name, "content-length") ||
			equalFold(name, "transfer-encoding") {
			continue
		}
		for _, value := range r.Header[name] {
			if !all(value, inValue) { // would split the answer
				continue
			}
			b = append(append(b, name...), ": "...)
			b = append(append(b, value...), "\r\n"...)
		}
	}
	b = append(b, "\r\n"...)
	return append(b, body...)
}
