package conformance

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Group 20: frame headers.
func headerCases() []Case {
	all := asCases(lengthScripts())
	all = append(all, longCloseCase(), hugeCase())
	all = append(all, asCases(maskScripts())...)
	all = append(all, maskKeyCases()...)
	all = append(all, asCases(bitScripts())...)
	return append(all, asCases(controlScripts())...)
}

func inForm(f frame, form byte) frame {
	f.form = form
	return f
}

// lengthScripts: 20.1 lengths that are longer than they need be, 20.2 impossible ones.
func lengthScripts() []script {
	const rule = "A length is in its shortest form. The sender must see to it; a strict receiver refuses the others."
	var scripts []script
	add := func(title string, bad frame, then []message, more ...string) {
		scripts = append(scripts, script{
			id: fmt.Sprintf("20.1.%d", len(scripts)+1), title: title, section: "RFC 6455 5.2", rule: rule,
			steps: []step{send(text("before"), bad, ping("after"))},
			echo:  []message{said("before")}, codes: []uint16{1002},
			mild: true, then: then, more: append(more, "after"),
		})
	}
	big, small := string(asciiText(65535)), strings.Repeat("x", 125)
	add("empty text with a 16-bit length", inForm(text(""), form16), []message{said("")})
	add("text of 5 bytes with a 16-bit length", inForm(text("Hello"), form16), []message{said("Hello")})
	add("text of 125 bytes with a 16-bit length", inForm(text(small), form16), []message{said(small)})
	add("text of 5 bytes with a 64-bit length", inForm(text("Hello"), form64), []message{said("Hello")})
	add("text of 65535 bytes with a 64-bit length", inForm(text(big), form64), []message{said(big)})
	add("ping of 5 bytes with a 16-bit length", inForm(ping("Hello"), form16), nil, "Hello")
	add("ping of 5 bytes with a 64-bit length", inForm(ping("Hello"), form64), nil, "Hello")
	continuation := inForm(part(opContinuation, "Hello", true), form16)
	scripts = append(scripts, script{
		id: "20.1.8", title: "continuation of 5 bytes with a 16-bit length", section: "RFC 6455 5.2", rule: rule,
		steps: []step{send(part(opText, "Hello", false), continuation)}, codes: []uint16{1002},
		mild: true, then: []message{said("HelloHello")},
	}, script{
		id: "20.2.1", title: "64-bit length with its highest bit set", section: "RFC 6455 5.2",
		rule:  "The most significant bit of a 64-bit length is 0.",
		steps: []step{send(text("before"), frame{fin: true, op: opText, payload: []byte("Hello"), declare: 1<<63 | 5})},
		echo:  []message{said("before")}, codes: []uint16{1002, 1009},
	})
	return scripts
}

func longCloseCase() Case {
	f := inForm(closing(1000, ""), form16)
	return Case{
		ID: "20.2.2", Title: "close frame with a 16-bit length", Section: "RFC 6455 5.2",
		Rule:  "A length is in its shortest form. The sender must see to it; a strict receiver refuses the others.",
		Sends: f.String(), Expects: "the connection fails with 1002",
		play: func(s *session) {
			s.send(0, f)
			e := s.next("an answer to the close frame")
			if e.kind == gotCloseFrame && (e.code == 1000 || e.code == 0) {
				s.laxf("the peer takes what its sender must not send")
				s.ended()
				return
			}
			if e.kind != gotCloseFrame {
				s.failf("expected a close frame, got %v", e)
			}
			s.refusedWith(e, 1002)
		},
	}
}

func hugeCase() Case {
	return Case{
		ID: "20.2.3", Title: "header that declares 4 EiB", Section: "RFC 6455 10.4",
		Rule:  "An implementation should limit the size of messages, and may refuse one by its header.",
		Sends: "the header of a binary frame with the length 2^62, and 5 bytes", Expects: "the connection fails with 1009, or the peer waits",
		play: func(s *session) {
			f := binaryOf([]byte("Hello"))
			f.declare = 1 << 62
			s.send(0, f)
			if !s.reacts(s.r.grace()) {
				s.informf("the peer waits for the rest")
			}
			s.refused(nil, nil, 1009, 1002, 1008)
		},
	}
}

func wrongly(f frame) frame {
	f.wrong = true
	return f
}

