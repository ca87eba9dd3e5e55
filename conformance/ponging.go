package conformance

import (
	"fmt"
	"strings"
)

// Group 21: the order and the payload of pongs.
func pongCases() []Case {
	const section = "RFC 6455 5.5.2"
	var hundred, mixedIn, sized, stray []frame
	var hundredPongs, sizedPongs []string
	for i := range 100 {
		p := fmt.Sprintf("ping number %d", i)
		hundred, hundredPongs = append(hundred, ping(p)), append(hundredPongs, p)
		stray = append(stray, pong(p))
	}
	var wholeText strings.Builder
	var mixedPongs []string
	for i := range 20 {
		op, p := byte(opContinuation), fmt.Sprintf("between %d", i)
		if i == 0 {
			op = opText
		}
		mixedIn = append(mixedIn, part(op, fmt.Sprintf("fragment %d ", i), false), ping(p))
		fmt.Fprintf(&wholeText, "fragment %d ", i)
		mixedPongs = append(mixedPongs, p)
	}
	mixedIn = append(mixedIn, part(opContinuation, "", true))
	for n := range 126 {
		p := string(pattern(n))
		sized, sizedPongs = append(sized, ping(p)), append(sizedPongs, p)
	}
	var texts []frame
	var echos []message
	var textPongs []string
	for i := range 50 {
		t := fmt.Sprintf("message %d", i)
		texts, echos, textPongs = append(texts, text(t), ping(t)), append(echos, said(t)), append(textPongs, t)
	}
	all := asCases([]script{
		{id: "21.1", title: "100 pings at once", section: section, steps: []step{send(hundred...)}, pongs: hundredPongs,
			rule: "Pongs come in the order of the pings; earlier ones may be left out when a later ping is answered."},
		{id: "21.2", title: "ping between each of 20 fragments", section: section, steps: []step{send(mixedIn...)},
			echo: []message{said(wholeText.String())}, pongs: mixedPongs, early: true,
			rule: "A ping between fragments is answered as soon as is practical, not when the message has ended."},
		{id: "21.3", title: "pings of every length from 0 to 125", section: section, steps: []step{send(sized...)}, pongs: sizedPongs,
			rule: "A pong has the ping's payload, whatever its bytes."},
		{id: "21.4", title: "100 unasked pongs, a text and a ping", section: "RFC 6455 5.5.3",
			steps: []step{send(append(stray, text("Hello"), ping("asked"))...)}, echo: []message{said("Hello")}, pongs: []string{"asked"},
			rule: "A pong that no ping asked for is taken and not answered."},
		{id: "21.5", title: "50 texts and pings in turn", section: section, steps: []step{send(texts...)}, echo: echos, pongs: textPongs,
			rule: "Data and control frames each keep their order."},
		{id: "21.6", title: "pong between two fragments", section: "RFC 6455 5.4",
			steps: []step{send(part(opText, "frag", false), pong("between"), part(opContinuation, "ment", true))}, echo: []message{said("fragment")},
			rule: "Control frames may come between the fragments of a message."},
	})
	return append(all, Case{
		ID: "21.7", Title: "ping and close at once", Section: "RFC 6455 5.5.2",
		Rule:  "A ping that was received before a close frame is answered before the answer to it, or not at all; nothing follows a close frame.",
		Sends: "ping, close 1000", Expects: "maybe the pong, then close 1000",
		play: func(s *session) {
			s.send(0, ping("last"), closing(1000, ""))
			e := s.next("the pong or the answer to the close frame")
			if e.kind == gotPong {
				s.samePong(e.data, []string{"last"})
				s.expectReply(1000, false)
				return
			}
			if e.kind != gotCloseFrame {
				s.failf("expected the answer to the close frame, got %v", e)
			}
			s.ended()
		},
	}, Case{
		ID: "21.8", Title: "pings while 4 MiB go both ways", Section: section, heavy: true,
		Rule:  "A pong may come between the fragments of the peer's message, never inside a frame.",
		Sends: "64 binary messages of 64 KiB, each followed by a ping", Expects: "the messages and the pongs, each in order",
		play: func(s *session) {
			var echo []message
			var pongs []string
			for i := range 64 {
				p := pattern(64<<10 - i)
				t := fmt.Sprintf("ping %d", i)
				s.send(0, binaryOf(p), ping(t))
				echo, pongs = append(echo, message{opBinary, p}), append(pongs, t)
			}
			s.expect(echo, pongs, false)
			s.finish()
		},
	})
}
