package main

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/ws/frame"
)

// handshakeTime bounds the request's head and our answer.
const handshakeTime = 10 * time.Second

// subprotocols are those that this server speaks, the best first. What the bytes of
// a message mean is no business of an echo.
var subprotocols = []string{"chat"}

// NewHandler checks the client's handshake and takes the connection over from
// net/http. When it refuses, it has answered: until Hijack this is ordinary HTTP.
func NewHandler(w http.ResponseWriter, r *http.Request) (*WS, error) {
	if status, what := wrong(r); status != 0 {
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", "GET")
		}
		if status == http.StatusUpgradeRequired {
			// RFC 6455 section 4.4: a server that speaks no such version says which it speaks.
			w.Header().Set("Sec-WebSocket-Version", "13")
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
		}
		http.Error(w, what, status)
		return nil, errors.New(what)
	}
	// The ResponseController finds Hijack behind middleware that wraps w, which a
	// type assertion to http.Hijacker does not.
	conn, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this server cannot hand over connections", http.StatusNotImplemented)
		return nil, err
	}
	// net/http's deadlines end here.
	if err := conn.SetDeadline(time.Time{}); err != nil {
		conn.Close()
		return nil, err
	}
	return &WS{
		header: r.Header,
		conn:   conn,
		in:     buffers.Reader, // it may hold the client's first frames already: do not read conn itself
		state:  frame.State{Role: frame.Server},
		Limit:  1 << 20,
	}, nil
}

// wrong says what is wrong with a handshake (RFC 6455 section 4.2.1), and which
// status answers it; 0 if nothing is.
func wrong(r *http.Request) (status int, what string) {
	key := r.Header.Values("Sec-WebSocket-Key")
	version := r.Header.Values("Sec-WebSocket-Version")
	switch {
	case r.Method != http.MethodGet:
		return http.StatusMethodNotAllowed, "a WebSocket handshake is a GET"
	case !r.ProtoAtLeast(1, 1):
		return http.StatusBadRequest, "a WebSocket handshake needs HTTP/1.1"
	case !hasToken(r.Header, "Connection", "upgrade"):
		return http.StatusBadRequest, "the Connection header lacks Upgrade"
	case !hasToken(r.Header, "Upgrade", "websocket"):
		return http.StatusBadRequest, "the Upgrade header lacks websocket"
	case len(version) != 1 || version[0] != "13":
		return http.StatusUpgradeRequired, "the Sec-WebSocket-Version must be 13"
	case len(key) != 1 || !isNonce(key[0]):
		return http.StatusBadRequest, "the Sec-WebSocket-Key is not 16 bytes in base64"
	case !sameOrigin(r):
		return http.StatusForbidden, "pages of other origins may not connect"
	}
	return 0, ""
}

// isNonce: 16 bytes in base64, in the one way to write them.
func isNonce(key string) bool {
	nonce, err := base64.StdEncoding.Strict().DecodeString(key)
	return err == nil && len(nonce) == 16
}

// sameOrigin: browsers send cookies with any page's handshake, so that a server
// which does not look at Origin serves every site its visitors open (RFC 6455
// section 10.2). Programs send none.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Values("Origin")
	if len(origin) == 0 {
		return true
	}
	u, err := url.Parse(origin[0])
	return err == nil && len(origin) == 1 && strings.EqualFold(u.Host, r.Host)
}

// hasToken looks for a word in the comma-separated lists of a header.
func hasToken(h http.Header, name, token string) bool {
	return slices.ContainsFunc(list(h, name), func(word string) bool { return strings.EqualFold(word, token) })
}

func list(h http.Header, name string) []string {
	var words []string
	for _, line := range h.Values(name) {
		for word := range strings.SplitSeq(line, ",") {
			words = append(words, strings.TrimSpace(word))
		}
	}
	return words
}

// Handshake sends the 101 that makes the connection a WebSocket.
func (ws *WS) Handshake() error {
	answer := "HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + acceptKey(ws.header.Get("Sec-WebSocket-Key")) + "\r\n"
	offered := list(ws.header, "Sec-WebSocket-Protocol")
	for _, p := range subprotocols {
		// Only what the client offered may be chosen, and never more than one.
		if slices.Contains(offered, p) {
			answer += "Sec-WebSocket-Protocol: " + p + "\r\n"
			break
		}
	}
	if err := ws.conn.SetWriteDeadline(time.Now().Add(handshakeTime)); err != nil {
		return err
	}
	if _, err := ws.conn.Write([]byte(answer + "\r\n")); err != nil {
		return fmt.Errorf("answering the handshake: %w", err)
	}
	return nil
}

// acceptKey proves to the client that a WebSocket server read its request
// (RFC 6455 section 4.2.2, step 5.4). It is no secret, SHA-1 or not.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
