//go:build !js

package ws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
)

const defaultMaxHeader = 8 << 10

var (
	errHeadTooLarge = errors.New("head is too large")
	errNotHTTP      = errors.New("not HTTP")
	errLineEnd      = errors.New("a line does not end in CR LF")
	errFolded       = errors.New("a header continues on a second line")
	errFieldName    = errors.New("a header name is empty or holds a byte that is not allowed")
	errFieldSpace   = errors.New("a header name is followed by a space")
	errFieldValue   = errors.New("a header value holds a control character")
	errRequestLine  = errors.New("the request line is malformed")
)

// headEnd returns the length of the message head at the start of b, its blank
// line included, or 0 when that has not arrived. The bytes before from were
// searched already. Lines that end in a bare LF are found too, so that they can
// be refused at once rather than after a timeout.
func headEnd(b []byte, from int) int {
	i := max(from-2, 0) // a blank line may be half here
	for {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		if i < len(b) && b[i] == '\n' {
			return i + 1
		}
		if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' {
			return i + 2
		}
	}
}

// readHead reads from r until b holds a whole message head of at most limit
// bytes, and returns the head's length. Behind it b may hold what follows. A
// head must begin with prefix, or at least with a letter: whatever is no HTTP is
// told at once. The buffer that readHead returns replaces b, also beside an
// error.
func readHead(r io.Reader, b *[]byte, limit int, prefix string) (*[]byte, int, error) {
	searched, idle := 0, 0
	for {
		if n := min(len(*b), len(prefix)); n > 0 && string((*b)[:n]) != prefix[:n] ||
			len(*b) > 0 && charClass[(*b)[0]]&inToken == 0 {
			return b, 0, errNotHTTP
		}
		if end := headEnd(*b, searched); end > limit || end == 0 && len(*b) >= limit {
			return b, 0, errHeadTooLarge
		} else if end > 0 {
			return b, end, nil
		}
		searched = len(*b)
		b = growBuffer(b, 1)
		n, err := r.Read((*b)[searched:cap(*b)])
		*b = (*b)[:searched+n]
		if n > 0 {
			idle = 0
			continue
		}
		if err == nil {
			if idle++; idle > 100 {
				return b, 0, io.ErrNoProgress
			}
			continue
		}
		if err == io.EOF && searched > 0 {
			err = io.ErrUnexpectedEOF
		}
		return b, 0, err
	}
}

// nextField cuts the first field line off the fields of a head. A nil name with
// a nil error is the blank line at their end. It is strict where leniency has
// let requests be smuggled (RFC 9112 sections 2.2, 5.1 and 5.2).
func nextField(fields []byte) (name, value, rest []byte, err error) {
	i := 0
	for i < len(fields) && charClass[fields[i]]&inToken != 0 {
		i++
	}
	if i == len(fields) {
		return nil, nil, nil, errLineEnd
	}
	if c := fields[i]; i == 0 {
		switch {
		case c == '\r' && len(fields) == 2 && fields[1] == '\n':
			return nil, nil, nil, nil
		case c == '\r' || c == '\n':
			return nil, nil, nil, errLineEnd
		case c == ' ' || c == '\t':
			return nil, nil, nil, errFolded
		}
		return nil, nil, nil, errFieldName
	} else if c != ':' {
		switch c {
		case ' ', '\t':
			return nil, nil, nil, errFieldSpace
		case '\r', '\n':
			return nil, nil, nil, fmt.Errorf("header line %q has no colon", fields[:i])
		}
		return nil, nil, nil, errFieldName
	}
	start := i + 1
	for start < len(fields) && (fields[start] == ' ' || fields[start] == '\t') {
		start++
	}
	end := start
	for end < len(fields) && charClass[fields[end]]&inValue != 0 {
		end++
	}
	if end+1 >= len(fields) || fields[end] != '\r' || fields[end+1] != '\n' {
		if end < len(fields) && fields[end] != '\r' && fields[end] != '\n' {
			return nil, nil, nil, fmt.Errorf("header %q: %w", fields[:i], errFieldValue)
		}
		return nil, nil, nil, errLineEnd
	}
	rest = fields[end+2:]
	for end > start && (fields[end-1] == ' ' || fields[end-1] == '\t') {
		end--
	}
	return fields[:i], fields[start:end], rest, nil
}

