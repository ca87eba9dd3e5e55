//go:build !js

package ws

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// appendRequest appends the opening handshake (RFC 6455 section 4.1).
func (d *dialer) appendRequest(b []byte, key string) []byte {
	b = append(append(b, "GET "...), d.target()...)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), d.hostHeader()...)
	b = append(b, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "...)
	b = append(append(b, key...), "\r\nSec-WebSocket-Version: 13\r\n"...)
	if len(d.o.Subprotocols) > 0 {
		b = append(append(b, "Sec-WebSocket-Protocol: "...), strings.Join(d.o.Subprotocols, ", ")...)
		b = append(b, "\r\n"...)
	}
	if d.o.Compression != nil {
		b = append(append(b, "Sec-WebSocket-Extensions: "...), d.o.Compression.Offer()...)
		b = append(b, "\r\n"...)
	}
	h := d.fields()
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			b = append(append(b, name...), ": "...)
			b = append(append(b, v...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// target is the URL's path and query. url.Parse lets bytes through in a query
// that would end the request line; they are encoded, as browsers do.
func (d *dialer) target() string {
	t := d.url.RequestURI()
	if all(t, inTarget) && !hasObsText(t) {
		return t
	}
	var b strings.Builder
	for i := range len(t) {
		if c := t[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func hasObsText(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return true
		}
	}
	return false
}

// statusOf returns the three digits of a status line, or "".
func statusOf(head []byte) string {
	const before = len("HTTP/1.1 ")
	if len(head) < before+4 || head[before-1] != ' ' {
		return ""
	}
	for _, c := range head[before : before+3] {
		if c < '0' || c > '9' {
			return ""
		}
	}
	switch head[before+3] {
	case ' ', '\r', '\n':
		return string(head[before : before+3])
	}
	return ""
}

func isSwitching(head []byte) bool { return statusOf(head) == "101" }

func isInformational(head []byte) bool {
	s := statusOf(head)
	return s != "" && s[0] == '1' && s != "101"
}

// parseSwitching parses the head of a 101, exactly. It is strict: a 101 ends
// HTTP, and what is sloppy about it is no WebSocket server's.
func parseSwitching(head []byte, req *http.Request) (*http.Response, error) {
	line, fields, _ := bytes.Cut(head, []byte("\n"))
	if !bytes.HasSuffix(line, []byte("\r")) {
		return nil, errLineEnd
	}
	line = line[:len(line)-1]
	// "HTTP/1.1 101 Switching Protocols" (RFC 9112 section 4)
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 101")) || len(line) > 12 && line[12] != ' ' || !all(view(line), inValue) {
		return nil, errors.New("the status line is malformed")
	}
	resp := &http.Response{
		Status:     trimSpace(string(line[len("HTTP/1.1 "):])),
		StatusCode: http.StatusSwitchingProtocols,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     http.Header{},
		Body:       http.NoBody,
		Request:    req,
	}
	for {
		name, value, rest, err := nextField(fields)
		if err != nil {
			return nil, err
		}
		if name == nil {
			return resp, nil
		}
		key := textproto.CanonicalMIMEHeaderKey(string(name))
		resp.Header[key] = append(resp.Header[key], string(value))
		fields = rest
	}
}

// readRefusal reads an answer other than 101, of which head and perhaps more has
// arrived.
func readRefusal(nc net.Conn, read []byte, req *http.Request) (*http.Response, error) {
	nc.SetReadDeadline(time.Now().Add(bodyTime))
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(read)), nc))
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, fmt.Errorf("the server's answer is malformed: %w: %s", err, quote(read))
	}
	keepSome(resp)
	return resp, nil
}

// keepSome replaces a body by its first KiB.
func keepSome(resp *http.Response) {
	some := readSome(resp.Body)
	resp.Body.Close()
	resp.Body = &someBody{*bytes.NewReader(some)}
}

// someBody is the start of a body, in memory.
type someBody struct{ bytes.Reader }

func (b *someBody) Close() error { return nil }

// explainRefusal says what an answer other than 101 means.
func explainRefusal(resp *http.Response) error {
	s := fmt.Sprintf("the server answered %s instead of 101 Switching Protocols", resp.Status)
	if v := resp.Header.Get("Sec-Websocket-Version"); resp.StatusCode == http.StatusUpgradeRequired && v != "" {
		s += fmt.Sprintf(" (it speaks Sec-WebSocket-Version %q)", v)
	}
	if v := resp.Header.Get("Location"); v != "" {
		s += fmt.Sprintf(" (to %q)", v)
	}
	if v := resp.Header.Get("Www-Authenticate"); v != "" {
		s += fmt.Sprintf(" (it asks for %q)", v)
	}
	if body, ok := resp.Body.(*someBody); ok && body.Len() > 0 {
		some := make([]byte, min(body.Len(), 201))
		body.ReadAt(some, 0)
		s += ": " + quote(some)
	}
	return errors.New(s)
}

// explainHead says why no answer could be read.
func (d *dialer) explainHead(err error, read []byte) error {
	switch {
	case errors.Is(err, errHeadTooLarge):
		return fmt.Errorf("the server's answer has a head larger than DialOptions.MaxHeader (%d bytes)", d.limit)
	case errors.Is(err, errNotHTTP):
		if bytes.HasPrefix(read, []byte{0x15, 3}) && d.url.Scheme == "ws" {
			return errors.New("the server's answer is not HTTP but a TLS alert: use wss://")
		}
		return fmt.Errorf("the server's answer is not HTTP: %s", quote(read))
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the server closed the connection without an answer: %w", err)
	}
	if len(read) > 0 {
		return fmt.Errorf("reading the server's answer after %s: %w", quote(read), err)
	}
	return fmt.Errorf("reading the server's answer: %w", err)
}
