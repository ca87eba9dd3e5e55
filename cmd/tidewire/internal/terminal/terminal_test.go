package terminal_test

import (
	"bytes"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/terminal"
)

// commands is what Tab completes.
func commands(line string) []string {
	if line != "" && strings.HasPrefix("/ping", line) {
		return []string{"/ping"}
	}
	return nil
}

// entered returns the lines that come of pressing keys.
func entered(t testing.TB, history *terminal.History, keys string) (lines []string, last error) {
	t.Helper()
	p, err := terminal.NewPrompt(strings.NewReader(keys), &bytes.Buffer{}, terminal.PromptOptions{
		History: history, Width: func() int { return 20 }, Complete: commands,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for {
		line, err := p.ReadLine()
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
	}
}

func TestPromptEdits(t *testing.T) {
	const left, right, up, down, home, end = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B", "\x1b[H", "\x1b[F"
	for _, tc := range []struct{ name, keys, want string }{
		{"plain", "hello\r", "hello"},
		{"in the middle", "hllo" + left + left + left + "e\r", "hello"},
		{"wide", "世界" + left + "x\r", "世x界"},
		{"clusters", "a👩‍👩‍👧e\u0301\x7f\x7f\r", "a"},
		{"to the ends", "b" + home + "a" + end + "c\r", "abc"},
		{"words", "one two three" + "\x1bb\x1bb" + "\x0b\r", "one "},
		{"kill a word", "one two\x17\r", "one "},
		{"kill before", "one two" + left + "\x15\r", "o"},
		{"delete", "abc" + home + "\x1b[3~\x04\r", "c"},
		{"transpose", "ab\x14\r", "ba"},
		{"history", "one\rtwo\r" + up + up + "!\r", "one|two|one!"},
		{"and back", "one\rdraft" + up + down + "\r", "one|draft"},
		{"search", "alpha\rbeta\r\x12al\r", "alpha|beta|alpha"},
		{"search given up", "alpha\rx\x12al\x03y\r", "alpha|xy"},
		{"completion", "/pi\t\r", "/ping "},
		{"paste", "\x1b[200~a\rb\x03c\x1b[201~d\r", "a\nbcd"},
		{"break", "a\x1b\rb\r", "a\nb"},
		{"unknown keys", "a\x1b[99;99~\x1bOPb\r", "ab"},
		{"bytes that are no UTF-8", "a\xff\xc3b\r", "ab"},
	} {
		lines, err := entered(t, nil, tc.keys)
		if got := strings.Join(lines, "|"); got != tc.want || err != io.EOF {
			t.Errorf("%s: %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
	if _, err := entered(t, nil, "abc\x03"); err != terminal.ErrLeave {
		t.Errorf("Ctrl-C: %v", err)
	}
}

// What is printed while a line is edited appears above it, and the line stays.
func TestPromptPrintsAbove(t *testing.T) {
	in, keys := io.Pipe()
	out := &bytes.Buffer{}
	p, err := terminal.NewPrompt(in, out, terminal.PromptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	line := make(chan string, 1)
	go func() {
		text, _ := p.ReadLine()
		line <- text
	}()
	io.WriteString(keys, "hal")
	p.Print("a message\n")
	io.WriteString(keys, "lo\r")
	if text := <-line; text != "hallo" {
		t.Errorf("the line is %q", text)
	}
	p.Close()
	if s := out.String(); !strings.Contains(s, "\r\x1b[Ja message\r\n\r> ") || !strings.HasSuffix(s, "\x1b[?2004l") {
		t.Errorf("%q", s)
	}
}

// A long paste is taken whole, up to what a line may have, and neither that nor drawing it costs more for each of its runes.
func TestPromptLongPaste(t *testing.T) {
	text := "a" + strings.Repeat("世", 1<<18)
	for name, prints := range map[string]int{"pasted": 0, "above": 500} {
		in, keys := io.Pipe()
		p, err := terminal.NewPrompt(in, io.Discard, terminal.PromptOptions{})
		if err != nil {
			t.Fatal(err)
		}
		line := make(chan string, 1)
		go func() {
			text, _ := p.ReadLine()
			line <- text
		}()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		io.WriteString(keys, "\x1b[200~"+text+strings.Repeat("界", 1<<18)+"\x1b[201~")
		for range prints {
			p.Print("a message\n")
		}
		io.WriteString(keys, "\r")
		got := <-line
		runtime.ReadMemStats(&after)
		if !strings.HasPrefix(got, text) || len(got) > 1<<20 || len(got) < 1<<20-3 || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes of it", name, len(got))
		}
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 400 {
			t.Errorf("%s: it took %d MiB", name, used)
		}
		p.Close()
	}
}

func TestHistoryIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "history")
	for run, want := range []int{0, 3} {
		h, err := terminal.OpenHistory(file)
		if err != nil || h.Len() != want {
			t.Fatalf("run %d: %d lines, %v", run, h.Len(), err)
		}
		for _, text := range []string{"one", "one", " secret", "", "two\\n\nlines", "three"} {
			if err := h.Add(text); err != nil {
				t.Fatal(err)
			}
		}
		if run == 0 && (h.At(0) != "three" || h.At(1) != "two\\n\nlines" || h.At(2) != "one") {
			t.Errorf("%q, %q, %q", h.At(0), h.At(1), h.At(2))
		}
	}
	h, err := terminal.OpenHistory(file)
	if err != nil || h.Len() != 6 || h.At(1) != "two\\n\nlines" {
		t.Errorf("%d lines, %v", h.Len(), err)
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain 世界\n\t":       "plain 世界\n\t",
		"\x1b[2J\r\a\x7f":    `\x1b[2J\x0d\x07\x7f`,
		"\u009b31m\u202eabc": `\u009b31m\u202eabc`,
		"\xff\xc3":           `\xff\xc3`,
	} {
		if got := terminal.Escape([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Whatever is pressed, a line is UTF-8, and nothing panics.
func FuzzPrompt(f *testing.F) {
	f.Add("a\x1b[D\x1b[200~x\ry\x1b[201~\r")
	f.Add("世界\x1bb\x12a\x12\x7f\x7f\x03\x14\t\x0c\r")
	f.Fuzz(func(t *testing.T, keys string) {
		lines, err := entered(t, nil, keys)
		if err == nil {
			t.Fatal("it did not end")
		}
		for _, line := range lines {
			if !utf8.ValidString(line) {
				t.Fatalf("%q", line)
			}
		}
	})
}

// No terminal is told anything by what comes out of Escape.
func FuzzEscape(f *testing.F) {
	f.Add([]byte("\x1b]0;x\a\u202e\xff"))
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, r := range terminal.Escape(p) {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError && !bytes.ContainsRune(p, r) {
				t.Fatalf("%q has %q", p, r)
			}
		}
	})
}
