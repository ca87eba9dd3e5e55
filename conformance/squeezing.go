package conformance

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// sizes are the subcases of groups 12 and 13: bytes of a message, and bytes of a
// fragment of its compressed form or 0 for one frame.
var sizes = []struct{ message, fragment int }{
	{16, 0}, {64, 0}, {256, 0}, {1024, 0}, {4096, 0}, {8192, 0}, {16384, 0}, {32768, 0}, {65536, 0}, {131072, 0},
	{8192, 256}, {16384, 256}, {32768, 256}, {65536, 256}, {131072, 256}, {131072, 1024}, {131072, 4096}, {131072, 32768},
}

// content is something to compress, of about 256 KiB.
type content struct {
	name string
	op   byte
	make func() []byte
}

var contents = []content{
	{"JSON", opText, jsonContent},
	{"a grey picture", opBinary, sync.OnceValue(pictureContent)},
	{"prose", opText, sync.OnceValue(proseContent)},
	{"HTML", opText, sync.OnceValue(htmlContent)},
	{"a document with compressed parts", opBinary, sync.OnceValue(documentContent)},
}

const contentSize = 256 << 10

var jsonContent = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < contentSize; i++ {
		fmt.Fprintf(&b, `{"id":%d,"name":"user %d","tags":["a%d","b"],"score":%d.%02d,"active":%t},`,
			i, i*7919%1000, i%13, i*31%97, i%100, i%3 == 0)
	}
	return b.Bytes()
})

func pictureContent() []byte {
	p := make([]byte, contentSize)
	noise := pattern(contentSize)
	for i := range p {
		x, y := i%512, i/512
		p[i] = byte((x*x+y*y)>>11) + noise[i]&3
	}
	return p
}

func proseContent() []byte {
	words := strings.Fields("der Wind läuft über die Dächer und fragt nach dem Mädchen während früh am Morgen " +
		"größere Schiffe ruhig aus dem Hafen ziehen obwohl niemand weiß wohin")
	var b bytes.Buffer
	for i, x := 0, uint32(1); b.Len() < contentSize; i++ {
		x = x*1664525 + 1013904223
		b.WriteString(words[int(x>>16)%len(words)])
		if i%11 == 10 {
			b.WriteString(".\n")
		} else {
			b.WriteByte(' ')
		}
	}
	return b.Bytes()
}

func htmlContent() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < contentSize; i++ {
		fmt.Fprintf(&b, "<tr class=\"row%d\"><td>%d</td><td><a href=\"/item/%d\">Item №%d</a></td></tr>\n", i%2, i, i*13, i)
	}
	return b.Bytes()
}

func documentContent() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < contentSize; i++ {
		fmt.Fprintf(&b, "%d 0 obj << /Length 2048 >> stream\n", i)
		b.Write(pattern(2048 + i))
		b.WriteString("\nendstream endobj\n")
	}
	return b.Bytes()
}

// reader cuts messages out of a content, over and over.
type cutter struct {
	content
	p  []byte
	at int
}

func (c *cutter) next(n int) []byte {
	if c.at+n > len(c.p) {
		c.at = 0
	}
	end := c.at + n
	if c.op == opText {
		for c.at < end && !utf8.RuneStart(c.p[c.at]) {
			c.at++
		}
		for end < len(c.p) && !utf8.RuneStart(c.p[end]) {
			end--
		}
	}
	p := c.p[c.at:end]
	c.at = end
	return p
}

