package talk

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/terminal"
)

// Pretty says how messages that are JSON are shown.
type Pretty int

// The ways.
const (
	Auto      Pretty = iota // on a terminal Compacted where that is short and otherwise Indented, AsIs elsewhere
	Indented                // objects and arrays over several lines
	AsIs                    // as they came
	Compacted               // without spaces
)

// ParsePretty returns the way with that name: auto, pretty, raw or compact.
func ParsePretty(name string) (Pretty, error) {
	for way, n := range []string{"auto", "pretty", "raw", "compact"} {
		if n == name {
			return Pretty(way), nil
		}
	}
	return 0, fmt.Errorf("%q is none of auto, pretty, raw and compact", name)
}

// short is how long JSON is, in bytes, that Auto leaves in one line.
const short = 60

// shape returns what is shown of a message: itself, where it is no JSON object or array.
func (w Pretty) shape(data []byte, terminal bool) (shaped []byte, isJSON bool) {
	if w == AsIs || w == Auto && !terminal {
		return data, false
	}
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' || !json.Valid(trimmed) {
		return data, false
	}
	var b bytes.Buffer
	var err error
	if w != Indented {
		err = json.Compact(&b, trimmed)
	}
	if w == Indented || w == Auto && b.Len() > short {
		if indentation(trimmed) > maxIndentation {
			return data, false
		}
		b.Reset()
		err = json.Indent(&b, trimmed, "", "  ")
	}
	if err != nil {
		return data, false
	}
	return b.Bytes(), true
}

// maxIndentation bounds what indenting adds to a message: to a small one that is nested deeply it could add gigabytes.
const maxIndentation = maxMessage

// indentation is how much indenting adds to what is JSON, at most.
func indentation(data []byte) (n int) {
	depth, text := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '[' || c == '{':
			depth++
			n += 1 + 2*depth
		case c == ',':
			n += 1 + 2*depth
		case c == ']' || c == '}':
			depth--
			n += 1 + 2*depth
		case c == ':':
			n++
		}
	}
	return n
}

// colourJSON colours the names of members and the strings in JSON, of which
// nothing else is harmful.
func colourJSON(text string) string {
	var b bytes.Buffer
	for i := 0; i < len(text); {
		if text[i] != '"' {
			b.WriteByte(text[i])
			i++
			continue
		}
		end := i + 1
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(text))
		colour := terminal.Green
		if end < len(text) && text[end] == ':' {
			colour = terminal.Cyan
		}
		b.WriteString(colour + text[i:end] + terminal.Plain)
		i = end
	}
	return b.String()
}
