package deflate

import (
	"errors"
	"strings"
)

// The names that RFC 7692 §7.1 registers.
const (
	extensionName         = "permessage-deflate"
	serverNoTakeoverParam = "server_no_context_takeover"
	clientNoTakeoverParam = "client_no_context_takeover"
	serverWindowBitsParam = "server_max_window_bits"
	clientWindowBitsParam = "client_max_window_bits"
)

var errSyntax = errors.New("header is not a list of extensions (RFC 6455 section 9.1)")

// headerReader reads the values of Sec-WebSocket-Extensions, several of which
// are one list (RFC 6455 §9.1):
//
//	extension-list  = 1#extension
//	extension       = extension-token *( ";" extension-param )
//	extension-param = token [ "=" (token | quoted-string) ]
type headerReader struct {
	values []string // the values that were not begun
	s      string   // the rest of the one that was
	inside bool     // behind an element or parameter of s
}

// nextExtension moves to the next element of the list, over the parameters that
// were not read, and returns its name. It returns "" at the end.
func (h *headerReader) nextExtension() (string, error) {
	for h.inside {
		if _, ok, err := h.nextParam(); err != nil {
			return "", err
		} else if !ok {
			break
		}
	}
	for {
		h.s = trimLeft(h.s)
		switch {
		case h.s == "" && len(h.values) == 0:
			return "", nil
		case h.s == "":
			h.s, h.values = h.values[0], h.values[1:]
		case h.s[0] == ',': // RFC 9110 §5.6.1.2: empty elements are ignored
			h.s = h.s[1:]
		default:
			name := h.token()
			if name == "" {
				return "", errSyntax
			}
			h.inside = true
			return name, nil
		}
	}
}

// param is one parameter of an extension, its value unquoted.
type param struct {
	name, value string
	hasValue    bool
}

// nextParam reads the next parameter of the extension. It returns false behind
// the last.
func (h *headerReader) nextParam() (p param, ok bool, err error) {
	h.s = trimLeft(h.s)
	if h.s == "" || h.s[0] == ',' {
		h.inside = false
		return p, false, nil
	}
	if h.s[0] != ';' {
		return p, false, errSyntax
	}
	h.s = trimLeft(h.s[1:])
	if p.name = h.token(); p.name == "" {
		return p, false, errSyntax
	}
	h.s = trimLeft(h.s)
	if h.s == "" || h.s[0] != '=' {
		return p, true, nil
	}
	h.s = trimLeft(h.s[1:])
	p.hasValue = true
	if h.s != "" && h.s[0] == '"' {
		p.value, err = h.quoted()
		return p, err == nil, err
	}
	if p.value = h.token(); p.value == "" {
		return p, false, errSyntax
	}
	return p, true, nil
}

func (h *headerReader) token() string {
	n := 0
	for n < len(h.s) && isTokenByte(h.s[n]) {
		n++
	}
	t := h.s[:n]
	h.s = h.s[n:]
	return t
}

// quoted reads a quoted-string. RFC 6455 §9.1: "When using the quoted-string
// syntax variant, the value after quoted-string unescaping MUST conform to the
// 'token' ABNF."
func (h *headerReader) quoted() (string, error) {
	var b strings.Builder
	for i := 1; i < len(h.s); i++ {
		c := h.s[i]
		switch {
		case c == '"':
			h.s = h.s[i+1:]
			if b.Len() == 0 {
				return "", errSyntax
			}
			return b.String(), nil
		case c == '\\':
			if i++; i == len(h.s) {
				return "", errSyntax
			}
			c = h.s[i]
		}
		if !isTokenByte(c) {
			return "", errSyntax
		}
		b.WriteByte(c)
	}
	return "", errSyntax
}

// isTokenByte reports whether c may stand in a token (RFC 9110 §5.6.2).
func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func trimLeft(s string) string { return strings.TrimLeft(s, " \t") }
