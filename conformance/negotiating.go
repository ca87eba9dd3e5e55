package conformance

import (
	"fmt"
	"strings"
)

// Group 26: the negotiation of permessage-deflate. 26.1 to 26.3 are offers to a server,
// 26.4 and 26.5 answers to a client.
func negotiationCases() []Case {
	all := validOffers()
	all = append(all, windowOffers()...)
	all = append(all, invalidOffers()...)
	all = append(all, validAnswers()...)
	return append(all, invalidAnswers()...)
}

// talk sends compressed messages that refer back to one another, and expects them back.
func (s *session) talk() {
	p := jsonContent()
	for i := range 6 {
		m := p[i*3000 : i*3000+4000]
		s.send(0, s.squeezed(opText, m))
		s.expectMessage(message{opText, m})
	}
	s.finish()
}

// offerCase does a handshake with an offer, judges the answer and talks under it.
func offerCase(id, title, rule, offer string, extra func(s *session, a offer)) Case {
	return Case{
		ID: id, Title: title, Section: "RFC 7692 7.1", Rule: rule, Roles: Server, manual: true,
		Sends: "the offer " + offer, Expects: "a right answer or none; compressed messages come back",
		offer: offer,
		play: func(s *session) {
			s.dial()
			d := s.draft()
			s.request = head{raw: d.bytes()}
			s.raw(s.request.raw, "handshake")
			if fault := s.opened(d); fault != nil {
				s.failf("%v", fault)
			}
			if s.deflate == nil {
				s.unsupportedf("the server declined %q", offer)
			}
			if extra != nil {
				answered, _ := parseOffers(s.response.values("Sec-WebSocket-Extensions"))
				a, _ := answered.find()
				extra(s, a)
			}
			s.start()
			s.talk()
		},
	}
}

