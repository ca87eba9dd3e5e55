package protocol_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/live/protocol"
)

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section returns what stands below a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, s, ok := strings.Cut(page(t), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %q", heading)
	}
	s, _, _ = strings.Cut(s, "\n## ")
	return s
}

// constants returns the string constants of the package whose names begin with prefix.
func constants(t *testing.T, file, prefix string) map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, prefix) {
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
				if s, err := strconv.Unquote(literal.Value); err == nil {
					values[s] = true
				}
			}
		}
		return true
	})
	return values
}

func TestDocsCodes(t *testing.T) {
	codes := constants(t, "error.go", "Code")
	rows := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (yes|no) \\|").FindAllStringSubmatch(section(t, "Errors"), -1)
	for _, row := range rows {
		if !codes[row[1]] {
			t.Errorf("there is no constant for %q", row[1])
		}
		if protocol.Retryable(row[1]) != (row[2] == "yes") {
			t.Errorf("%q is retryable: %v", row[1], protocol.Retryable(row[1]))
		}
		delete(codes, row[1])
	}
	for code := range codes {
		t.Errorf("the table lacks %q", code)
	}
	if len(rows) == 0 {
		t.Error("found no table")
	}
}

// TestDocsTypes asks that each type of the protocol has an example, and that no example
// has one that is none.
func TestDocsTypes(t *testing.T) {
	types := constants(t, "message.go", "Type")
	if len(types) == 0 {
		t.Fatal("found no types")
	}
	seen := map[string]bool{}
	for _, m := range examples(t) {
		if seen[m.Type] = true; strings.HasPrefix(m.Type, "$") && !types[m.Type] {
			t.Errorf("there is no constant for %q", m.Type)
		}
	}
	for name := range types {
		if !seen[name] {
			t.Errorf("no example has the type %s", name)
		}
	}
}

// examples parses the lines that are messages.
func examples(t *testing.T) []protocol.Message {
	t.Helper()
	var found []protocol.Message
	for line := range strings.Lines(page(t)) {
		text, ok := strings.CutPrefix(line, "    ")
		if !ok {
			continue
		}
		text = strings.TrimPrefix(strings.TrimPrefix(text, "C "), "S ")
		m, err := protocol.JSON.Parse([]byte(text), 0)
		if err != nil {
			t.Errorf("%s%v", line, err)
			continue
		}
		// What the page shows is what is written.
		if b, err := protocol.JSON.Append(nil, &m); err != nil || string(b) != strings.TrimSpace(text) {
			t.Errorf("%sis written as\n    %s, %v", line, b, err)
		}
		found = append(found, m)
	}
	return found
}

// TestDocsPayloads decodes the examples' data: no member is unknown to the payload's type.
func TestDocsPayloads(t *testing.T) {
	for _, m := range examples(t) {
		var v any
		switch m.Type {
		case protocol.TypeHello:
			v = new(protocol.Hello)
		case protocol.TypeRefresh:
			v = new(protocol.Refresh)
		case protocol.TypeJoin:
			v = new(protocol.Join)
		case protocol.TypeHistory:
			v = new(protocol.HistoryQuery)
		case protocol.TypePresence:
			v = new(protocol.Presence)
		case protocol.TypeError:
			v = new(protocol.Error)
		case protocol.TypeGap:
			v = new(protocol.Gap)
		case protocol.TypeLeft:
			v = new(protocol.Left)
		case protocol.TypeDegraded:
			v = new(protocol.Degraded)
		case protocol.TypeDrain:
			v = new(protocol.Drain)
		}
		if v == nil || m.Data == nil {
			continue
		}
		d := json.NewDecoder(strings.NewReader(string(m.Data)))
		d.DisallowUnknownFields()
		if err := d.Decode(v); err != nil {
			t.Errorf("%s %s: %v", m.Type, m.Data, err)
		}
		if e, ok := v.(*protocol.Error); ok && e.Retryable != protocol.Retryable(e.Code) {
			t.Errorf("%s: retryable is %v", m.Data, e.Retryable)
		}
	}
}

func TestDocsNames(t *testing.T) {
	table := section(t, "Names")
	for name, max := range map[string]int{
		"`type`": protocol.MaxType, "`room`": protocol.MaxRoom, "`mid`, `key`, `epoch`": protocol.MaxMid, "user": protocol.MaxUser, "token": protocol.MaxToken,
	} {
		if row := "| " + name + " | 1 to " + strconv.Itoa(max) + " |"; !strings.Contains(table, row) {
			t.Errorf("the table has no row %q", row)
		}
	}
	if protocol.MaxEpoch != protocol.MaxMid {
		t.Error("an epoch has another limit than a mid")
	}
}
