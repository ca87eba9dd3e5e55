package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Group 27: compressed streams, frame by frame and bit by bit.
func streamCases() []Case {
	var all []Case
	add := func(prefix string, cases []Case) {
		for i, c := range cases {
			c.ID = fmt.Sprintf("27.%s.%d", prefix, i+1)
			if c.offer == "" {
				c.offer, c.answer = plainOffer, reply(terms{})
			}
			c.deflate = true
			all = append(all, c)
		}
	}
	add("1", frameCases())
	add("2", blockCases())
	add("3", contextCases())
	add("4", brokenStreamCases())
	add("5", sizeCases())
	return all
}

func streamCase(title, section, rule, sends, expects string, play func(*session)) Case {
	return Case{Title: title, Section: "RFC 7692 " + section, Rule: rule, Sends: sends, Expects: expects, play: play}
}

// packed makes a compressed text frame of a stream that was written by hand.
func packed(stream []byte) frame {
	return frame{fin: true, rsv: rsv1, op: opText, payload: stream}
}

// frameCases: 27.1 compressed messages and frames.
func frameCases() []Case {
	const marks = "RSV1 marks a compressed message; it stands on the message's first frame alone."
	const free = "A sender may choose message by message whether to compress."
	hello := []message{said("Hello")}
	// A refusal after a frame that is built when the connection is open.
	refuse := func(title, section, rule string, frames func(s *session) []frame, codes ...uint16) Case {
		return streamCase(title, section, rule, title, "the connection fails with "+codeList(codes), func(s *session) {
			s.send(0, append(frames(s), ping("after"))...)
			s.refused(nil, nil, codes...)
		})
	}
	echo := func(title, section, rule string, frames func(s *session) []frame, echo []message, pongs ...string) Case {
		return streamCase(title, section, rule, title, "the messages, then a clean close with 1000", func(s *session) {
			s.send(0, frames(s)...)
			s.expect(echo, pongs, false)
			s.finish()
		})
	}
	split := func(s *session, n int) []frame {
		return s.squeezedParts(opText, []byte(strings.Repeat("Hello", 20)), n)
	}
	long := []message{said(strings.Repeat("Hello", 20))}
	return []Case{
		echo("uncompressed text", "6", free, func(s *session) []frame { return []frame{text("Hello")} }, hello),
		echo("compressed and uncompressed texts in turn", "6", free, func(s *session) []frame {
			return []frame{s.squeezed(opText, []byte("Hello")), text("Hello"), s.squeezed(opText, []byte("Hello")), binaryOf([]byte("Hello")), s.squeezed(opText, []byte("Hello"))}
		}, []message{said("Hello"), said("Hello"), said("Hello"), {opBinary, []byte("Hello")}, said("Hello")}),
		echo("compressed text in two fragments", "6.1", marks, func(s *session) []frame { return split(s, 8) }, long),
		echo("compressed text in fragments of one byte", "6.1", marks, func(s *session) []frame { return split(s, 1) }, long),
		echo("compressed text whose last fragment is empty", "6.1", marks, func(s *session) []frame {
			all := split(s, 100)
			all[0].fin = false
			return append(all, part(opContinuation, "", true))
		}, long),
		echo("compressed text whose first fragment is empty", "6.1", marks, func(s *session) []frame {
			f := split(s, 100)[0]
			f.op, f.rsv = opContinuation, 0
			return []frame{withRSV(part(opText, "", false), rsv1), f}
		}, long),
		streamCase("pings between the fragments of a compressed text", "6.1", "Control frames are not compressed and may come between.",
			"a compressed text in fragments of 5 bytes, with a ping after each but the last", "the pongs and the text, then a clean close with 1000",
			func(s *session) {
				var all []frame
				var pongs []string
				for i, f := range split(s, 5) {
					if i > 0 {
						pongs = append(pongs, fmt.Sprintf("between %d", i))
						all = append(all, ping(pongs[i-1]))
					}
					all = append(all, f)
				}
				s.send(0, all...)
				s.expect(long, pongs, true)
				s.finish()
			}),
		echo("compressed empty text", "7.2.3.6", "An empty message is one byte of zeros when it is compressed.", func(s *session) []frame {
			return []frame{packed([]byte{0})}
		}, []message{said("")}),
		refuse("RSV1 on a continuation of a compressed message", "6.1", marks, func(s *session) []frame {
			all := split(s, 8)
			all[1].rsv = rsv1
			return all
		}, 1002),
		refuse("RSV1 on a continuation of an uncompressed message", "6.1", marks, func(s *session) []frame {
			return []frame{part(opText, "Hello", false), withRSV(part(opContinuation, "Hello", true), rsv1)}
		}, 1002),
		refuse("RSV1 on a ping", "6.1", marks, func(s *session) []frame { return []frame{withRSV(ping("Hello"), rsv1)} }, 1002),
		refuse("RSV1 on an empty ping", "6.1", marks, func(s *session) []frame { return []frame{withRSV(ping(""), rsv1)} }, 1002),
		refuse("RSV1 on a pong", "6.1", marks, func(s *session) []frame { return []frame{withRSV(pong("Hello"), rsv1)} }, 1002),
		refuse("RSV1 on a close", "6.1", marks, func(s *session) []frame { return []frame{withRSV(closing(1000, ""), rsv1)} }, 1002),
		refuse("RSV1 on an empty close", "6.1", marks, func(s *session) []frame { return []frame{withRSV(control(opClose, ""), rsv1)} }, 1002),
		refuse("RSV1 and RSV2 on a compressed text", "6", "The extension gives a meaning to RSV1 alone.", func(s *session) []frame {
			return []frame{withRSV(s.squeezed(opText, []byte("Hello")), rsv1|rsv2)}
		}, 1002),
		refuse("RSV3 on an uncompressed text", "6", "The extension gives a meaning to RSV1 alone.", func(s *session) []frame {
			return []frame{withRSV(text("Hello"), rsv3)}
		}, 1002),
		refuse("compressed text that is not UTF-8", "6.2", "A text message is UTF-8 once it is inflated.", func(s *session) []frame {
			return []frame{s.squeezed(opText, []byte(greek+"\xed\xa0\x80edited"))}
		}, 1007),
		refuse("compressed text, in fragments, that ends inside a character", "6.2", "A text message is UTF-8 once it is inflated.", func(s *session) []frame {
			return s.squeezedParts(opText, []byte(greek+"\xe2\x82"), 4)
		}, 1007),
		refuse("uncompressed text that is not UTF-8", "6.2", "A text message is UTF-8.", func(s *session) []frame {
			return []frame{text("\xff\xfe")}
		}, 1007),
	}
}

