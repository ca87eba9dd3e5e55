package conformance

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// pattern is n bytes that do not repeat soon and hold every value.
func pattern(n int) []byte {
	p := make([]byte, n)
	for at, block := 0, noise()[n%997:]; at < n; {
		at += copy(p[at:], block)
	}
	return p
}

// noise is a block whose length shares no factor with any size that is sent.
var noise = sync.OnceValue(func() []byte {
	p := make([]byte, 1048573)
	x := uint32(1)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
})

// asciiText is n bytes of text.
func asciiText(n int) []byte {
	return bytes.Repeat([]byte("The quick brown fox, 0123456789. "), n/33+1)[:n]
}

// Group 1: one message in one frame, at the sizes where the header changes.
func framingCases() []Case {
	const section = "RFC 6455 5.2"
	var all []Case
	for i, kind := range []struct {
		op   byte
		make func(int) []byte
	}{{opText, asciiText}, {opBinary, pattern}} {
		for j, l := range []struct{ n, chop int }{
			{0, 0}, {125, 0}, {126, 0}, {127, 0}, {128, 0}, {65535, 0}, {65536, 0}, {65536, 997},
		} {
			p := kind.make(l.n)
			title := fmt.Sprintf("%s message of %d bytes", opNames[kind.op], l.n)
			if l.chop > 0 {
				title += fmt.Sprintf(", in pieces of %d", l.chop)
			}
			all = append(all, script{
				id: fmt.Sprintf("1.%d.%d", i+1, j+1), title: title, section: section,
				rule:  "A payload length is 7 bits, or 126 and 16 bits, or 127 and 64 bits; a frame may arrive in any pieces.",
				steps: []step{chopped(l.chop, frame{fin: true, op: kind.op, payload: p})},
				echo:  []message{{kind.op, p}},
			}.asCase())
		}
	}
	return all
}

// Group 2: pings and pongs.
func pingCases() []Case {
	const (
		section = "RFC 6455 5.5.2"
		answers = "A ping is answered with a pong that has the same payload."
	)
	raw := string([]byte{0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff})
	long := strings.Repeat("\xfe", 125)
	var ten []frame
	var tenPongs []string
	for i := range 10 {
		p := fmt.Sprintf("payload-%d", i)
		ten, tenPongs = append(ten, ping(p)), append(tenPongs, p)
	}
	ignored := "A pong that no ping asked for is taken and not answered."
	return asCases([]script{
		{id: "2.1", title: "ping without payload", section: section, rule: answers,
			steps: []step{send(ping(""))}, pongs: []string{""}},
		{id: "2.2", title: "ping with text", section: section, rule: answers,
			steps: []step{send(ping("Hello, world!"))}, pongs: []string{"Hello, world!"}},
		{id: "2.3", title: "ping with bytes that are not UTF-8", section: section, rule: answers,
			steps: []step{send(ping(raw))}, pongs: []string{raw}},
		{id: "2.4", title: "ping of 125 bytes", section: section, rule: answers,
			steps: []step{send(ping(long))}, pongs: []string{long}},
		{id: "2.5", title: "ping of 126 bytes", section: "RFC 6455 5.5",
			rule:  "A control frame has at most 125 bytes of payload.",
			steps: []step{send(ping(long + "\xfe"))}, codes: []uint16{1002}},
		{id: "2.6", title: "ping of 125 bytes, byte by byte", section: section, rule: answers,
			steps: []step{chopped(1, ping(long))}, pongs: []string{long}},
		{id: "2.7", title: "unasked pong without payload", section: "RFC 6455 5.5.3", rule: ignored,
			steps: []step{send(pong(""))}},
		{id: "2.8", title: "unasked pong with payload", section: "RFC 6455 5.5.3", rule: ignored,
			steps: []step{send(pong("nobody asked"))}},
		{id: "2.9", title: "unasked pong, then a ping", section: "RFC 6455 5.5.3", rule: ignored,
			steps: []step{send(pong("nobody asked"), ping("but now"))}, pongs: []string{"but now"}},
		{id: "2.10", title: "ten pings at once", section: section, rule: answers,
			steps: []step{send(ten...)}, pongs: tenPongs},
		{id: "2.11", title: "ten pings, byte by byte", section: section, rule: answers,
			steps: []step{chopped(1, ten...)}, pongs: tenPongs},
	})
}

func withRSV(f frame, rsv byte) frame {
	f.rsv = rsv
	return f
}

// Group 3: reserved bits.
func reservedCases() []Case {
	const (
		section = "RFC 6455 5.2"
		rule    = "RSV1, RSV2 and RSV3 are 0 unless an extension gives them a meaning; otherwise the connection fails."
	)
	hello := []message{said("Hello, world!")}
	bad := func(rsv byte) frame { return withRSV(text("Hello, world!"), rsv) }
	scripts := []script{
		{title: "RSV3 on a small text", steps: []step{send(bad(1))}},
		{title: "RSV2 on the second of two texts, then a ping", echo: hello,
			steps: []step{send(text("Hello, world!"), bad(2), ping(""))}},
		{title: "RSV2 and RSV3 on the second of two texts, frame by frame", echo: hello,
			steps: []step{chopped(-1, text("Hello, world!"), bad(3), ping(""))}},
		{title: "RSV1 on the second of two texts, byte by byte", echo: hello,
			steps: []step{chopped(1, text("Hello, world!"), bad(4), ping(""))}},
		{title: "RSV1 and RSV3 on a small binary message",
			steps: []step{send(withRSV(binaryOf([]byte{0, 255, 1, 254}), 5))}},
		{title: "RSV1 and RSV2 on a ping", steps: []step{send(withRSV(ping("Hello, world!"), 6))}},
		{title: "all reserved bits on a close frame", steps: []step{send(withRSV(closing(1000, ""), 7))}},
	}
	for i := range scripts {
		sc := &scripts[i]
		sc.id, sc.section, sc.rule, sc.codes = fmt.Sprintf("3.%d", i+1), section, rule, []uint16{1002}
	}
	return asCases(scripts)
}

// Group 4: reserved opcodes.
func opcodeCases() []Case {
	var scripts []script
	for i, first := range []byte{3, 11} {
		kind := []string{"data", "control"}[i]
		for j := range byte(5) {
			op := first + j
			sc := script{
				id:      fmt.Sprintf("4.%d.%d", i+1, j+1),
				section: "RFC 6455 5.2",
				rule:    "A frame with an opcode that is not defined fails the connection.",
				codes:   []uint16{1002},
			}
			bad := []frame{control(op, ""), control(op, "reserved opcode")}[j&1]
			if j == 0 || j == 1 {
				sc.title = fmt.Sprintf("reserved %s opcode %d", kind, op)
				sc.steps = []step{send(bad)}
			} else {
				sc.echo = []message{said("Hello, world!")}
				chop := []int{0, -1, 1}[j-2]
				sc.title = fmt.Sprintf("reserved %s opcode %d after a text and before a ping", kind, op)
				sc.steps = []step{chopped(chop, text("Hello, world!"), bad, ping(""))}
			}
			scripts = append(scripts, sc)
		}
	}
	return asCases(scripts)
}