// compressed makes the 18 cases of one content under one set of parameters.
func compressed(prefix string, what content, title, rule, offer string, answer func(*session, offers) string) []Case {
	var all []Case
	for i, sz := range sizes {
		t := fmt.Sprintf("%s in messages of %s", title, size(sz.message))
		if sz.fragment > 0 {
			t += fmt.Sprintf(", fragments of %s", size(sz.fragment))
		}
		all = append(all, Case{
			ID: fmt.Sprintf("%s.%d", prefix, i+1), Title: t, Section: "RFC 7692 7.2", Rule: rule,
			Sends: "compressed messages, each when the one before has come back", Expects: "the same messages, then a clean close with 1000",
			offer: offer, answer: answer, deflate: true,
			play: func(s *session) {
				cut := cutter{content: what, p: what.make()}
				for range min(1000, max(2, s.r.volume()/sz.message)) {
					p := cut.next(sz.message)
					if sz.fragment > 0 {
						s.send(0, s.squeezedParts(what.op, p, sz.fragment)...)
					} else {
						s.send(0, s.squeezed(what.op, p))
					}
					s.expectMessage(message{what.op, p})
				}
				s.finish()
			},
		})
	}
	return all
}

// Group 12: contents.
func contentCases() []Case {
	const rule = "A compressed message inflates to what was sent, message after message on one connection."
	var all []Case
	for i, c := range contents {
		all = append(all, compressed(fmt.Sprintf("12.%d", i+1), c, c.name, rule, plainOffer, reply(terms{}))...)
	}
	return all
}

const plainOffer = "permessage-deflate; client_max_window_bits"

// terms are the parameters that the runner as a server puts into its answer, as far
// as the offer allows.
type terms struct {
	serverFresh, clientFresh bool
	serverBits, clientBits   int
	strict                   bool // leave client_no_context_takeover out even if it was offered
}

// reply makes an answer from the client's offer and the terms.
func reply(t terms) func(*session, offers) string {
	return func(s *session, all offers) string {
		o, ok := all.find()
		if !ok {
			return ""
		}
		answer := "permessage-deflate"
		if t.serverFresh || o.has("server_no_context_takeover") {
			answer += "; server_no_context_takeover"
		}
		// It may stand in an answer unasked (RFC 7692 7.1.1.2); some clients demand it
		// once they have offered it.
		if t.clientFresh || o.has("client_no_context_takeover") && !t.strict {
			answer += "; client_no_context_takeover"
		}
		if n := least(t.serverBits, o.bitsOf("server_max_window_bits")); n != 0 {
			answer += fmt.Sprintf("; server_max_window_bits=%d", n)
		}
		if t.clientBits != 0 {
			if !o.has("client_max_window_bits") {
				s.unsupportedf("the client does not offer client_max_window_bits")
			}
			answer += fmt.Sprintf("; client_max_window_bits=%d", least(t.clientBits, o.bitsOf("client_max_window_bits")))
		}
		return answer
	}
}

// least is the smaller one of those that are not 0.
func least(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Group 13: parameters.
func parameterCases() []Case {
	var all []Case
	for i, p := range []struct {
		title, offer string
		terms        terms
	}{
		{"no parameters", "permessage-deflate", terms{}},
		{"no context takeover", "permessage-deflate; client_max_window_bits; server_no_context_takeover", terms{clientFresh: true}},
		{"window of 9 bits", "permessage-deflate; client_max_window_bits; server_max_window_bits=9", terms{clientBits: 9}},
		{"window of 15 bits", "permessage-deflate; client_max_window_bits; server_max_window_bits=15", terms{clientBits: 15}},
		{"no context takeover, window of 9 bits",
			"permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9", terms{clientFresh: true, clientBits: 9}},
		{"no context takeover, window of 15 bits",
			"permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=15", terms{clientFresh: true, clientBits: 15}},
		{"several offers, or all parameters of the server",
			"permessage-deflate; server_no_context_takeover; client_max_window_bits; server_max_window_bits=9, permessage-deflate; server_no_context_takeover, permessage-deflate",
			terms{serverFresh: true, clientFresh: true, serverBits: 9}},
	} {
		all = append(all, compressed(fmt.Sprintf("13.%d", i+1), contents[0], p.title,
			"What is sent keeps to the parameters that were agreed on.", p.offer, reply(p.terms))...)
	}
	return all
}
