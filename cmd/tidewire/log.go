package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// newLogger makes the process's log: coloured lines for a person at a terminal,
// slog's text or JSON elsewhere.
func newLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	switch {
	case format == "json":
		return slog.New(slog.NewJSONHandler(w, options))
	case format == "auto" && isTerminal(w):
		return slog.New(coloured(w, level))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// coloured writes for a person at a terminal.
func coloured(w io.Writer, level slog.Level) slog.Handler {
	return tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, ReplaceAttr: harmless})
}

// escapes are what tint hands on as an escape, so that who has something logged could colour it, or do worse: also where
// it stands spelt out. What remains is spelt in capitals.
var escapes = strings.NewReplacer("\x1b", `\x1B`, `\x1b`, `\x1B`)

// harmless is a ReplaceAttr that leaves no escapes.
func harmless(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(escapes.Replace(v))
	case error:
		a.Value = slog.StringValue(escapes.Replace(v.Error()))
	case fmt.Stringer:
		if _, isLevel := v.(slog.Level); !isLevel && a.Value.Kind() == slog.KindAny {
			a.Value = slog.StringValue(escapes.Replace(v.String()))
		}
	}
	return a
}

// isTerminal reports whether w shows colours to a person. See no-color.org.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
