package conformance

// Group 25: frames in the same segment as the handshake.
func segmentCases() []Case {
	const (
		early = "A client should not send before the answer; a server that takes the request must not lose what came with it."
		lost  = "A server may send at once; a client must not lose frames that came with the answer."
	)
	hello := []message{said("Hello")}
	var all []Case
	for _, c := range []struct {
		title  string
		frames []frame
		echo   []message
		pongs  []string
		close  bool
	}{
		{"a text", []frame{text("Hello")}, hello, nil, false},
		{"a text in two fragments and a ping", []frame{part(opText, "Hel", false), part(opContinuation, "lo", true), ping("now")}, hello, []string{"now"}, false},
		{"a text, a ping and a close", []frame{text("Hello"), ping("now"), closing(1000, "")}, hello, []string{"now"}, true},
		{"a text of 20000 bytes", []frame{{fin: true, op: opText, payload: asciiText(20000)}}, []message{{opText, asciiText(20000)}}, nil, false},
		{"a close", []frame{closing(1000, "")}, nil, nil, true},
	} {
		// rest judges what comes back for the frames.
		rest := func(s *session) {
			s.asked, s.sentClose = true, c.close
			s.expect(c.echo, c.pongs, false)
			if c.close {
				s.expectReply(1000, false)
			} else {
				s.finish()
			}
		}
		all = append(all, Case{
			Title: "request and " + c.title, Section: "RFC 6455 4.1", Rule: early, Roles: Server, manual: true,
			Sends:   "the request with " + listFrames(c.frames) + " in one write",
			Expects: "answers to the frames; or a refusal, which is informational; anything else is not strict",
			play: func(s *session) {
				s.dial()
				d := s.draft()
				p := d.bytes()
				s.request = head{raw: p}
				s.raw(s.following(p, c.frames), "handshake, and "+c.title)
				if err := s.answered(); err != nil || s.response.status() != 101 {
					s.informf("the server refuses frames that come with the request: %s", firstLine(s.response.raw))
				}
				s.checkResponse(d)
				s.start()
				defer forgive()
				if a := s.wait("an answer to the frames"); a.err != nil {
					s.informf("the server ends a connection whose frames come with the request: %s", reading(a.err))
				} else {
					s.untake(a)
				}
				rest(s)
			},
		}, Case{
			Title: "answer and " + c.title, Section: "RFC 6455 4.1", Rule: lost, Roles: Client, manual: true,
			Sends:   "the answer with " + listFrames(c.frames) + " in one write",
			Expects: "answers to the frames",
			play: func(s *session) {
				s.checkRequest()
				p := s.welcome().bytes()
				s.response = head{raw: p}
				s.raw(s.following(p, c.frames), "handshake, and "+c.title)
				s.start()
				rest(s)
			},
		})
	}
	all = append(all, Case{
		Title: "answer and half a frame, then the other half", Section: "RFC 6455 4.1", Rule: lost, Roles: Client, manual: true,
		Sends: "the answer with a text up to its third byte, then the rest", Expects: "the text",
		play: func(s *session) {
			s.checkRequest()
			p := s.welcome().bytes()
			s.response = head{raw: p}
			b := s.encode(text("Hello"))
			s.raw(append(p[:len(p):len(p)], b[:5]...), "handshake, and half a text")
			s.raw(b[5:], "the other half")
			s.start()
			s.expectMessage(said("Hello"))
			s.finish()
		},
	})
	n := map[Role]int{}
	for i := range all {
		c := &all[i]
		n[c.Roles]++
		c.ID = "25." + map[Role]string{Server: "1.", Client: "2."}[c.Roles] + string(rune('0'+n[c.Roles]))
	}
	return all
}

// forgive makes a failure no worse than not strict: it was the runner who broke the
// rule, by sending before the answer.
func forgive() {
	switch p := recover().(type) {
	case nil:
	case outcome:
		if p.verdict == Fail {
			p.verdict = NotStrict
		}
		panic(p)
	default:
		panic(p)
	}
}

// following appends frames to a handshake.
func (s *session) following(p []byte, frames []frame) []byte {
	p = p[:len(p):len(p)]
	for _, f := range frames {
		p = append(p, s.encode(f)...)
	}
	return p
}

// untake puts an arrival back.
func (s *session) untake(a arrival) {
	s.in.mu.Lock()
	s.in.queue = append([]arrival{a}, s.in.queue...)
	s.in.mu.Unlock()
}
