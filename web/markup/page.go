// Package markup writes pages of HTML that need no other file: the markup is the program's, and what stands in it may be
// anybody's. It is there beside html/template because that calls methods by names that it learns when it runs, and the linker
// of a program that does so keeps every exported method of every type.
package markup

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"strings"
)

// A Page is written once, from its beginning to its end, by one goroutine.
type Page struct{ b *bufio.Writer }

// Begin writes the beginning of a page up to the first element of its body, with styles in CSS, each as it is. The page
// loads nothing: its policy forbids that.
func Begin(w io.Writer, title string, styles ...string) *Page {
	p := &Page{bufio.NewWriter(w)}
	p.Put(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>%s</title>
`, title)
	for _, style := range styles {
		p.b.WriteString("<style>\n" + style + "</style>\n")
	}
	p.b.WriteString("</head>\n<body>\n<main>\n")
	return p
}

// Put writes format, which is markup, as fmt.Printf does. What a verb makes of its argument is text, and remains so in an
// element and in an attribute's double quotes, whatever it holds. What has no place in a page, control characters and what
// is not UTF-8, becomes U+FFFD. No verb may stand in a script or in a style, nor where a URL's scheme is.
func (p *Page) Put(format string, args ...any) {
	if false {
		_ = fmt.Sprintf(format, args...) // so that go vet compares the verbs with the arguments
	}
	text := make([]any, len(args))
	for i, arg := range args {
		text[i] = value{arg}
	}
	fmt.Fprintf(p.b, format, text...)
}

// End writes the scripts, each as it is, and the end of the page. What of a script comes from elsewhere must be there as
// encoding/json writes it: no element ends in that. End returns the first error of the writer below.
func (p *Page) End(scripts ...string) error {
	p.b.WriteString("</main>\n")
	for _, script := range scripts {
		p.b.WriteString("<script>\n" + script + "</script>\n")
	}
	p.b.WriteString("</body>\n</html>\n")
	return p.b.Flush()
}

// A value is an argument of Put.
type value struct{ any }

// Format is fmt's hook.
func (v value) Format(f fmt.State, verb rune) {
	text := strings.ToValidUTF8(fmt.Sprintf(fmt.FormatString(f, verb), v.any), "\uFFFD")
	io.WriteString(f, html.EscapeString(strings.Map(printable, text)))
}

func printable(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f {
		return '\uFFFD'
	}
	return r
}