func validOffers() []Case {
	const unoffered = "client_max_window_bits is not answered unless it was offered."
	const mirrored = "A server accepts server_no_context_takeover by putting it into its answer."
	const context = "If the answer leaves client_no_context_takeover out, the client may take its context over and the server inflates with it."
	one := func(i int, title, rule, offer string, extra func(*session, offer)) Case {
		return offerCase(fmt.Sprintf("26.1.%d", i), title, rule, offer, extra)
	}
	cases := []Case{
		one(1, "no parameters", unoffered, "permessage-deflate", nil),
		one(2, "client_max_window_bits without a value", "The answer may hold a value from 8 to 15.", "permessage-deflate; client_max_window_bits", nil),
		one(3, "client_max_window_bits=10", "The answer's value is not greater than the one offered.", "permessage-deflate; client_max_window_bits=10", nil),
		one(4, "client_max_window_bits=15", "The answer's value is not greater than the one offered.", "permessage-deflate; client_max_window_bits=15", nil),
		one(5, "client_max_window_bits=8", "The answer's value is not greater than the one offered.", "permessage-deflate; client_max_window_bits=8", nil),
		one(6, "server_no_context_takeover", mirrored, "permessage-deflate; server_no_context_takeover", nil),
		one(7, "client_no_context_takeover", context, "permessage-deflate; client_no_context_takeover", nil),
		one(8, "both no_context_takeover", mirrored, "permessage-deflate; server_no_context_takeover; client_no_context_takeover", nil),
		one(9, "all four parameters", mirrored, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; client_max_window_bits", nil),
		one(10, "quoted value", "A parameter's value may be a quoted string.", `permessage-deflate; server_max_window_bits="10"`, nil),
		one(11, "spaces and tabs", "Whitespace may stand around the separators.", "permessage-deflate ;\tserver_no_context_takeover ; client_max_window_bits", nil),
		one(12, "an invalid offer, then a valid one", "A server that declines an offer looks at the next one.", "permessage-deflate; server_max_window_bits=99, permessage-deflate", nil),
		one(13, "an unknown parameter, then a valid offer", "A server that declines an offer looks at the next one.", "permessage-deflate; x_unknown, permessage-deflate; client_max_window_bits", nil),
	}
	for i := range cases {
		if i >= 11 || i == 9 {
			cases[i].Expects = "a right answer to the valid offer, or none"
		}
	}
	return cases
}

// windowOffers: 26.2 server_max_window_bits, at every value.
func windowOffers() []Case {
	var all []Case
	for n := 8; n <= 15; n++ {
		all = append(all, offerCase(fmt.Sprintf("26.2.%d", n-7), fmt.Sprintf("server_max_window_bits=%d", n),
			"A server accepts the offer with the same or a smaller value and keeps to that window, or declines it.",
			fmt.Sprintf("permessage-deflate; server_max_window_bits=%d", n), nil))
	}
	return all
}

// invalidOffers: 26.3 offers that a server must decline.
func invalidOffers() []Case {
	var all []Case
	for i, params := range []string{
		"server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=0", "server_max_window_bits=09",
		"server_max_window_bits", "server_max_window_bits=abc", "server_max_window_bits=1000000000000000000000",
		"client_max_window_bits=7", "client_max_window_bits=16", "client_max_window_bits=010", "client_max_window_bits=+9",
		"server_no_context_takeover=1", "client_no_context_takeover=true",
		"x_unknown", "x_unknown=1", "server_max_window_bits=10; server_max_window_bits=10",
		"client_max_window_bits; client_max_window_bits=10", "server_no_context_takeover; server_no_context_takeover",
	} {
		offer := "permessage-deflate; " + params
		all = append(all, Case{
			ID: fmt.Sprintf("26.3.%d", i+1), Title: params, Section: "RFC 7692 7", Roles: Server, manual: true, offer: offer,
			Rule:  "A server declines an offer with a parameter that is unknown, doubled or of an invalid value.",
			Sends: "the offer " + offer, Expects: "101 without the extension, then an echo and a clean close; or 400",
			play: func(s *session) {
				s.dial()
				d := s.draft()
				s.request = head{raw: d.bytes()}
				s.raw(s.request.raw, "handshake")
				if err := s.answered(); err != nil {
					s.failf("no answer to the handshake: %v", err)
				}
				if code := s.response.status(); code == 400 {
					s.laxf("the whole handshake was refused, not the extension alone")
					return
				}
				s.checkResponse(d)
				s.works()
			},
		})
	}
	return all
}

// answerCase answers an offer; without play the client must refuse the answer.
func answerCase(id, title, rule string, build func(*session, offers) string, play func(*session), expects string) Case {
	return Case{
		ID: id, Title: title, Section: "RFC 7692 7.1", Rule: rule, Roles: Client, manual: true,
		Sends: "an answer with " + title, Expects: expects,
		play: func(s *session) {
			s.checkRequest()
			all := s.offered()
			if _, ok := all.find(); !ok {
				s.unsupportedf("the client does not offer permessage-deflate")
			}
			value := build(s, all)
			d := s.welcome()
			for v := range strings.SplitSeq(value, "\n") {
				d.add("Sec-WebSocket-Extensions", v)
			}
			if play == nil {
				s.unwelcome(d)
				return
			}
			s.respond(d, 0)
			s.agree(value)
			s.start()
			play(s)
		},
	}
}

// validAnswers: 26.4 answers that a client must take.
func validAnswers() []Case {
	const expects = "compressed messages come back, under the parameters of the answer"
	var all []Case
	add := func(title, rule string, build func(*session, offers) string) {
		all = append(all, answerCase(fmt.Sprintf("26.4.%d", len(all)+1), title, rule, build, (*session).talk, expects))
	}
	add("the least that the offer allows", "A server may leave every parameter out that the offer does not demand; client_no_context_takeover is but a hint.", reply(terms{strict: true}))
	add("server_no_context_takeover", "It may stand in an answer unasked.", reply(terms{serverFresh: true}))
	add("client_no_context_takeover", "It may stand in an answer unasked; the client then keeps no context.", reply(terms{clientFresh: true}))
	add("server_max_window_bits=9", "It may stand in an answer unasked.", reply(terms{serverBits: 9}))
	add("server_max_window_bits=8", "It may stand in an answer unasked.", reply(terms{serverBits: 8}))
	for n := 8; n <= 15; n++ {
		add(fmt.Sprintf("client_max_window_bits=%d", n), "A client that offered client_max_window_bits keeps to the window of the answer.", reply(terms{clientBits: n}))
	}
	add("quoted client_max_window_bits", "A parameter's value may be a quoted string.", func(s *session, all offers) string {
		a := reply(terms{clientBits: 10})(s, all)
		i := strings.LastIndexByte(a, '=')
		return a[:i+1] + `"` + a[i+1:] + `"`
	})
	return all
}

// invalidAnswers: 26.5 answers upon which a client must fail the connection.
func invalidAnswers() []Case {
	var all []Case
	add := func(title string, build func(*session, offers) string) {
		all = append(all, answerCase(fmt.Sprintf("26.5.%d", len(all)+1), title,
			"A client fails the connection if the answer has a parameter that is unknown, doubled, unasked for or of an invalid value.",
			build, nil, "the end of the connection, without frames"))
	}
	for _, params := range []string{
		"x_unknown", "x_unknown=1", "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits", "server_max_window_bits=09",
		"server_no_context_takeover=1", "client_no_context_takeover=1", "server_max_window_bits=10; server_max_window_bits=10",
		"client_max_window_bits=7", "client_max_window_bits=16", "client_max_window_bits",
	} {
		add(params, func(s *session, all offers) string {
			o, _ := all.find()
			answer := "permessage-deflate"
			// Everything that the client demands is there, so that the fault is the only one.
			for _, name := range []string{"server_no_context_takeover", "client_no_context_takeover"} {
				if o.has(name) && !strings.Contains(params, name) {
					answer += "; " + name
				}
			}
			return answer + "; " + params
		})
	}
	add("client_max_window_bits=10 unoffered", func(s *session, all offers) string {
		if o, _ := all.find(); o.has("client_max_window_bits") {
			s.unsupportedf("the client offers client_max_window_bits")
		}
		return reply(terms{})(s, all) + "; client_max_window_bits=10"
	})
	add("permessage-deflate twice", func(s *session, all offers) string {
		a := reply(terms{})(s, all)
		return a + "\n" + a
	})
	add("permessage-deflate and an extension that was not offered", func(s *session, all offers) string {
		return reply(terms{})(s, all) + ", x-nobody-asked"
	})
	add("server_max_window_bits greater than offered", func(s *session, all offers) string {
		o, _ := all.find()
		n := o.bitsOf("server_max_window_bits")
		if n == 0 || n == 15 {
			s.unsupportedf("the client does not limit server_max_window_bits")
		}
		return reply(terms{})(s, unlimited(o)) + fmt.Sprintf("; server_max_window_bits=%d", n+1)
	})
	return all
}

// unlimited is an offer without its limit of the server's window.
func unlimited(o offer) offers {
	var rest []param
	for _, p := range o.params {
		if p.name != "server_max_window_bits" {
			rest = append(rest, p)
		}
	}
	return offers{{o.name, rest}}
}