// maskScripts: 20.3 a server refuses what is not masked, 20.4 a client what is.
func maskScripts() []script {
	var scripts []script
	for i, g := range []struct {
		role Role
		how  string
		rule string
	}{
		{Server, "unmasked", "A server closes the connection upon a frame that is not masked."},
		{Client, "masked", "A client closes the connection upon a frame that is masked."},
	} {
		for j, c := range []struct {
			title string
			steps []step
			echo  []message
		}{
			{"text", []step{send(wrongly(text("Hello")), ping("after"))}, nil},
			{"empty text", []step{send(wrongly(text("")), ping("after"))}, nil},
			{"binary message", []step{send(wrongly(binaryOf([]byte("Hello"))), ping("after"))}, nil},
			{"ping", []step{send(wrongly(ping("Hello")), ping("after"))}, nil},
			{"empty ping", []step{send(wrongly(ping("")), ping("after"))}, nil},
			{"pong", []step{send(wrongly(pong("Hello")), ping("after"))}, nil},
			{"close", []step{send(wrongly(closing(1000, "")))}, nil},
			{"empty close", []step{send(wrongly(control(opClose, "")))}, nil},
			{"last fragment", []step{send(part(opText, "Hello", false), wrongly(part(opContinuation, "Hello", true)), ping("after"))}, nil},
			{"second text", []step{send(text("Hello"), wrongly(text("Hello")), ping("after"))}, []message{said("Hello")}},
		} {
			scripts = append(scripts, script{
				id: fmt.Sprintf("20.%d.%d", i+3, j+1), title: g.how + " " + c.title, section: "RFC 6455 5.1",
				rule: g.rule, roles: g.role, steps: c.steps, echo: c.echo, codes: []uint16{1002},
			})
		}
	}
	for i, key := range [][4]byte{{}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 1}} {
		f := text(mixed)
		f.fixedKey, f.key = true, key
		g := f
		g.key = [4]byte{1, 2, 3, 4}
		scripts = append(scripts, script{
			id: fmt.Sprintf("20.5.%d", i+1), title: fmt.Sprintf("mask key % x", key[:]), section: "RFC 6455 5.3",
			rule: "The key may be any 32-bit value; each frame has its own.", roles: Server,
			steps: []step{send(f, g, f)}, echo: []message{said(mixed), said(mixed), said(mixed)},
		})
	}
	return scripts
}

// maskKeyCases: 20.6 the keys of a client.
func maskKeyCases() []Case {
	keysAre := func(check func(s *session, keys []uint32)) func(s *session) {
		return func(s *session) {
			for i := range 24 {
				t := fmt.Sprintf("message %d", i)
				s.send(0, text(t), ping(t))
				s.expect([]message{said(t)}, []string{t}, false)
			}
			var keys []uint32
			for _, k := range s.keys {
				keys = append(keys, binary.BigEndian.Uint32(k[:]))
			}
			check(s, keys)
			s.finish()
		}
	}
	cases := []Case{
		{Title: "mask keys differ", Rule: "Each frame has a fresh key.", play: keysAre(func(s *session, keys []uint32) {
			seen := make(map[uint32]int)
			for i, k := range keys {
				if j, ok := seen[k]; ok {
					s.failf("frames %d and %d have the same mask key %08x", j+1, i+1, k)
				}
				seen[k] = i
			}
		})},
		{Title: "mask keys do not count", Rule: "Keys are unpredictable: the next one does not follow from the last ones.", play: keysAre(func(s *session, keys []uint32) {
			add, xor := true, true
			for i := 2; i < len(keys); i++ {
				add = add && keys[i]-keys[i-1] == keys[1]-keys[0]
				xor = xor && keys[i]^keys[i-1] == keys[1]^keys[0]
			}
			if add || xor {
				s.failf("the mask keys follow from one another: %08x, %08x, %08x", keys[0], keys[1], keys[2])
			}
		})},
		{Title: "mask keys use all 32 bits", Rule: "A key is a 32-bit value from a strong source.", play: keysAre(func(s *session, keys []uint32) {
			var ever0, ever1 uint32
			for _, k := range keys {
				ever1 |= k
				ever0 |= ^k
			}
			if ever0&ever1 != 0xFFFFFFFF {
				s.failf("in %d keys the bits %08x never changed", len(keys), ^(ever0 & ever1))
			}
		})},
	}
	for i := range cases {
		c := &cases[i]
		c.ID, c.Section, c.Roles = fmt.Sprintf("20.6.%d", i+1), "RFC 6455 5.3", Client
		c.Sends, c.Expects = "24 texts, each with a ping", "24 texts and 24 pongs, each frame with a key of its own"
	}
	return cases
}

