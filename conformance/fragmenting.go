package conformance

import "fmt"

// Group 5: fragmentation.
func fragmentCases() []Case {
	const (
		section = "RFC 6455 5.4"
		joins   = "A message may come in fragments: a text or binary frame with FIN 0, continuation frames, the last of them with FIN 1."
		between = "Control frames may come between the fragments of a message."
		whole   = "Control frames are not fragmented."
		nothing = "A continuation frame without a message to go on with fails the connection."
		nesting = "The fragments of one message do not come between those of another."
	)
	two := []frame{part(opText, "fragment1", false), part(opContinuation, "fragment2", true)}
	withPing := []frame{two[0], ping("between"), two[1]}
	joined := []message{said("fragment1fragment2")}
	hello := text("Hello, world!")
	stray := func(fin bool) frame { return part(opContinuation, "nothing to go on with", fin) }
	refusal := []uint16{1002}

	five := func() []frame {
		var all []frame
		for i := range 5 {
			op := byte(opContinuation)
			if i == 0 {
				op = opText
			}
			all = append(all, part(op, fmt.Sprintf("fragment%d", i+1), i == 4))
			if i == 1 || i == 3 {
				all = append(all, ping(fmt.Sprintf("ping%d", i)))
			}
		}
		return all
	}()
	fiveJoined := []message{said("fragment1fragment2fragment3fragment4fragment5")}

	scripts := []script{
		{title: "ping in two fragments", rule: whole, codes: refusal,
			steps: []step{send(part(opPing, "fragment1", false), part(opContinuation, "fragment2", true))}},
		{title: "pong in two fragments", rule: whole, codes: refusal,
			steps: []step{send(part(opPong, "fragment1", false), part(opContinuation, "fragment2", true))}},
		{title: "text in two fragments", rule: joins, steps: []step{send(two...)}, echo: joined},
		{title: "text in two fragments, frame by frame", rule: joins, steps: []step{chopped(-1, two...)}, echo: joined},
		{title: "text in two fragments, byte by byte", rule: joins, steps: []step{chopped(1, two...)}, echo: joined},
		{title: "ping between two fragments", rule: between, early: true,
			steps: []step{send(withPing...)}, echo: joined, pongs: []string{"between"}},
		{title: "ping between two fragments, frame by frame", rule: between, early: true,
			steps: []step{chopped(-1, withPing...)}, echo: joined, pongs: []string{"between"}},
		{title: "ping between two fragments, byte by byte", rule: between, early: true,
			steps: []step{chopped(1, withPing...)}, echo: joined, pongs: []string{"between"}},
		{title: "continuation with FIN 1 and nothing to go on with, then a text", rule: nothing, codes: refusal,
			steps: []step{send(stray(true), hello)}},
		{title: "the same, frame by frame", rule: nothing, codes: refusal,
			steps: []step{chopped(-1, stray(true), hello)}},
		{title: "the same, byte by byte", rule: nothing, codes: refusal,
			steps: []step{chopped(1, stray(true), hello)}},
		{title: "continuation with FIN 0 and nothing to go on with, then a text", rule: nothing, codes: refusal,
			steps: []step{send(stray(false), hello)}},
		{title: "the same, frame by frame", rule: nothing, codes: refusal,
			steps: []step{chopped(-1, stray(false), hello)}},
		{title: "the same, byte by byte", rule: nothing, codes: refusal,
			steps: []step{chopped(1, stray(false), hello)}},
		{title: "a whole fragmented text, a continuation with FIN 0, a text", rule: nothing, codes: refusal,
			steps: []step{send(two[0], two[1], stray(false), hello)}, echo: joined},
		{title: "twice a continuation with FIN 0 and a text", rule: nothing, codes: refusal,
			steps: []step{send(stray(false), hello, stray(false), hello)}},
		{title: "twice a continuation with FIN 1 and a text", rule: nothing, codes: refusal,
			steps: []step{send(stray(true), hello, stray(true), hello)}},
		{title: "two fragments that both have the text opcode", rule: nesting, codes: refusal,
			steps: []step{send(part(opText, "fragment1", false), part(opText, "fragment2", true))}},
		{title: "five fragments with two pings between them, in two parts", rule: between, early: true,
			steps: []step{send(five[:3]...), chopped(-1, five[3:]...)}, echo: fiveJoined, pongs: []string{"ping1", "ping3"}},
		{title: "five fragments with two pings between them, byte by byte", rule: between, early: true,
			steps: []step{chopped(1, five...)}, echo: fiveJoined, pongs: []string{"ping1", "ping3"}},
	}
	for i := range scripts {
		scripts[i].id, scripts[i].section = fmt.Sprintf("5.%d", i+1), section
	}
	return asCases(scripts)
}

// Group 10: a large message in fragments that no power of two divides.
func miscCases() []Case {
	p := asciiText(65536)
	return asCases([]script{{
		id: "10.1.1", title: "65536 bytes of text in fragments of 1300", section: "RFC 6455 5.4",
		rule:  "Fragments may have any size; the receiver joins them.",
		steps: []step{send(fragments(opText, p, 1300)...)}, echo: []message{{opText, p}},
	}})
}
