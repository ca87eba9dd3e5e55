package conformance

import "fmt"

// Group 22: how connections end.
func endingCases() []Case {
	all := lateCases()
	all = append(all, halfCloseCases()...)
	return append(all, reasonCases()...)
}

// lateCases: 22.1 what comes after a close frame, and a refusal in the middle of much data.
func lateCases() []Case {
	const section, rule = "RFC 6455 5.5.1", "After a close frame an endpoint sends no more frames and discards what it receives."
	goodbye := closing(1000, "")
	var many []frame
	for i := range 200 {
		many = append(many, text(fmt.Sprintf("late %d", i)))
	}
	return []Case{
		afterClose("22.1.1", "binary message after a close frame", section, rule, 1000, goodbye, binaryOf([]byte{1, 2, 3})),
		afterClose("22.1.2", "fragments after a close frame", section, rule, 1000, goodbye,
			part(opText, "frag", false), part(opContinuation, "ment", true)),
		afterClose("22.1.3", "200 texts after a close frame", section, rule, 1000, append([]frame{goodbye}, many...)...),
		afterClose("22.1.4", "broken frame after a close frame", section, rule, 1000, goodbye, withRSV(text("late"), 7)),
		afterClose("22.1.5", "close with another code after a close frame", section, rule, 1000, goodbye, closing(1001, "late")),
		afterClose("22.1.6", "close in the middle of a message", section, rule, 1000, part(opText, "never ends", false), goodbye),
		{
			ID: "22.1.7", Title: "refusal in the middle of 4 MiB", Section: "RFC 6455 7.1.7", heavy: true,
			Rule:  "The close frame that says why a connection fails should reach a peer that is still sending.",
			Sends: "a text with RSV3, then 64 binary messages of 64 KiB", Expects: "the connection fails with 1002",
			play: func(s *session) {
				s.send(0, withRSV(text("bad"), rsv3))
				for range 64 {
					s.send(0, binaryOf(pattern(64<<10)))
				}
				s.refused(nil, nil, 1002)
			},
		},
		{
			ID: "22.1.8", Title: "close while echos are on their way", Section: section,
			Rule:  "What was sent before the close frame arrives before its answer.",
			Sends: "20 binary messages of 16 KiB, then close 1000", Expects: "20 messages, then close 1000",
			play: func(s *session) {
				var all []frame
				for i := range 20 {
					all = append(all, binaryOf(pattern(16<<10+i)))
				}
				s.send(0, append(all, goodbye)...)
				for i := range all {
					e := s.next("an echo")
					if e.kind == gotCloseFrame {
						s.laxf("%d of 20 messages sent before the close frame were not echoed", len(all)-i)
						s.ended()
						return
					}
					if e.kind != gotMessage {
						s.failf("expected an echo or the answer to the close frame, got %v", e)
					}
					s.sameMessage(e, message{opBinary, all[i].payload})
				}
				s.expectReply(1000, false)
			},
		},
	}
}

// halfCloseCases: 22.2 the end of the TCP stream where no close frame came before it.
func halfCloseCases() []Case {
	const section = "RFC 6455 7.1.5"
	cut := func(f frame, n int) func(*session) []frame {
		return func(s *session) []frame {
			b := s.encode(f)
			s.raw(b[:n], "the beginning of "+f.String())
			return nil
		}
	}
	frames := func(all ...frame) func(*session) []frame {
		return func(*session) []frame { return all }
	}
	var all []Case
	for i, c := range []struct {
		title string
		begin func(*session) []frame
		echo  []message
		reply bool
	}{
		{"end of the stream after the handshake", frames(), nil, false},
		{"text, then the end of the stream", frames(text("Hello")), []message{said("Hello")}, false},
		{"close, then the end of the stream", frames(closing(1000, "")), nil, true},
		{"text and close, then the end of the stream", frames(text("Hello"), closing(1000, "")), []message{said("Hello")}, true},
		{"end of the stream in a header", cut(text(string(asciiText(500))), 3), nil, false},
		{"end of the stream in a payload", cut(text(string(asciiText(500))), 100), nil, false},
		{"end of the stream between fragments", frames(part(opText, "Hello", false)), nil, false},
		{"end of the stream in a close frame", cut(closing(1000, "goodbye"), 6), nil, false},
	} {
		rule := "A connection that ends without a close frame is closed; the peer lets go of it at once."
		expects := "the end of the connection"
		if c.reply {
			rule = "The close frame is answered although the sender has ended its direction of the stream."
			expects = "close 1000, then the end of the connection"
		}
		if c.echo != nil {
			expects = "the echo, then " + expects
		}
		all = append(all, Case{
			ID: fmt.Sprintf("22.2.%d", i+1), Title: c.title, Section: section, Rule: rule, Sends: c.title, Expects: expects,
			play: func(s *session) {
				s.send(0, c.begin(s)...)
				if !s.wire.closeWrite() {
					s.unsupportedf("the transport cannot end one direction alone")
				}
				s.notef("end of the stream towards the peer")
				s.sentClose = true // nothing can be sent any more
				s.lastWords(c.echo, c.reply)
			},
		})
	}
	return all
}

