package conformance

import "fmt"

// Group 9: large messages, many fragments, many messages.
func limitCases() []Case {
	const section = "RFC 6455 5.2"
	const rule = "A message may be large, arrive in any fragments and in any pieces; it comes back whole."
	var all []Case
	kinds := []struct {
		op   byte
		make func(int) []byte
	}{{opText, asciiText}, {opBinary, pattern}}
	add := func(id, title, rule string, play func(*session)) {
		all = append(all, Case{ID: id, Title: title, Section: section, Rule: rule, heavy: true, play: play,
			Sends: title, Expects: "the same messages back, then a clean close with 1000"})
	}
	for k, kind := range kinds { // 9.1, 9.2
		for i, n := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20} {
			add(fmt.Sprintf("9.%d.%d", k+1, i+1), fmt.Sprintf("%s message of %s", opNames[kind.op], size(n)), rule, func(s *session) {
				s.echoes(0, frame{fin: true, op: kind.op, payload: kind.make(n)})
			})
		}
	}
	for k, kind := range kinds { // 9.3, 9.4
		for i, n := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20} {
			add(fmt.Sprintf("9.%d.%d", k+3, i+1), fmt.Sprintf("%s message of 4 MiB in fragments of %s", opNames[kind.op], size(n)), rule, func(s *session) {
				s.echoes(0, fragments(kind.op, kind.make(4<<20), n)...)
			})
		}
	}
	for k, kind := range kinds { // 9.5, 9.6
		for i, n := range []int{64, 128, 256, 512, 1024, 2048} {
			add(fmt.Sprintf("9.%d.%d", k+5, i+1), fmt.Sprintf("%s message of 1 MiB in pieces of %s", opNames[kind.op], size(n)), rule, func(s *session) {
				s.echoes(n, frame{fin: true, op: kind.op, payload: kind.make(1 << 20)})
			})
		}
	}
	for k, kind := range kinds { // 9.7, 9.8
		for i, n := range []int{0, 16, 64, 256, 1024, 4096} {
			const rule = "Each message is answered before the next one is sent."
			add(fmt.Sprintf("9.%d.%d", k+7, i+1), fmt.Sprintf("1000 times a %s message of %s", opNames[kind.op], size(n)), rule, func(s *session) {
				p := kind.make(n)
				for range min(1000, max(16, s.r.volume()>>10)) {
					s.send(0, frame{fin: true, op: kind.op, payload: p})
					s.expectMessage(message{kind.op, p})
				}
				s.finish()
			})
		}
	}
	return all
}

// echoes sends the frames of one message, expects it back and closes.
func (s *session) echoes(chop int, frames ...frame) {
	var whole []byte
	if len(frames) == 1 {
		whole = frames[0].payload
	} else {
		for _, f := range frames {
			whole = append(whole, f.payload...)
		}
	}
	s.send(chop, frames...)
	s.expectMessage(message{frames[0].op, whole})
	s.finish()
}

func size(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
