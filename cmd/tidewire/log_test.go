package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// TestColouredLog has a log tell of what somebody else chose: none of it gets to the terminal as an escape.
func TestColouredLog(t *testing.T) {
	for _, text := range []string{"\x1b[7m", "a \x1b[7m b", `\x1b[7m`, `a \x1b[7m b`, `\\x1b[7m `, "\a\x1b[7m\u202e\u009b7m"} {
		for name, v := range map[string]any{"string": text, "error": errors.New(text), "text": &url.URL{Opaque: text}, "error within": slog.GroupValue(slog.Any("error", errors.New(text)))} {
			var b bytes.Buffer
			slog.New(coloured(&b, slog.LevelInfo)).With("with", text).Warn("it happened", "what", v, "from", netip.MustParseAddr("127.0.0.1"))
			line := b.String()
			if strings.Contains(line, "\x1b[7m") || strings.ContainsAny(line, "\a\u202e\u009b") {
				t.Errorf("%s %q: %q", name, text, line)
			}
			if !strings.Contains(line, "\x1b[93mWRN\x1b[0m it happened") || !strings.Contains(line, "127.0.0.1") {
				t.Errorf("%q", line)
			}
		}
	}
}