// bitScripts: 20.7 reserved bits and opcodes where they are easily overlooked.
func bitScripts() []script {
	var scripts []script
	add := func(title, rule string, echo []message, frames ...frame) {
		scripts = append(scripts, script{
			id: fmt.Sprintf("20.7.%d", len(scripts)+1), title: title, section: "RFC 6455 5.2", rule: rule,
			steps: []step{send(frames...)}, echo: echo, codes: []uint16{1002},
		})
	}
	const rule = "Reserved bits are 0 on every frame, empty and control frames included, unless an extension defines them."
	for rsv := byte(1); rsv < 8; rsv++ {
		add(fmt.Sprintf("RSV %03b on an empty close", rsv), rule, nil, withRSV(control(opClose, ""), rsv))
	}
	for _, rsv := range []byte{rsv1, rsv2, rsv3} {
		on := func(what string, frames ...frame) {
			add(fmt.Sprintf("RSV %03b on %s", rsv, what), rule, nil, frames...)
		}
		on("an empty ping", withRSV(ping(""), rsv), ping("after"))
		on("an empty pong", withRSV(pong(""), rsv), ping("after"))
		on("an empty text", withRSV(text(""), rsv), ping("after"))
		on("the last fragment", part(opText, "Hello", false), withRSV(part(opContinuation, "Hello", true), rsv), ping("after"))
		on("a middle fragment", part(opText, "Hello", false), withRSV(part(opContinuation, "", false), rsv), part(opContinuation, "", true))
		on("a ping between fragments", part(opText, "Hello", false), withRSV(ping(""), rsv), part(opContinuation, "Hello", true))
	}
	const ops = "A frame with an opcode that is not defined fails the connection, wherever it stands."
	add("reserved data opcode with FIN 0", ops, nil, part(3, "Hello", false), part(opContinuation, "Hello", true))
	add("reserved data opcode between fragments", ops, nil, part(opText, "Hello", false), part(7, "", true), part(opContinuation, "Hello", true))
	add("reserved control opcode between fragments", ops, nil, part(opText, "Hello", false), part(15, "", true), part(opContinuation, "Hello", true))
	add("reserved control opcode with FIN 0", ops, nil, part(11, "Hello", false), part(opContinuation, "Hello", true))
	return scripts
}

// controlScripts: 20.8 control frames that are too long or fragmented.
func controlScripts() []script {
	var scripts []script
	add := func(title, rule string, steps ...step) {
		scripts = append(scripts, script{
			id: fmt.Sprintf("20.8.%d", len(scripts)+1), title: title, section: "RFC 6455 5.5", rule: rule,
			steps: steps, codes: []uint16{1002},
		})
	}
	const long, whole = "A control frame has at most 125 bytes of payload.", "A control frame is not fragmented."
	long126 := strings.Repeat("x", 126)
	add("pong of 126 bytes", long, send(pong(long126), ping("after")))
	add("ping of 65536 bytes", long, send(ping(string(asciiText(65536))), ping("after")))
	add("close of 65536 bytes", long, send(closing(1000, string(asciiText(65534)))))
	add("ping of 126 bytes between fragments", long, send(part(opText, "Hello", false), ping(long126), part(opContinuation, "Hello", true)))
	add("ping of 126 bytes of which one comes", "An oversized control frame is known by its header; nothing is gained by waiting for the rest.",
		step{frames: []frame{ping(long126)}, cut: 1, due: true})
	add("empty ping with FIN 0", whole, send(part(opPing, "", false), ping("after")))
	add("empty pong with FIN 0", whole, send(part(opPong, "", false), ping("after")))
	add("close with FIN 0", whole, send(frame{op: opClose, payload: closing(1000, "").payload}))
	add("ping with FIN 0 between fragments", whole, send(part(opText, "Hello", false), part(opPing, "Hello", false), part(opContinuation, "Hello", true)))
	return scripts
}
