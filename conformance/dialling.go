package conformance

import (
	"fmt"
	"net"
	"regexp"
	"strings"
)

// Group 24: the handshake of a client. 24.1 is its request, 24.2 are answers that it must
// accept, 24.3 those that it must refuse.
func clientHandshakeCases() []Case {
	var all []Case
	add := func(prefix string, cases []Case) {
		for i, c := range cases {
			c.ID, c.Roles, c.manual = fmt.Sprintf("24.%s.%d", prefix, i+1), Client, true
			all = append(all, c)
		}
	}
	add("1", requestCases())
	add("2", acceptableAnswers())
	add("3", unacceptableAnswers())
	return all
}

// keyCase is the case that compares the keys of all connections of a run.
const keyCase = "24.1.2"

// judgeKeys turns the result of keyCase, when the run is over, into what the keys say.
func (run *run) judgeKeys(res *Result) {
	run.mu.Lock()
	defer run.mu.Unlock()
	switch {
	case res.Verdict == Fail:
	case run.twins != "":
		res.Verdict, res.Reason = Fail, "the cases "+run.twins+" came with the same Sec-WebSocket-Key"
	case len(run.nonces) < 2:
		res.Verdict, res.Reason = Informational, "there was no other connection in this run to compare the key with"
	}
}

var portAtEnd = regexp.MustCompile(`:[0-9]+$`)

func requestCases() []Case {
	const section = "RFC 6455 4.1"
	fine := func(s *session) {
		s.accept()
		s.echoesHello()
	}
	return []Case{
		{Title: "request", Section: section, Sends: "a plain answer",
			Rule:    "The request is a GET of HTTP/1.1 with Host, Upgrade, Connection, a key of 16 bytes and version 13, each of them once.",
			Expects: "a right request, then an echo and a clean close", play: fine},
		{Title: "key is new", Section: section, Sends: "a plain answer",
			Rule:    "The key is chosen anew, at random, for each connection.",
			Expects: "a key that no other connection of this run had",
			play:    fine}, // judgeKeys has the last word
		{Title: "request line", Section: "RFC 9112 3.2.1", Sends: "a plain answer",
			Rule:    "The request-target is the path and the query of the URL.",
			Expects: "GET with the path",
			play: func(s *session) {
				fine(s)
				if target := strings.Fields(s.request.start)[1]; !strings.HasPrefix(target, "/") {
					s.laxf("the request-target is %q", target)
				}
			}},
		{Title: "port in Host", Section: section, Sends: "a plain answer",
			Rule:    "Host holds the port unless it is the default one of the URL's scheme.",
			Expects: "Host with the port that the client came to; without one the connection may have been forwarded, which is not strict",
			play: func(s *session) {
				fine(s)
				host, _ := s.request.only("Host")
				if to, ok := s.wire.LocalAddr().(*net.TCPAddr); ok && to.Port != 80 && to.Port != 443 && !portAtEnd.MatchString(host) {
					s.laxf("the request's Host is %q; the client came to port %d", host, to.Port)
				}
			}},
	}
}

// echoesHello is works for a session that reads frames already.
func (s *session) echoesHello() {
	s.send(0, text("Hello"))
	s.expectMessage(said("Hello"))
	s.finish()
}

// answer sends a bent answer.
type answer struct {
	title, section, rule string
	bend                 func(s *session, d *draft)
	chop                 int
}

func (a answer) asCase(play func(*session), expects string) Case {
	section := a.section
	if section == "" {
		section = "RFC 6455 4.1"
	}
	return Case{Title: a.title, Section: section, Rule: a.rule, play: play, Sends: "an answer: " + a.title, Expects: expects}
}

