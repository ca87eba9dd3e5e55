package talk

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Form is how a line stands for a message.
type Form int

// The forms.
const (
	Text      Form = iota // a line is a text message
	Binary                // bytes are a binary message as they are
	Hex                   // a line is a binary message in hexadecimal digits; spaces and colons between them do not count
	Base64                // a line is a binary message in Base64, of either alphabet
	JSONLines             // a line is an object: {"type":"text","data":"…"} or {"type":"binary","base64":"…"}
)

var errNotUTF8 = errors.New("it is not UTF-8, as a text message must be: send it with --binary, --hex or --base64")

// Parse returns the message that a line without its end stands for.
func (f Form) Parse(line []byte) (Message, error) {
	switch f {
	case Binary:
		return Message{Binary: true, Data: line}, nil
	case Hex:
		digits := bytes.Map(func(r rune) rune {
			if r == ' ' || r == '\t' || r == ':' {
				return -1
			}
			return r
		}, line)
		data := make([]byte, hex.DecodedLen(len(digits)))
		if _, err := hex.Decode(data, digits); err != nil {
			return Message{}, fmt.Errorf("it is not hexadecimal: %w", err)
		}
		return Message{Binary: true, Data: data}, nil
	case Base64:
		data, err := parseBase64(string(line))
		return Message{Binary: true, Data: data}, err
	case JSONLines:
		var j jsonMessage
		if err := strictJSON(line, &j); err != nil {
			return Message{}, err
		}
		return j.message()
	}
	if !utf8.Valid(line) {
		return Message{}, errNotUTF8
	}
	return Message{Data: line}, nil
}

// Append appends what stands for the message in this form, without the end of the
// line. Text is itself in Hex and Base64.
func (f Form) Append(b []byte, m Message) []byte {
	switch {
	case f == JSONLines:
		line, _ := encodeJSON(jsonOf(m)) // strings alone
		return append(b, line...)
	case f == Hex && m.Binary:
		return hex.AppendEncode(b, m.Data)
	case f == Base64 && m.Binary:
		return base64.StdEncoding.AppendEncode(b, m.Data)
	}
	return append(b, m.Data...)
}

// parseBase64 takes both alphabets, with and without padding.
func parseBase64(s string) ([]byte, error) {
	text := []byte(s)
	for i, c := range text {
		switch c {
		case '-':
			text[i] = '+'
		case '_':
			text[i] = '/'
		}
	}
	data, err := base64.RawStdEncoding.DecodeString(string(bytes.TrimRight(bytes.TrimSpace(text), "=")))
	if err != nil {
		return nil, fmt.Errorf("it is not Base64: %w", err)
	}
	return data, nil
}

// jsonMessage is a message as JSON.
type jsonMessage struct {
	Type   string  `json:"type,omitempty"`
	Data   *string `json:"data,omitempty"`
	Base64 *string `json:"base64,omitempty"`
}

func jsonOf(m Message) jsonMessage {
	if !m.Binary && utf8.Valid(m.Data) {
		text := string(m.Data)
		return jsonMessage{Type: "text", Data: &text}
	}
	text := base64.StdEncoding.EncodeToString(m.Data)
	if m.Binary {
		return jsonMessage{Type: "binary", Base64: &text}
	}
	return jsonMessage{Type: "text", Base64: &text} // a piece of a stream
}

func (j *jsonMessage) message() (Message, error) {
	m := Message{Binary: j.Type == "binary"}
	switch {
	case j.Type != "text" && j.Type != "binary":
		return m, fmt.Errorf(`"type" is %q; it must be text or binary`, j.Type)
	case (j.Data == nil) == (j.Base64 == nil):
		return m, errors.New(`a message has either "data" or "base64"`)
	case j.Data != nil:
		m.Data = []byte(*j.Data)
		return m, nil
	}
	var err error
	m.Data, err = parseBase64(*j.Base64)
	return m, err
}

// strictJSON decodes a line, which must be one value without unknown members.
func strictJSON(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("it is not the JSON that is wanted: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more than one JSON value in a line")
	}
	return nil
}

// encodeJSON is json.Marshal without the escapes that are for HTML.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
