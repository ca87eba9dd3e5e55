package conformance

import (
	"fmt"
	"strings"
)

// A step is something that the runner sends: frames, in pieces of chop bytes
// (0: together, negative: frame by frame).
type step struct {
	frames []frame
	chop   int
	// due is the failing that the step has earned: after it the runner waits a
	// little for the peer to fail the connection before it goes on.
	due bool
	cut int // if not 0, the one frame's payload bytes that leave before that wait
}

//go:noinline
func send(frames ...frame) step { return step{frames: frames} }

//go:noinline
func chopped(chop int, frames ...frame) step { return step{frames: frames, chop: chop} }

//go:noinline
func earned(chop int, frames ...frame) step { return step{frames: frames, chop: chop, due: true} }

// A script is a case as data: what is sent, and what comes back. Without codes
// the peer answers with echo and pongs and the runner then closes with 1000;
// with codes the peer must fail the connection with one of them after, at
// most, echo and pongs.
type script struct {
	id, title, section, rule string

	steps []step
	echo  []message
	pongs []string
	early bool // the pongs are due before the first message of echo ends
	codes []uint16
	// mild makes the peer that goes on as if nothing had happened not strict
	// instead of failed: the rule binds the sender alone. then is what such a peer
	// sends back after echo and pongs.
	mild bool
	then []message
	more []string // pongs that go with then

	roles   Role
	offer   string
	answer  func(*session, offers) string
	deflate bool
}

// oneOf turns a script into a case.
func (sc script) asCase() Case {
	return Case{
		ID: sc.id, Title: sc.title, Section: sc.section, Rule: sc.rule, Roles: sc.roles,
		Sends: sc.describeSends(), Expects: sc.describeExpects(),
		offer: sc.offer, answer: sc.answer, deflate: sc.deflate,
		play: sc.play,
	}
}

//go:noinline
func asCases(scripts []script) []Case {
	var all []Case
	for _, sc := range scripts {
		all = append(all, sc.asCase())
	}
	return all
}

func (sc script) play(s *session) {
	for _, st := range sc.steps {
		rest := []byte(nil)
		if st.cut > 0 {
			rest = s.sendCut(st.frames[0], st.cut)
		} else {
			s.send(st.chop, st.frames...)
		}
		if st.due && !s.reacts(s.r.grace()) {
			s.laxf("the connection was not failed at once, only when the message had ended")
		}
		if rest != nil {
			s.raw(rest, "the rest of the frame")
		}
	}
	if sc.codes == nil {
		s.expect(sc.echo, sc.pongs, sc.early)
		s.finish()
		return
	}
	if sc.mild && s.survives(sc) {
		s.laxf("the peer takes what its sender must not send")
		s.finish()
		return
	}
	s.refused(sc.echo, sc.pongs, sc.codes...)
}

// survives tells whether the peer answers a fault as if it were none. If it
// fails the connection, the close frame is left for refused to judge.
func (s *session) survives(sc script) bool {
	echo, pongs := append(sc.echo[:len(sc.echo):len(sc.echo)], sc.then...), append(sc.pongs[:len(sc.pongs):len(sc.pongs)], sc.more...)
	for len(echo) > 0 || len(pongs) > 0 {
		e := s.next("the peer to fail the connection")
		switch {
		case e.kind == gotMessage && len(echo) > 0:
			s.sameMessage(e, echo[0])
			echo = echo[1:]
		case e.kind == gotPong && len(pongs) > 0:
			pongs = s.samePong(e.data, pongs)
		case e.kind == gotCloseFrame:
			s.refusedWith(e, sc.codes...)
			panic(outcome{verdict: Pass})
		case e.kind == gotEnd:
			s.laxf("the connection was dropped without a close frame: %s", reading(e.err))
			panic(outcome{verdict: Pass})
		default:
			s.failf("expected the peer to fail the connection, got %v", e)
		}
	}
	return true
}

func (sc script) describeSends() string {
	var b strings.Builder
	for i, st := range sc.steps {
		if i > 0 {
			b.WriteString("; ")
		}
		describeFrames(&b, st.frames)
		switch {
		case st.chop == 1:
			b.WriteString(" byte by byte")
		case st.chop > 1:
			fmt.Fprintf(&b, " in pieces of %d bytes", st.chop)
		case st.chop < 0 && len(st.frames) > 1:
			b.WriteString(" frame by frame")
		}
		if st.cut > 0 {
			fmt.Fprintf(&b, " with a pause after %d bytes of the payload", st.cut)
		} else if st.due {
			b.WriteString("; then a pause")
		}
	}
	return b.String()
}

func describeFrames(b *strings.Builder, frames []frame) {
	const most = 8
	for i, f := range frames {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == most && len(frames) > most+1 {
			fmt.Fprintf(b, "and %d more frames", len(frames)-most)
			return
		}
		b.WriteString(f.String())
	}
}

func (sc script) describeExpects() string {
	var parts []string
	if n := len(sc.pongs); n > 4 {
		parts = append(parts, plural(n, "pong")+" in order")
	} else {
		for _, p := range sc.pongs {
			parts = append(parts, "pong "+show([]byte(p)))
		}
	}
	if n := len(sc.echo); n > 4 {
		parts = append(parts, plural(n, "message")+" in order")
	} else {
		for _, m := range sc.echo {
			parts = append(parts, opNames[m.op]+" "+show(m.data))
		}
	}
	if sc.codes != nil {
		return strings.Join(append(parts, "the connection fails with "+codeList(sc.codes)), ", ")
	}
	return strings.Join(append(parts, "a clean close with 1000"), ", ")
}

func codeList(codes []uint16) string {
	var s []string
	for _, c := range codes {
		s = append(s, fmt.Sprint(c))
	}
	return strings.Join(s, " or ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
