package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxHead bounds the bytes of a handshake that is read from a peer.
const maxHead = 64 << 10

// head is the start line and the fields of an HTTP message, as they came.
type head struct {
	raw    []byte
	start  string
	fields []field
}

type field struct{ name, value string }

// readHead reads up to and including the empty line. It returns what it has
// even when it returns an error.
func readHead(r *bufio.Reader) (head, error) {
	var h head
	for {
		line, err := r.ReadSlice('\n')
		h.raw = append(h.raw, line...)
		if len(h.raw) > maxHead {
			return h, fmt.Errorf("the handshake is longer than %d bytes", maxHead)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			if errors.Is(err, io.EOF) && len(h.raw) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return h, err
		}
		if string(line) == "\r\n" || string(line) == "\n" {
			return h, h.parse()
		}
	}
}

// parse splits raw into the start line and the fields. It is strict: what a
// peer sends in a handshake has no reason to be anything but plain.
func (h *head) parse() error {
	lines := strings.Split(string(h.raw), "\r\n")
	if len(lines) < 3 || lines[len(lines)-1] != "" {
		return errors.New("the lines of the handshake do not end with CR LF")
	}
	h.start = lines[0]
	for _, line := range lines[1 : len(lines)-2] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t\"(),/:;<=>?@[\\]{}") || strings.Contains(line, "\n") {
			return fmt.Errorf("malformed header line %q", line)
		}
		h.fields = append(h.fields, field{name, strings.Trim(value, " \t")})
	}
	return nil
}

// values returns the values of every field with that name, in any case.
func (h *head) values(name string) []string {
	var v []string
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			v = append(v, f.value)
		}
	}
	return v
}

// only returns the value of a field that must occur exactly once.
func (h *head) only(name string) (string, error) {
	v := h.values(name)
	switch len(v) {
	case 0:
		return "", fmt.Errorf("there is no %s header", name)
	case 1:
		return v[0], nil
	}
	return "", fmt.Errorf("there are %d %s headers", len(v), name)
}

// hasToken tells whether a comma-separated field holds a token, in any case.
func (h *head) hasToken(name, token string) bool {
	for _, v := range h.values(name) {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}