// blockCases: 27.2 what a DEFLATE stream may be made of. Most are RFC 7692's own examples.
func blockCases() []Case {
	const rule = "A receiver inflates any valid DEFLATE stream, whatever its blocks."
	var all []Case
	for _, c := range []struct {
		title, section string
		frames         []frame
		echo           []string
	}{
		{"one block with fixed codes", "7.2.3.1", []frame{packed([]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00})}, []string{"Hello"}},
		{"one block in two fragments", "7.2.3.1", []frame{
			{op: opText, rsv: rsv1, payload: []byte{0xf2, 0x48, 0xcd}}, {op: opContinuation, fin: true, payload: []byte{0xc9, 0xc9, 0x07, 0x00}}}, []string{"Hello"}},
		{"stored block", "7.2.3.3", []frame{packed([]byte{0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00})}, []string{"Hello"}},
		{"final block", "7.2.3.4", []frame{packed([]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00})}, []string{"Hello"}},
		{"final block, twice", "7.2.3.4", []frame{
			packed([]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}), packed([]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00})}, []string{"Hello", "Hello"}},
		{"two blocks with a flush between", "7.2.3.5", []frame{packed([]byte{0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00})}, []string{"Hello"}},
		{"stored block of 65535 bytes", "7.2.3.3", []frame{packed(storedOnly(asciiText(65535), 65535))}, []string{string(asciiText(65535))}},
		{"stored blocks of one byte", "7.2.3.3", []frame{packed(storedOnly([]byte("Hello"), 1))}, []string{"Hello"}},
		{"stored block of no bytes before another", "7.2.3.3", []frame{packed(storedOnly([]byte("Hello"), 0))}, []string{"Hello"}},
		{"run of one byte", "7.2.1", []frame{packed(run258())}, []string{strings.Repeat("a", 1+258*4)}},
	} {
		var sends strings.Builder
		describeFrames(&sends, c.frames)
		all = append(all, streamCase(c.title, c.section, rule, sends.String(), plural(len(c.echo), "text")+", then a clean close with 1000", func(s *session) {
			s.send(0, c.frames...)
			for _, t := range c.echo {
				s.expectMessage(said(t))
			}
			s.finish()
		}))
	}
	return all
}