// lastWords reads what a peer says after the runner has ended its direction.
func (s *session) lastWords(echo []message, reply bool) {
	for {
		e := s.next("the end of the connection")
		switch e.kind {
		case gotMessage:
			if len(echo) == 0 {
				s.failf("expected the end of the connection, got %v", e)
			}
			s.sameMessage(e, echo[0])
			echo = echo[1:]
		case gotCloseFrame:
			if reply && e.code != 1000 && e.code != 0 {
				s.failf("the close frame with 1000 was answered with %v", e)
			}
			reply = false
		case gotEnd:
			if reply {
				s.failf("the close frame was not answered: %s", reading(e.err))
			}
			if len(echo) > 0 {
				s.laxf("what was sent before the end of the stream was not echoed")
			}
			return
		}
	}
}

// reasonCases: 22.3 registered codes, 22.4 other codes that must not be sent, 22.5 reasons.
func reasonCases() []Case {
	const section = "RFC 6455 5.5.1"
	var all []Case
	for i, code := range []uint16{1012, 1013, 1014} {
		c := replyCase(fmt.Sprintf("22.3.%d", i+1), fmt.Sprintf("close with %d", code), "RFC 6455 11.7",
			"Codes that the IANA registry has added may be sent; a peer that does not know them should not mind.", closing(code, ""))
		c.play = func(s *session) {
			s.send(0, closing(code, ""))
			e := s.next("the answer to the close frame")
			if e.kind != gotCloseFrame {
				s.failf("the close frame was not answered, got %v", e)
			}
			if e.code != code && e.code != 1000 && e.code != 0 {
				s.laxf("the registered code %d was refused with %v", code, e)
			}
			s.ended()
		}
		all = append(all, c)
	}
	for i, code := range []uint16{1, 125, 998, 1015, 1017, 1999, 2001, 2500} {
		all = append(all, refusalCase(fmt.Sprintf("22.4.%d", i+1), fmt.Sprintf("close with %d", code), "RFC 6455 7.4",
			"Codes that are reserved or not defined must not stand in a close frame.", closing(code, "why not"), 1002))
	}
	for i, r := range []struct{ title, reason string }{
		{"of 123 bytes that end with a four-byte character", string(asciiText(119)) + "\U0001F600"},
		{"with a NUL", "good\x00bye"},
		{"with a noncharacter", "\uffff"},
		{"of one four-byte character", "\U0010ffff"},
	} {
		all = append(all, replyCase(fmt.Sprintf("22.5.%d", i+1), "close with a reason "+r.title, section,
			"The reason is any UTF-8 of at most 123 bytes.", closing(1000, r.reason)))
	}
	for i, r := range []struct{ title, reason string }{
		{"that ends inside a character", "goodbye\xe2\x82"},
		{"of 123 bytes that ends inside a character", string(asciiText(122)) + "\xc3"},
		{"with an overlong sequence", "\xc0\xaf"},
		{"with a lone surrogate", "\xed\xa0\x80"},
		{"of one continuation byte", "\x80"},
		{"beyond Unicode", "\xf4\x90\x80\x80"},
	} {
		all = append(all, refusalCase(fmt.Sprintf("22.6.%d", i+1), "close with a reason "+r.title, section,
			"The reason is UTF-8.", closing(1000, r.reason), 1007, 1002))
	}
	return all
}
