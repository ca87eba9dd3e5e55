package conformance

import (
	"fmt"
	"strings"
)

// Group 7: close frames.
func closingCases() []Case {
	const (
		section = "RFC 6455 5.5.1"
		after   = "After a close frame an endpoint sends no more frames and discards what it receives."
		answer  = "A close frame is answered with a close frame, then the connection ends."
	)
	all := []Case{
		closeCase("7.1.1", "close after a text was echoed", section, answer, func(s *session) {
			s.send(0, text("Hello, world!"))
			s.expectMessage(said("Hello, world!"))
			s.finish()
		}, "text, then close 1000 when it has come back", "the echo, then close 1000"),
		afterClose("7.1.2", "two close frames", section, after, 1000, closing(1000, ""), closing(1000, "")),
		afterClose("7.1.3", "ping after a close frame", section, after, 1000, closing(1000, ""), ping("after the close")),
		afterClose("7.1.4", "text after a close frame", section, after, 1000, closing(1000, ""), text("after the close")),
		afterClose("7.1.5", "close between two fragments", section, after, 1000,
			part(opText, "fragment1", false), closing(1000, ""), part(opContinuation, "fragment2", true)),
		closeCase("7.1.6", "text of 256 KiB, a small text, close, ping", section, after, func(s *session) {
			s.send(0, frame{fin: true, op: opText, payload: asciiText(256 << 10)}, text("Hello, world!"), closing(1000, ""), ping("after the close"))
			s.asked = true // so that a pong fails the case
			s.expectReply(1000, true)
		}, "text of 262144 bytes, text, close 1000, ping", "close 1000, maybe the echos before it, no pong"),
		replyCase("7.3.1", "close without payload", section, answer, control(opClose, "")),
		refusalCase("7.3.2", "close with one byte of payload", section,
			"If a close frame has a body, its first two bytes are a code.", control(opClose, "a"), 1002),
		replyCase("7.3.3", "close with a code", section, answer, closing(1000, "")),
		replyCase("7.3.4", "close with a code and a reason", section, answer, closing(1000, "Hello, world!")),
		replyCase("7.3.5", "close with the longest reason", section, answer, closing(1000, strings.Repeat("*", 123))),
		refusalCase("7.3.6", "close with a reason one byte too long", "RFC 6455 5.5",
			"A control frame has at most 125 bytes of payload.", closing(1000, strings.Repeat("*", 124)), 1002),
		refusalCase("7.5.1", "close with a reason that is not UTF-8", section, "The reason is UTF-8.",
			closing(1000, greek+"\xed\xa0\x80edited"), 1007, 1002),
	}
	for i, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		all = append(all, replyCase(fmt.Sprintf("7.7.%d", i+1), fmt.Sprintf("close with %d", code),
			"RFC 6455 7.4", "Codes that are defined, and those from 3000 to 4999, may stand in a close frame.", closing(code, "")))
	}
	for i, code := range []uint16{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		all = append(all, refusalCase(fmt.Sprintf("7.9.%d", i+1), fmt.Sprintf("close with %d", code),
			"RFC 6455 7.4", "Codes that are reserved or not defined must not stand in a close frame.", closing(code, ""), 1002))
	}
	for i, code := range []uint16{5000, 65535} {
		c := refusalCase(fmt.Sprintf("7.13.%d", i+1), fmt.Sprintf("close with %d", code),
			"RFC 6455 7.4.2", "The RFC gives codes from 5000 on no meaning.", closing(code, ""))
		c.Expects = "any close frame, then the end"
		c.play = func(s *session) {
			s.send(0, closing(code, ""))
			e := s.next("an answer to the close frame")
			if e.kind != gotCloseFrame {
				s.failf("the close frame was not answered, got %v", e)
			}
			s.ended()
			s.informf("answered with %v", e)
		}
		all = append(all, c)
	}
	return all
}

func closeCase(id, title, section, rule string, play func(*session), sends, expects string) Case {
	return Case{ID: id, Title: title, Section: section, Rule: rule, Sends: sends, Expects: expects, play: play}
}

func listFrames(frames []frame) string {
	var b strings.Builder
	describeFrames(&b, frames)
	return b.String()
}

// afterClose sends frames of which one is a close frame, in one piece, and
// expects the answer to the close frame and nothing else.
func afterClose(id, title, section, rule string, code uint16, frames ...frame) Case {
	return closeCase(id, title, section, rule, func(s *session) {
		s.send(0, frames...)
		s.asked = true
		s.expectReply(code, false)
	}, listFrames(frames), fmt.Sprintf("close %d and nothing else", code))
}

// replyCase sends a close frame and expects one back.
func replyCase(id, title, section, rule string, f frame) Case {
	return closeCase(id, title, section, rule, func(s *session) { s.close(f) },
		f.String(), "a close frame with the same code, 1000 or none, then the end")
}

// refusalCase sends a close frame that the peer must refuse.
func refusalCase(id, title, section, rule string, f frame, codes ...uint16) Case {
	return closeCase(id, title, section, rule, func(s *session) {
		s.badClose = true
		s.send(0, f)
		s.refused(nil, nil, codes...)
	}, f.String(), "the connection fails with "+codeList(codes))
}