func acceptableAnswers() []Case {
	const names, values = "Header names have no case.", "These values have no case."
	const interim = "A client can read one or more 1xx responses before the one that it waits for."
	after := func(responses ...string) func(*session, *draft) {
		return func(_ *session, d *draft) {
			for _, r := range responses {
				d.start = "HTTP/1.1 " + r + "\r\n" + d.start
			}
		}
	}
	var all []Case
	for _, a := range []answer{
		{title: "header names in lower case", rule: names, bend: func(_ *session, d *draft) {
			for i := range d.fields {
				d.fields[i].name = strings.ToLower(d.fields[i].name)
			}
		}},
		{title: "header names in upper case", rule: names, bend: func(_ *session, d *draft) {
			for i := range d.fields {
				d.fields[i].name = strings.ToUpper(d.fields[i].name)
			}
		}},
		{title: "Upgrade: WebSocket", rule: values, bend: set("Upgrade", "WebSocket")},
		{title: "Connection: upgrade", rule: values, bend: set("Connection", "upgrade")},
		{title: "Connection: keep-alive, Upgrade", rule: "Connection is a list that includes Upgrade.", bend: set("Connection", "keep-alive, Upgrade")},
		{title: "unknown headers", rule: "Headers that the client does not know are ignored.", bend: func(_ *session, d *draft) {
			d.add("Server", "conformance")
			d.add("Date", "Sat, 21 Nov 2026 10:00:00 GMT")
			d.add("Set-Cookie", "a=b; Path=/")
		}},
		{title: "another reason phrase", section: "RFC 9112 4", rule: "The reason phrase has no meaning.", bend: func(_ *session, d *draft) { d.start = "HTTP/1.1 101 Web Socket Protocol Handshake" }},
		{title: "empty reason phrase", section: "RFC 9112 4", rule: "The reason phrase may be empty.", bend: func(_ *session, d *draft) { d.start = "HTTP/1.1 101 " }},
		{title: "spaces around values", section: "RFC 9112 5", rule: "Whitespace around a value does not count.", bend: func(_ *session, d *draft) {
			for i := range d.fields {
				d.fields[i].value = "  " + d.fields[i].value + " \t"
			}
		}},
		{title: "byte by byte", rule: "An answer may arrive in any pieces.", chop: 1},
		{title: "100 Continue before it", section: "RFC 9110 15.2", rule: interim, bend: after("100 Continue\r\n")},
		{title: "103 Early Hints before it, twice", section: "RFC 9110 15.2", rule: interim,
			bend: after("103 Early Hints\r\nLink: </style.css>; rel=preload\r\n", "103 Early Hints\r\nX-More: yes\r\n")},
	} {
		all = append(all, a.asCase(func(s *session) {
			s.checkRequest()
			d := s.welcome()
			if a.bend != nil {
				a.bend(s, d)
			}
			s.respond(d, a.chop)
			s.start()
			s.echoesHello()
		}, "an echo and a clean close"))
	}
	return all
}

func (s *session) respond(d *draft, chop int) {
	p := d.bytes()
	s.response = head{raw: p[:min(len(p), 1024)]}
	if chop <= 0 {
		s.raw(p, "handshake")
		return
	}
	s.log.add(Sent, len(p), p, "handshake")
	for len(p) > 0 {
		n := min(chop, len(p))
		if _, err := s.wire.Write(p[:n]); err != nil {
			return
		}
		p = p[n:]
	}
}

