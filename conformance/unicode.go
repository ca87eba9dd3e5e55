package conformance

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	greek = "κ\u1f79σμε" // eleven bytes, with a three-byte character
	mixed = "Hello-µ@ßöäüàá-UTF-8!!"
)

// bytewise sends a text in fragments of one byte.
func bytewise(s string) []frame { return fragments(opText, []byte(s), 1) }

// Group 6: UTF-8 in text messages.
func textCases() []Case {
	const (
		section = "RFC 6455 8.1"
		rule    = "The payload of a text message is UTF-8 as a whole; if it is not, the connection fails."
		inParts = "UTF-8 is judged for the message; a fragment may end inside a character."
	)
	refusal := []uint16{1007}
	bad := greek + "\xed\xa0\x80edited"
	scripts := []script{
		{id: "6.1.1", title: "empty text", rule: rule, steps: []step{send(text(""))}, echo: []message{said("")}},
		{id: "6.1.2", title: "three empty fragments", rule: inParts, echo: []message{said("")},
			steps: []step{send(part(opText, "", false), part(opContinuation, "", false), part(opContinuation, "", true))}},
		{id: "6.1.3", title: "three fragments, the middle one not empty", rule: inParts, echo: []message{said("middle")},
			steps: []step{send(part(opText, "", false), part(opContinuation, "middle", false), part(opContinuation, "", true))}},
		{id: "6.2.1", title: "valid text in one frame", rule: rule, steps: []step{send(text(mixed))}, echo: []message{said(mixed)}},
		{id: "6.2.2", title: "valid text in two fragments that end with a character", rule: inParts, echo: []message{said(mixed)},
			steps: []step{send(part(opText, mixed[:10], false), part(opContinuation, mixed[10:], true))}},
		{id: "6.2.3", title: "valid text in fragments of one byte", rule: inParts,
			steps: []step{send(bytewise(mixed)...)}, echo: []message{said(mixed)}},
		{id: "6.2.4", title: "another valid text in fragments of one byte", rule: inParts,
			steps: []step{send(bytewise(greek)...)}, echo: []message{said(greek)}},
		{id: "6.3.1", title: "invalid text in one frame", rule: rule, steps: []step{send(text(bad))}, codes: refusal},
		{id: "6.3.2", title: "invalid text in fragments of one byte", rule: rule, steps: []step{send(bytewise(bad)...)}, codes: refusal},
	}
	scripts = append(scripts, failFastScripts()...)
	for i, group := range sequences() {
		for j, p := range group.texts {
			sc := script{
				id:    fmt.Sprintf("6.%d.%d", i+5, j+1),
				title: fmt.Sprintf("%s: % x", group.name, clip(p, 24)),
				rule:  rule, steps: []step{send(text(p))},
			}
			if utf8.ValidString(p) {
				sc.echo = []message{said(p)}
			} else {
				sc.codes = refusal
			}
			scripts = append(scripts, sc)
		}
	}
	for i := range scripts {
		scripts[i].section = section
	}
	return asCases(scripts)
}

func clip(s string, n int) string { return s[:min(n, len(s))] }

// failFastScripts are 6.4: the text is broken long before it ends.
func failFastScripts() []script {
	const (
		rule = "The receiver should fail the connection as soon as the text cannot become valid, not when the message ends."
		tail = "edited"
	)
	parts := func(a, b, c string) []step {
		return []step{
			send(part(opText, a, false)),
			earned(0, part(opContinuation, b, false)),
			send(part(opContinuation, c, true)),
		}
	}
	inFrame := func(head, rest string) []step {
		return []step{{frames: []frame{text(head + rest + tail)}, due: true, cut: len(head)}}
	}
	scripts := []script{
		{id: "6.4.1", title: "the second of three fragments is too high a code point",
			steps: parts(greek, "\xf4\x90\x80\x80", tail)},
		{id: "6.4.2", title: "the second of three fragments is the byte that makes a code point too high",
			steps: parts(greek+"\xf4", "\x90", "\x80\x80"+tail)},
		{id: "6.4.3", title: "one frame in two pieces, the first one ends with too high a code point",
			steps: inFrame(greek+"\xf4\x90\x80\x80", "")},
		{id: "6.4.4", title: "one frame in two pieces, the first one ends with the byte that makes a code point too high",
			steps: inFrame(greek+"\xf4\x90", "\x80\x80")},
	}
	for i := range scripts {
		scripts[i].rule, scripts[i].codes = rule, []uint16{1007}
	}
	return scripts
}

type sequenceGroup struct {
	name  string
	texts []string
}

// sequences are the byte sequences of groups 6.5 to 6.23, which follow Markus
// Kuhn's stress test for UTF-8 decoders.
func sequences() []sequenceGroup {
	prefixes := make([]string, 0, len(greek))
	for i := range len(greek) {
		prefixes = append(prefixes, greek[:i+1])
	}
	// starts is each start byte in a range, followed by a space.
	starts := func(from, to int) string {
		var b strings.Builder
		for c := from; c <= to; c++ {
			b.WriteByte(byte(c))
			b.WriteByte(' ')
		}
		return b.String()
	}
	var continuations strings.Builder
	for c := 0x80; c <= 0xbf; c++ {
		continuations.WriteByte(byte(c))
	}
	unfinished := []string{"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"}
	var noncharacters []string
	for plane := rune(0); plane <= 16; plane++ {
		noncharacters = append(noncharacters, string(plane<<16|0xFFFE), string(plane<<16|0xFFFF))
	}
	return []sequenceGroup{
		{"valid text", []string{"hello\x24world", "hello\u00a2world", "hello\u20acworld", "hello\U00024b62world", greek}},
		{"a beginning of a valid text", prefixes},
		{"the first character of a length", []string{"\x00", "\u0080", "\u0800", "\U00010000"}},
		{"the first sequence of five or six bytes", []string{"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
		{"the last character of a length", []string{"\x7f", "\u07ff", "\uffff", "\U0010ffff"}},
		{"the last sequence of a length beyond Unicode", []string{"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},
		{"another boundary", []string{"\ud7ff", "\ue000", "\ufffd", "\U0010ffff", "\xf4\x90\x80\x80"}},
		{"unexpected continuation bytes", []string{"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf",
			"\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf", continuations.String()}},
		{"lonely start bytes", []string{starts(0xc0, 0xdf), starts(0xe0, 0xef), starts(0xf0, 0xf7), starts(0xf8, 0xfb), starts(0xfc, 0xfd)}},
		{"a sequence without its last byte", unfinished},
		{"all sequences without their last byte", []string{strings.Join(unfinished, "")}},
		{"bytes that never occur", []string{"\xfe", "\xff", "\xfe\xfe\xff\xff"}},
		{"an overlong slash", []string{"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"}},
		{"the highest overlong sequence", []string{"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"}},
		{"an overlong NUL", []string{"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"}},
		{"a lone surrogate", []string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"}},
		{"a pair of surrogates", []string{"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
			"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf"}},
		{"a noncharacter", noncharacters},
		{"a special", []string{"\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffd", "\ufffe", "\uffff"}},
	}
}
