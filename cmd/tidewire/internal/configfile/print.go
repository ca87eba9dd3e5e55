package configfile

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Print writes the configuration that ctx has come to, as a File.
func Print(w io.Writer, ctx *kong.Context) error {
	var b strings.Builder
	for _, flag := range Flags(ctx) {
		if flag.Tag.Get("config") == "-" {
			continue
		}
		text := ""
		switch v := flag.Target.Interface().(type) {
		case encoding.TextMarshaler:
			t, err := v.MarshalText()
			if err != nil {
				return err
			}
			text = scalar(strings.ToLower(string(t)))
		case time.Duration:
			text = scalar(v.String())
		case string:
			text = scalar(mask(flag, v))
		case []string:
			list := make([]string, len(v))
			for i := range v {
				list[i] = quoted(mask(flag, v[i]))
			}
			text = "[" + strings.Join(list, ", ") + "]"
		default:
			text = fmt.Sprint(v)
		}
		fmt.Fprintf(&b, "%s: %s\n", flag.Name, text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// scalar is s in YAML: as it is, where that is read as the same text, or in quotes.
func scalar(s string) string {
	file, err := parser.ParseBytes([]byte("k: "+s+"\n"), 0)
	if err != nil || len(file.Docs) != 1 || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return quoted(s)
	}
	m, _ := file.Docs[0].Body.(*ast.MappingNode)
	if m == nil || len(m.Values) != 1 {
		return quoted(s)
	}
	if text, ok := m.Values[0].Value.(*ast.StringNode); !ok || text.Value != s || m.Values[0].GetComment() != nil {
		return quoted(s)
	}
	return s
}

// quoted is s in YAML's double quotes, which take what JSON writes.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string is always JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}