func unacceptableAnswers() []Case {
	const must = "A client fails the connection if this is not as the RFC says."
	const unasked = "A client fails the connection if the answer has something that it did not ask for."
	const twice = "The header must not appear more than once."
	status := func(line string) func(*session, *draft) {
		return func(_ *session, d *draft) { d.start = "HTTP/1.1 " + line }
	}
	accept := "Sec-WebSocket-Accept"
	var all []Case
	for _, a := range []answer{
		{title: "status 200", rule: must, bend: status("200 OK")},
		{title: "status 100", rule: must, bend: status("100 Continue")},
		{title: "status 102", rule: must, bend: status("102 Processing")},
		{title: "status 400", rule: must, bend: status("400 Bad Request")},
		{title: "status 401", rule: must, bend: status("401 Unauthorized")},
		{title: "status 301", rule: must, bend: status("301 Moved Permanently")},
		{title: "status 500", rule: must, bend: status("500 Internal Server Error")},
		{title: "status 1010", rule: must, bend: status("1010 Switching Protocols")},
		{title: "no Upgrade", rule: must, bend: drop("Upgrade")},
		{title: "Upgrade: h2c", rule: must, bend: set("Upgrade", "h2c")},
		{title: "Upgrade: websockets", rule: must, bend: set("Upgrade", "websockets")},
		{title: "no Connection", rule: must, bend: drop("Connection")},
		{title: "Connection: close", rule: must, bend: set("Connection", "close")},
		{title: "Connection: Upgraded", rule: must, bend: set("Connection", "Upgraded")},
		{title: "no " + accept, rule: must, bend: drop(accept)},
		{title: "empty " + accept, rule: must, bend: set(accept, "")},
		{title: accept + " for another key", rule: must, bend: set(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")},
		{title: accept + " that repeats the key", rule: must, bend: func(s *session, d *draft) {
			key, _ := s.request.only("Sec-WebSocket-Key")
			d.set(accept, key)
		}},
		{title: accept + " in another case", rule: must, bend: func(_ *session, d *draft) {
			v := []byte(d.get(accept))
			for i, c := range v {
				if c|0x20 >= 'a' && c|0x20 <= 'z' {
					v[i] ^= 0x20
				}
			}
			d.set(accept, string(v))
		}},
		{title: "shortened " + accept, rule: must, bend: func(_ *session, d *draft) { d.set(accept, d.get(accept)[:27]) }},
		{title: "two " + accept + ", the second one wrong", section: "RFC 6455 11.3.3", rule: twice, bend: add(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")},
		{title: "unasked subprotocol", rule: unasked, bend: add("Sec-WebSocket-Protocol", "x-nobody-asked")},
		{title: "unasked extension", section: "RFC 6455 9.1", rule: unasked, bend: add("Sec-WebSocket-Extensions", "x-nobody-asked")},
		{title: "malformed extension", section: "RFC 6455 9.1", rule: "A malformed Sec-WebSocket-Extensions header fails the connection.", bend: add("Sec-WebSocket-Extensions", ";;=")},
		{title: "status line that is no HTTP", rule: must, bend: func(_ *session, d *draft) { d.start = "WEBSOCKET/13 101 Switching Protocols" }},
		{title: "line without a colon", section: "RFC 9112 5", rule: "A header is a name, a colon and a value.", bend: func(_ *session, d *draft) { d.rename("Upgrade", "nonsense\r\nUpgrade") }},
		{title: "frames instead of an answer", rule: must, bend: func(_ *session, d *draft) { d.start, d.fields = "\x81\x05Hello\x81\x05Hello", nil }},
	} {
		all = append(all, a.asCase(func(s *session) {
			s.checkRequest()
			d := s.welcome()
			if a.bend != nil {
				a.bend(s, d)
			}
			s.unwelcome(d)
		}, "the end of the connection, without frames"))
	}
	all = append(all, answer{title: "endless headers", section: "RFC 6455 10.4", rule: "An implementation should limit what it takes in."}.asCase(func(s *session) {
		s.checkRequest()
		d := s.welcome()
		d.add("X-Long", strings.Repeat("x", 4<<20))
		p := append(d.bytes(), s.encode(text("Hello"))...)
		s.log.add(Sent, len(p), p, "handshake")
		s.flood = make(chan struct{})
		go func() {
			defer close(s.flood)
			s.wire.Write(p) // the client may stop it at any point
		}()
		s.start()
		if e := s.next("the end of the connection"); e.kind == gotMessage {
			s.laxf("the client has no limit below 4 MiB")
		}
	}, "the end of the connection"))
	return all
}

// unwelcome sends a wrong answer with a frame behind it. A client that takes the
// answer echoes the frame.
func (s *session) unwelcome(d *draft) {
	p := d.bytes()
	s.response = head{raw: p}
	s.raw(append(p[:len(p):len(p)], s.encode(text("Hello"))...), "handshake, and a text")
	s.start()
	if code := (&head{start: d.start}).status(); code != 0 && code != 101 {
		// RFC 6455 4.1: the client goes on as HTTP says; only a connection that is
		// open would answer the frame. It learns that nothing more comes.
		if !s.reacts(s.r.grace()) {
			s.notef("the client keeps the connection")
			return
		}
	}
	a := s.wait("the end of the connection")
	switch {
	case a.err != nil:
	case a.frame.op == opClose:
		s.laxf("the client sent a close frame on a connection that never was open")
	default:
		s.failf("the client accepted the answer: it sent %v", a.frame)
	}
}