func storedOnly(p []byte, n int) []byte {
	var w bitWriter
	if n == 0 {
		w.stored(false, nil)
		n = len(p)
	}
	for len(p) > 0 {
		k := min(n, len(p))
		w.stored(false, p[:k])
		p = p[k:]
	}
	return w.message()
}

func run258() []byte {
	var w bitWriter
	w.begin(false, 1)
	w.literals([]byte("a"))
	for range 4 {
		w.match(258, 1)
	}
	w.endBlock()
	return w.message()
}

// backReference is a message that copies length bytes from distance back.
func backReference(length, distance int) []byte {
	var w bitWriter
	w.begin(false, 1)
	w.match(length, distance)
	w.endBlock()
	return w.message()
}

// contextCases: 27.3 the window that messages share.
func contextCases() []Case {
	const takes = "Without client_no_context_takeover (for a server) in the answer, a message may refer to the ones before it."
	const section = "7.2.3.2"
	// refer sends bytes in stored blocks, then refers to the first of them.
	refer := func(title string, between []frame, size int, distance int) Case {
		return streamCase(title, section, takes, title, "the messages, then a clean close with 1000", func(s *session) {
			if s.deflate.to.fresh {
				s.unsupportedf("no context is taken over under the agreed parameters")
			}
			if size > 1<<s.deflate.to.bits {
				s.unsupportedf("the agreed window is %d bytes", 1<<s.deflate.to.bits)
			}
			p := asciiText(size)
			s.send(0, packed(storedOnly(p, 65535)))
			s.expectMessage(message{opText, p})
			s.send(0, between...)
			var pongs []string
			var echo []message
			for _, f := range between {
				if f.op == opPing {
					pongs = append(pongs, string(f.payload))
				} else {
					echo = append(echo, message{f.op, f.payload})
				}
			}
			s.expect(echo, pongs, false)
			s.send(0, packed(backReference(5, distance)))
			at := size - distance
			s.expectMessage(message{opText, p[at : at+5]})
			s.finish()
		})
	}
	hinted := streamCase("hint of client_no_context_takeover that is not taken", "7.1.1.2",
		"client_no_context_takeover in an offer is a hint. If the answer leaves it out, the client may take its context over all the same.",
		"an offer with the hint; two messages, the second refers to the first if the answer allows", "both messages",
		func(s *session) {
			s.send(0, packed([]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}))
			s.expectMessage(said("Hello"))
			if s.deflate.to.fresh {
				s.notef("the answer has client_no_context_takeover")
				s.finish()
				return
			}
			s.send(0, packed([]byte{0xf2, 0x00, 0x11, 0x00, 0x00}))
			s.expectMessage(said("Hello"))
			s.finish()
		})
	hinted.offer, hinted.answer = "permessage-deflate; client_no_context_takeover", reply(terms{strict: true})
	fresh := streamCase("no context to take over", "7.1.1.1", "A peer that must not take its context over compresses each message by itself.",
		"the same text four times, with no context allowed to the peer", "four echos that inflate by themselves", func(s *session) {
			if !s.deflate.from.fresh {
				s.laxf("no_context_takeover was not agreed")
			}
			for range 4 {
				p := jsonContent()[:2000]
				s.send(0, s.squeezed(opText, p))
				s.expectMessage(message{opText, p})
			}
			s.finish()
		})
	fresh.offer, fresh.answer = "permessage-deflate; server_no_context_takeover", reply(terms{clientFresh: true})
	return []Case{
		streamCase("the RFC's example", section, takes, "Hello, then Hello as a reference", "Hello, Hello", func(s *session) {
			if s.deflate.to.fresh {
				s.unsupportedf("no context is taken over under the agreed parameters")
			}
			s.send(0, packed([]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}), packed([]byte{0xf2, 0x00, 0x11, 0x00, 0x00}))
			s.expect([]message{said("Hello"), said("Hello")}, nil, false)
			s.finish()
		}),
		refer("reference by 200 bytes", nil, 200, 200),
		refer("reference by 4096 bytes", nil, 4096, 4096),
		refer("reference by 32768 bytes, the whole window", nil, 32768, 32768),
		refer("reference over an uncompressed message", []frame{text("not in the window")}, 200, 200),
		refer("reference over pings", []frame{ping("one"), ping("two")}, 200, 150),
		hinted,
		fresh,
	}
}

