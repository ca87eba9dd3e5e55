package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/live/protocol"
)

const maxBody = 4 << 20

// readBody reads a request's body, which must be JSON as it says it is, and come in time.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	typ, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset, ok := parameters["charset"]; err != nil || typ != "application/json" || len(r.Header["Content-Type"]) != 1 || ok && !strings.EqualFold(charset, "utf-8") {
		return nil, invalid("the Content-Type must be application/json, which is UTF-8")
	}
	if len(r.Header["Content-Encoding"]) > 0 {
		return nil, invalid("the body must come without a Content-Encoding")
	}
	tooLarge := protocol.Errorf(protocol.CodeTooLarge, "the body has more than %d bytes", maxBody)
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	p, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		late := protocol.Errorf(protocol.CodeUnavailable, "the body did not come within %v; nothing was done", patience)
		return nil, fmt.Errorf("%w: %w", late, os.ErrDeadlineExceeded)
	case err != nil:
		return nil, invalid("the body breaks off")
	}
	w.Header().Del("Connection")
	http.NewResponseController(w).SetReadDeadline(time.Time{}) // or the server, which listens on, would take the client for gone
	if !utf8.Valid(p) {
		return nil, invalid("the body is not UTF-8")
	}
	return p, nil
}

func invalid(format string, args ...any) error {
	return protocol.Errorf(protocol.CodeInvalid, format, args...)
}

// object is a JSON object whose names are known and exact, and occur once. encoding/json alone takes the last of several, and
// for a struct names in any case: what one program checks another would read differently.
type object map[string]json.RawMessage

// parseObject reads an object that may have these names. A null is as good as nothing.
func parseObject(p []byte, names ...string) (object, error) {
	d := json.NewDecoder(bytes.NewReader(p))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, invalid("the body, and each message, must be a JSON object")
	}
	o := object{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, invalid("the body is not JSON")
		}
		if !slices.Contains(names, name) {
			return nil, invalid("there is a member that is not known here; known are %s", strings.Join(names, ", "))
		}
		if _, twice := o[name]; twice {
			return nil, invalid("%s occurs twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, invalid("the body is not JSON")
		}
		o[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, invalid("the body is not JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, invalid("there is something behind the body's object")
	}
	for name, value := range o {
		if string(value) == "null" {
			delete(o, name)
		}
	}
	return o, nil
}

// text returns a string, "" where there is none.
func (o object) text(name string) (string, error) {
	raw, ok := o[name]
	if !ok {
		return "", nil
	}
	return text(raw, name)
}

// text reads a string. Half of a surrogate pair, which encoding/json replaces, would make two names one.
func text(raw json.RawMessage, name string) (string, error) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", invalid("%s must be a string", name)
	}
	if strings.Count(s, "\uFFFD") != bytes.Count(raw, []byte("\uFFFD")) {
		return "", invalid("%s has half of a surrogate pair", name)
	}
	return s, nil
}

// printable reports whether a text has nothing that would be a line of its own in somebody's log, and not too many bytes.
func printable(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// boolean returns a boolean, false where there is none.
func (o object) boolean(name string) (bool, error) {
	switch string(o[name]) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, invalid("%s must be true or false", name)
}

// list returns the elements of an array of at most that many, nil where there is none.
func (o object) list(name string, most int) ([]json.RawMessage, error) {
	raw, ok := o[name]
	if !ok {
		return nil, nil
	}
	all := []json.RawMessage{}
	if raw[0] != '[' || json.Unmarshal(raw, &all) != nil {
		return nil, invalid("%s must be an array", name)
	}
	if len(all) > most {
		return nil, protocol.Errorf(protocol.CodeTooLarge, "%s has %d elements; %d are the most", name, len(all), most)
	}
	return all, nil
}

// texts returns the strings of an array.
func (o object) texts(name string, most int) ([]string, error) {
	raws, err := o.list(name, most)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(raws))
	for i, raw := range raws {
		if all[i], err = text(raw, "what is in "+name); err != nil {
			return nil, err
		}
	}
	return all, nil
}
