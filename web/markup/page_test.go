package markup_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/web/markup"
)

func TestPut(t *testing.T) {
	for _, tc := range []struct {
		format string
		args   []any
		want   string
	}{
		{"<p>100%%</p>", nil, "<p>100%</p>"},
		{"<p>%s</p>", []any{"</p><script>alert('&')</script>"}, "<p>&lt;/p&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;</p>"},
		{`<p id="%s">`, []any{`" onclick="x`}, `<p id="&#34; onclick=&#34;x">`},
		{"<b>%s</b>", []any{"\x00\x1b[2J\x7f\xff\ta\r\nb é"}, "<b>\uFFFD\uFFFD[2J\uFFFD\uFFFD\ta\r\nb é</b>"},
		{"%v", []any{errors.New("<i>")}, "&lt;i&gt;"},
		{"%q", []any{"<i>"}, "&#34;&lt;i&gt;&#34;"},
		{"%.2f %5d %-4s| %v", []any{1.005, 42, "<", 90 * time.Second}, "1.00    42 &lt;   | 1m30s"},
		{"%s %[1]s %s", []any{"<", ">"}, "&lt; &lt; &gt;"},
	} {
		var b strings.Builder
		p := markup.Begin(&b, "")
		p.Put(tc.format, tc.args...)
		if err := p.End(); err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(b.String(), "<main>\n")
		if got, _, _ := strings.Cut(body, "</main>"); got != tc.want {
			t.Errorf("Put(%q, %q) wrote %q, want %q", tc.format, tc.args, got, tc.want)
		}
	}
}

func TestPage(t *testing.T) {
	var b strings.Builder
	p := markup.Begin(&b, "A <title>", "p { color: red }\n", "a > b { color: blue }\n")
	p.Put("<p>%s</p>\n", "text")
	if err := p.End("let a = 1 && 2;\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"<!doctype html>\n", "default-src 'none'", "<title>A &lt;title&gt;</title>\n", "<style>\np { color: red }\n</style>\n<style>\na > b { color: blue }\n</style>\n</head>\n",
		"<main>\n<p>text</p>\n</main>\n<script>\nlet a = 1 && 2;\n</script>\n</body>\n</html>\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, b.String())
		}
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }

func TestPageTellsOfTheWritersError(t *testing.T) {
	full := errors.New("no space left")
	p := markup.Begin(failing{full}, "title")
	p.Put("%s", strings.Repeat("x", 64<<10))
	if err := p.End(); !errors.Is(err, full) {
		t.Errorf("End returned %v, want %v", err, full)
	}
}
