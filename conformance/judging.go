package conformance

import (
	"bytes"
	"slices"
	"strings"
)

// message is a data message that is expected back.
type message struct {
	op   byte
	data []byte
}

func said(s string) message { return message{opText, []byte(s)} }

// expectMessage waits for one message; pongs before it are let pass.
func (s *session) expectMessage(want message) {
	for {
		e := s.next("the message " + show(want.data))
		if e.kind == gotPong && !s.asked {
			continue
		}
		if e.kind != gotMessage {
			s.failf("expected the message %s %s, got %v", opNames[want.op], show(want.data), e)
		}
		s.sameMessage(e, want)
		return
	}
}

func (s *session) sameMessage(e event, want message) {
	if e.op != want.op {
		s.failf("expected a %s message, got %v", opNames[want.op], e)
	}
	if bytes.Equal(e.data, want.data) {
		return
	}
	at := 0
	for at < len(e.data) && at < len(want.data) && e.data[at] == want.data[at] {
		at++
	}
	s.failf("expected the message %s of %d bytes, got %s of %d bytes; they differ from byte %d on",
		show(want.data), len(want.data), show(e.data), len(e.data), at)
}

// expect waits for messages and pongs, each in their order. With early the pongs
// should come before the first message ends.
func (s *session) expect(echo []message, pongs []string, early bool) {
	for len(echo) > 0 || len(pongs) > 0 {
		var missing []string
		if len(echo) > 0 {
			missing = append(missing, "the message "+show(echo[0].data))
		}
		if len(pongs) > 0 {
			missing = append(missing, "the pong "+show([]byte(pongs[0])))
		}
		what := strings.Join(missing, " or ")
		e := s.next(what)
		switch {
		case e.kind == gotPong && !s.asked:
		case e.kind == gotPong:
			pongs = s.samePong(e.data, pongs)
		case e.kind == gotMessage && len(echo) > 0:
			if early && len(pongs) > 0 {
				// RFC 6455 5.5.2: a pong as soon as is practical.
				s.laxf("the pong came after the message that ended after the ping")
			}
			s.sameMessage(e, echo[0])
			echo = echo[1:]
		default:
			s.failf("expected %s, got %v", what, e)
		}
	}
}

// samePong takes a pong off the list of those due. A peer may answer only the
// latest of several pings (RFC 6455 5.5.3), so that earlier ones may be skipped.
func (s *session) samePong(p []byte, due []string) []string {
	i := slices.Index(due, string(p))
	if i < 0 {
		if len(due) == 0 {
			s.failf("a pong %s came that no ping asked for", show(p))
		}
		s.failf("expected the pong %s, got the pong %s", show([]byte(due[0])), show(p))
	}
	if i > 0 {
		s.notef("%s skipped", plural(i, "pong"))
	}
	return due[i+1:]
}

// finish closes the connection with 1000 and expects the peer to do the same.
func (s *session) finish() { s.close(closing(1000, "")) }

// close sends a close frame and expects one back, with the same code or 1000, and the end.
func (s *session) close(f frame) {
	s.send(0, f)
	s.expectReply(s.codeOf(f), false)
}

func (s *session) codeOf(f frame) uint16 {
	if len(f.payload) < 2 {
		return 0
	}
	return uint16(f.payload[0])<<8 | uint16(f.payload[1])
}

// expectReply waits for the answer to a close frame. With late, messages that
// were on their way are let pass.
func (s *session) expectReply(code uint16, late bool) {
	for {
		e := s.next("the answer to the close frame")
		switch e.kind {
		case gotPong:
			if s.asked {
				s.failf("a pong %s came that no ping asked for", show(e.data))
			}
		case gotMessage:
			if !late {
				s.failf("expected the answer to the close frame, got %v", e)
			}
		case gotEnd:
			// RFC 6455 5.5.1: an endpoint that has not sent a close frame MUST answer one.
			s.failf("the close frame was not answered: %s", reading(e.err))
		case gotCloseFrame:
			// RFC 6455 5.5.1: it typically echos the status code.
			if e.code != code && e.code != 1000 && e.code != 0 {
				s.failf("the close frame with %d was answered with %d %s", code, e.code, show(e.data))
			}
			s.ended()
			return
		}
	}
}

// ended expects the end of the connection after close frames went both ways. RFC
// 6455 5.5.1, 7.1.1: the server closes at once, the client when the server has.
func (s *session) ended() {
	if s.role == Client && !s.wire.closeWrite() {
		return
	}
	for {
		e := s.next("the end of the connection")
		switch e.kind {
		case gotEnd:
			return
		default:
			s.failf("after its close frame the peer sent %v", e)
		}
	}
}

// refused expects the peer to fail the connection. Messages of echo may come
// first, in their order.
func (s *session) refused(echo []message, pongs []string, codes ...uint16) {
	for {
		e := s.next("the peer to fail the connection")
		switch e.kind {
		case gotMessage:
			if len(echo) == 0 {
				s.failf("the peer took what it must refuse: it sent %v", e)
			}
			s.sameMessage(e, echo[0])
			echo = echo[1:]
		case gotPong:
			if !s.asked {
				continue
			}
			if len(pongs) == 0 {
				s.failf("the peer went on after what it must refuse: it sent %v", e)
			}
			pongs = s.samePong(e.data, pongs)
		case gotEnd:
			// RFC 6455 7.1.7: a close frame with an appropriate code SHOULD be sent.
			s.laxf("the connection was dropped without a close frame: %s", reading(e.err))
			return
		case gotCloseFrame:
			if len(echo) > 0 {
				s.laxf("what came before the fault was not echoed")
			}
			s.refusedWith(e, codes...)
			return
		}
	}
}

// refusedWith judges the code of a refusal and ends the connection.
func (s *session) refusedWith(e event, codes ...uint16) {
	switch {
	case slices.Contains(codes, e.code):
	case e.code == 0 && s.sentClose && !s.badClose:
		// A close frame that only answers the faulty one: the peer took it.
		s.failf("expected a close frame with %s, got %v", codeList(codes), e)
	case e.code == 0:
		s.laxf("the close frame has no code, expected %s", codeList(codes))
	default:
		s.failf("expected a close frame with %s, got %v", codeList(codes), e)
	}
	if !s.sentClose {
		s.send(0, frame{fin: true, op: opClose, payload: closing(max(e.code, 1000), "").payload})
	}
	s.ended()
}