// eachField iterates over the fields of a head that was parsed already.
func eachField(fields []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for {
			name, value, rest, err := nextField(fields)
			if name == nil || err != nil || !yield(name, value) {
				return
			}
			fields = rest
		}
	}
}

// lines holds the values of a header that may come more than once.
type lines struct {
	first string
	rest  []string
}

func (l *lines) add(s string) {
	if l.first == "" {
		l.first = s
	} else if s != "" {
		l.rest = append(l.rest, s)
	}
}

// slice returns all values, nil for none.
func (l *lines) slice() []string {
	if l.first == "" {
		return nil
	}
	return append([]string{l.first}, l.rest...)
}

// hello is what a client asked for, whichever door it came through. Its strings
// may be views of a pooled buffer.
type hello struct {
	method, target string
	major, minor   int
	host           string
	origin         string
	key            string
	version        string

	hosts, origins, keys, versions int // how often each came

	upgrade    bool // Upgrade names websocket
	connection bool // Connection names upgrade
	body       bool // a body follows
	protocols  lines
	extensions lines
}

var hellos = sync.Pool{New: func() any { return new(hello) }}

// giveBack returns a hello that came from the pool and of which nobody knows any
// more.
func (h *hello) giveBack() {
	*h = hello{}
	hellos.Put(h)
}

// parseRequest reads the head that b holds exactly, blank line included. fields
// is the part of it that [eachField] takes. The hello's strings are views of b.
func parseRequest(b []byte, h *hello) (fields []byte, err error) {
	i := 0
	for i < len(b) && charClass[b[i]]&inToken != 0 {
		i++
	}
	if i == 0 || i == len(b) || b[i] != ' ' {
		return nil, errRequestLine
	}
	h.method = view(b[:i])
	i++
	start := i
	for i < len(b) && charClass[b[i]]&inTarget != 0 {
		i++
	}
	// "GET /chat HTTP/1.1" CR LF: the version is 8 bytes (RFC 9112 section 3).
	if i == start || len(b)-i < len(" HTTP/1.1\r\n") || b[i] != ' ' {
		return nil, errRequestLine
	}
	h.target = view(b[start:i])
	v := b[i+1:]
	if string(v[:5]) != "HTTP/" || v[5]-'0' > 9 || v[6] != '.' || v[7]-'0' > 9 {
		return nil, errRequestLine
	}
	if v[8] != '\r' || v[9] != '\n' {
		if v[8] == '\n' {
			return nil, errLineEnd
		}
		return nil, errRequestLine
	}
	h.major, h.minor = int(v[5]-'0'), int(v[7]-'0')
	fields = v[10:]
	for rest := fields; ; {
		var name, value []byte
		name, value, rest, err = nextField(rest)
		if err != nil {
			return nil, err
		}
		if name == nil {
			return fields, nil
		}
		h.take(view(name), view(value))
	}
}

// take notes a field if the handshake depends on it.
func (h *hello) take(name, value string) {
	switch len(name) {
	case len("host"):
		if equalFold(name, "host") {
			h.host = value
			h.hosts++
		}
	case len("origin"):
		if equalFold(name, "origin") {
			h.origin = value
			h.origins++
		}
	case len("upgrade"):
		if equalFold(name, "upgrade") && hasToken(value, "websocket") {
			h.upgrade = true
		}
	case len("connection"):
		if equalFold(name, "connection") && hasToken(value, "upgrade") {
			h.connection = true
		}
	case len("content-length"):
		if equalFold(name, "content-length") && value != "0" {
			h.body = true
		}
	case len("transfer-encoding"): // and sec-websocket-key
		if equalFold(name, "sec-websocket-key") {
			h.key = value
			h.keys++
		} else if equalFold(name, "transfer-encoding") {
			h.body = true
		}
	case len("sec-websocket-version"):
		if equalFold(name, "sec-websocket-version") {
			h.version = value
			h.versions++
		}
	case len("sec-websocket-protocol"):
		if equalFold(name, "sec-websocket-protocol") {
			h.protocols.add(value)
		}
	case len("sec-websocket-extensions"):
		if equalFold(name, "sec-websocket-extensions") {
			h.extensions.add(value)
		}
	}
}
