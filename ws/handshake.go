package ws

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"unsafe"
)

// keyGUID is what RFC 6455 section 1.3 has the server append to the key.
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const (
	keySize    = 24 // base64 of 16 bytes
	acceptSize = 28 // base64 of a SHA-1 sum
)

// What a byte may be in a message head (RFC 9110 sections 5.5 and 5.6.2).
const (
	inToken  = 1 << iota // tchar: methods, field names, subprotocols
	inValue              // field values: visible, space, tab, obs-text
	inTarget             // request targets: visible or obs-text
	inKey                // the base64 alphabet
	inHost               // Host: reg-name, IP literal, port (RFC 3986 section 3.2.2)
)

var charClass = func() (t [256]byte) {
	for c := range 256 {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if letter {
			t[c] |= inToken | inKey | inHost
		}
		if c > ' ' && c != 0x7f {
			t[c] |= inTarget | inValue
		}
	}
	t[' '] |= inValue
	t['\t'] |= inValue
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] |= inToken
	}
	for _, c := range []byte("-._~%!$&'()*+,;=:[]") {
		t[c] |= inHost
	}
	t['+'] |= inKey
	t['/'] |= inKey
	return t
}()

// all reports whether every byte of s is of the class.
func all(s string, class byte) bool {
	for i := range len(s) {
		if charClass[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// isToken reports whether s is a token (RFC 9110 section 5.6.2).
func isToken(s string) bool { return s != "" && all(s, inToken) }

// view is b as a string, without a copy: it lives only as long as nobody writes
// to b or gives b back to its pool.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf is s as bytes, without a copy. They must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// appendAccept appends the Sec-WebSocket-Accept that answers a valid key
// (RFC 6455 section 4.2.2, step 5.4).
func appendAccept(b []byte, key string) []byte {
	var in [keySize + len(keyGUID)]byte
	n := copy(in[:keySize], key)
	copy(in[n:], keyGUID)
	sum := sha1.Sum(in[:])
	return base64.StdEncoding.AppendEncode(b, sum[:])
}

// validKey reports whether key is "a base64-encoded value that, when decoded,
// is 16 bytes in length" (RFC 6455 section 4.2.1, item 5).
func validKey(key string) bool {
	return len(key) == keySize && key[keySize-2:] == "==" && all(key[:keySize-2], inKey)
}

// newKey returns a key of 16 random bytes (RFC 6455 section 4.1, item 7).
func newKey() string {
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// equalFold compares without regard to ASCII case. lower holds lower-case
// ASCII. (Unicode folding would take U+212A for a k.)
func equalFold(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// trimSpace cuts optional whitespace (RFC 9110 section 5.6.3) off both ends.
func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// nextElement cuts the first element off a comma-separated list. It passes over
// empty elements (RFC 9110 section 5.6.1.2). element is empty at the end.
func nextElement(list string) (element, rest string) {
	for list != "" {
		i := 0
		for i < len(list) && list[i] != ',' {
			i++
		}
		element = trimSpace(list[:i])
		list = list[min(i+1, len(list)):]
		if element != "" {
			return element, list
		}
	}
	return "", ""
}

// hasToken reports whether a comma-separated list holds the lower-case token.
func hasToken(list, token string) bool {
	for {
		var element string
		if element, list = nextElement(list); element == "" {
			return false
		}
		if equalFold(element, token) {
			return true
		}
	}
}
