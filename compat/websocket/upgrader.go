//go:build !js

package websocket

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// Upgrader is the server's side of the handshake. The zero value is ready to use,
// and safe for concurrent use as long as nobody changes it.
type Upgrader struct {
	// HandshakeTimeout bounds sending the answer. 0 means ten seconds.
	HandshakeTimeout time.Duration

	// ReadBufferSize has no effect: an idle connection holds no buffer.
	// WriteBufferSize is the size of the frames that NextWriter sends, in bytes;
	// 0 means 4096.
	ReadBufferSize, WriteBufferSize int

	// WriteBufferPool has no effect: package ws pools its buffers by itself.
	WriteBufferPool BufferPool

	// Subprotocols are the subprotocols spoken, in order of preference; the first
	// that the client offers is chosen. nil means the one that Upgrade's
	// responseHeader names, if the client offers it.
	Subprotocols []string

	// Error answers a request that is refused; reason is a HandshakeError. nil
	// answers with the status and its text.
	Error func(w http.ResponseWriter, r *http.Request, status int, reason error)

	// CheckOrigin reports whether the request may connect; a refusal is a 403.
	// nil allows requests without an Origin header, and those whose origin is the
	// request's own host.
	CheckOrigin func(r *http.Request) bool

	// EnableCompression accepts permessage-deflate without context takeover
	// where the client offers it. false means no compression.
	EnableCompression bool
}

// HandshakeError says what was wrong with a client's handshake.
type HandshakeError struct{ message string }

// Error returns what was wrong.
func (e HandshakeError) Error() string { return e.message }

// Upgrade takes the connection over from a net/http handler and answers the
// handshake. responseHeader is sent with the answer; it is there for cookies. Fields
// of the handshake itself in it are left out, a subprotocol apart.
//
// On a refusal the request has been answered, and the error is a HandshakeError.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header) (*Conn, error) {
	if status, reason := checkRequest(r); status != 0 {
		return nil, u.refuse(w, r, status, reason)
	}
	if _, ok := responseHeader["Sec-Websocket-Extensions"]; ok {
		return nil, u.refuse(w, r, http.StatusInternalServerError, "the response header cannot set Sec-WebSocket-Extensions: see EnableCompression")
	}
	if u.CheckOrigin != nil && !u.CheckOrigin(r) {
		return nil, u.refuse(w, r, http.StatusForbidden, "the request's origin is refused by Upgrader.CheckOrigin")
	}
	c, err := ws.Accept(&silentWriter{w, http.Header{}}, r, &ws.AcceptOptions{
		ConnOptions:      connOptions(u.EnableCompression),
		Subprotocols:     u.subprotocols(responseHeader),
		AnyOrigin:        u.CheckOrigin != nil,
		Header:           answerHeader(responseHeader),
		HandshakeTimeout: u.HandshakeTimeout,
	})
	if err == nil {
		return newConn(c, u.WriteBufferSize), nil
	}
	var ref *ws.Refusal
	if !errors.As(err, &ref) {
		return nil, err // the connection is gone
	}
	status := ref.Status
	switch status {
	case http.StatusForbidden:
		return nil, u.refuse(w, r, status, "the request's origin is not its host: see Upgrader.CheckOrigin")
	case http.StatusNotImplemented:
		status = http.StatusInternalServerError
	}
	reason := ref.Body
	if ref.Cause != nil {
		reason = ref.Cause.Error()
	}
	return nil, u.refuse(w, r, status, reason)
}

// refuse answers a request that is refused.
func (u *Upgrader) refuse(w http.ResponseWriter, r *http.Request, status int, reason string) error {
	err := HandshakeError{"websocket: " + reason}
	if u.Error != nil {
		u.Error(w, r, status, err)
		return err
	}
	w.Header().Set("Sec-Websocket-Version", "13")
	http.Error(w, http.StatusText(status), status)
	return err
}

// checkRequest holds a request against RFC 6455 section 4.2.1, with the statuses
// that gorilla's programs are used to. What it lets through, ws.Accept checks.
func checkRequest(r *http.Request) (status int, reason string) {
	const bad = http.StatusBadRequest
	switch {
	case !hasToken(r.Header, "Connection", "upgrade"):
		return bad, "not a WebSocket handshake: the header Connection does not name upgrade"
	case !hasToken(r.Header, "Upgrade", "websocket"):
		return bad, "not a WebSocket handshake: the header Upgrade does not name websocket"
	case r.Method != http.MethodGet:
		return http.StatusMethodNotAllowed, "not a WebSocket handshake: the method is not GET"
	case !hasToken(r.Header, "Sec-Websocket-Version", "13"):
		return bad, "unsupported version: the header Sec-WebSocket-Version does not name 13"
	}
	return 0, ""
}

func (u *Upgrader) subprotocols(responseHeader http.Header) []string {
	if u.Subprotocols != nil {
		return u.Subprotocols
	}
	if p := responseHeader.Get("Sec-Websocket-Protocol"); p != "" {
		return []string{p}
	}
	return nil
}

// answerHeader returns what of the response header may stand beside the
// handshake's fields. A control character becomes a space, so that no value starts
// a field of its own.
func answerHeader(h http.Header) http.Header {
	out := http.Header{}
	for name, values := range h {
		switch key := http.CanonicalHeaderKey(name); {
		case key == "Upgrade", key == "Connection", key == "Content-Length", key == "Transfer-Encoding",
			strings.HasPrefix(key, "Sec-Websocket-"):
			continue
		}
		for _, v := range values {
			out[name] = append(out[name], strings.Map(func(c rune) rune {
				if c < ' ' || c == 0x7f {
					return ' '
				}
				return c
			}, v))
		}
	}
	return out
}

// silentWriter lets ws.Accept have the connection and keeps it from answering a
// refusal, which is Upgrader.Error's. Its empty header keeps fields out of the
// answer that the handler has set on its own.
type silentWriter struct {
	http.ResponseWriter
	header http.Header
}

func (w *silentWriter) Unwrap() http.ResponseWriter       { return w.ResponseWriter }
func (w *silentWriter) Header() http.Header               { return w.header }
func (w *silentWriter) WriteHeader(int)                   {}
func (w *silentWriter) Write(p []byte) (int, error)       { return len(p), nil }
func (w *silentWriter) WriteString(s string) (int, error) { return len(s), nil }

// Upgrade is Upgrader.Upgrade without a check of the origin, which is the caller's,
// and without an answer to a request that is refused, which is the caller's too.
//
// Deprecated: Use Upgrader.
func Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header, readBufSize, writeBufSize int) (*Conn, error) {
	u := Upgrader{
		ReadBufferSize:  readBufSize,
		WriteBufferSize: writeBufSize,
		CheckOrigin:     func(*http.Request) bool { return true },
		Error:           func(http.ResponseWriter, *http.Request, int, error) {},
	}
	return u.Upgrade(w, r, responseHeader)
}