// brokenStreamCases: 27.4 streams that do not inflate.
func brokenStreamCases() []Case {
	far := func(distance int) []byte {
		var w bitWriter
		w.begin(false, 1)
		w.literals([]byte("Hello"))
		w.match(5, distance)
		w.endBlock()
		return w.message()
	}
	var reserved, badStored, unfinished bitWriter
	reserved.begin(false, 3)
	reserved.literals([]byte("Hello"))
	badStored.begin(false, 0)
	badStored.align()
	badStored.out = append(badStored.out, 5, 0, 5, 0, 'H', 'e', 'l', 'l', 'o')
	unfinished.begin(false, 1)
	unfinished.literals([]byte("Hello, Hello, Hello"))
	unfinished.bits(0xFF, 8)
	unfinished.align()
	var all []Case
	for _, c := range []struct {
		title  string
		stream []byte
	}{
		{"reserved block type", reserved.message()},
		{"stored block whose lengths do not match", badStored.message()},
		{"reference before the first byte", far(6)},
		{"reference by 32768 where there are 5 bytes", far(32768)},
		{"block that does not end", unfinished.out},
		{"stored block cut short", []byte{0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65}},
		{"bytes that are no stream", bytes.Repeat([]byte{0xff}, 40)},
		{"dynamic block with an impossible code", []byte{0x04, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	} {
		// Binary, so that it is not the text that is refused.
		frames := []frame{{fin: true, rsv: rsv1, op: opBinary, payload: c.stream}, ping("after")}
		all = append(all, streamCase(c.title, "7.2.2", "A message that does not inflate fails the connection.",
			listFrames(frames), "the connection fails with 1007 or 1002", func(s *session) {
				s.send(0, frames...)
				s.brokenOff(1007, 1002)
			}))
	}
	return all
}

// brokenOff is refused, where the RFC names no code: any other one than those is not strict.
func (s *session) brokenOff(codes ...uint16) {
	for {
		e := s.next("the peer to fail the connection")
		switch e.kind {
		case gotMessage, gotPong:
			s.failf("the peer took what it must refuse: it sent %v", e)
		case gotEnd:
			s.laxf("the connection was dropped without a close frame: %s", reading(e.err))
			return
		case gotCloseFrame:
			if e.code == 1000 || e.code == 1001 {
				s.failf("expected a close frame with %s, got %v", codeList(codes), e)
			}
			if e.code != 0 && !slices.Contains(codes, e.code) {
				s.laxf("expected a close frame with %s, got %v", codeList(codes), e)
			}
			s.refusedWith(e, append(codes, e.code)...)
			return
		}
	}
}

// sizeCases: 27.5 messages that grow.
func sizeCases() []Case {
	zeros := func(title string, n int, end func(s *session, p []byte)) Case {
		c := streamCase(title, "8", "The size of a message is limited after inflation, not before.", title, "the message, or 1009 beyond 16 MiB", func(s *session) {
			p := make([]byte, n)
			s.send(0, s.squeezed(opBinary, p))
			end(s, p)
		})
		c.Section, c.heavy = "RFC 6455 10.4", true
		return c
	}
	return []Case{
		zeros("1 MiB of zeros", 1<<20, func(s *session, p []byte) {
			s.expectMessage(message{opBinary, p})
			s.finish()
		}),
		zeros("16 MiB of zeros", 16<<20, func(s *session, p []byte) {
			s.expectMessage(message{opBinary, p})
			s.finish()
		}),
		zeros("36 MiB of zeros", 36<<20, func(s *session, p []byte) {
			e := s.next("an answer to a message of 36 MiB")
			switch {
			case e.kind == gotCloseFrame && e.code == 1009:
				s.refusedWith(e, 1009)
			case e.kind == gotMessage && len(e.data) == len(p):
				s.informf("the peer has no limit below 36 MiB")
			default:
				s.informf("the peer answers with %v", e)
			}
		}),
	}
}
