package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// Group 23: the handshake of a server. 23.1 are requests that it must accept, 23.2
// those that it must refuse, 23.3 subprotocols and extensions, 23.4 limits.
func serverHandshakeCases() []Case {
	var all []Case
	add := func(prefix string, cases []Case) {
		for i, c := range cases {
			c.ID, c.Roles, c.manual = fmt.Sprintf("23.%s.%d", prefix, i+1), Server, true
			all = append(all, c)
		}
	}
	add("1", acceptableRequests())
	add("2", unacceptableRequests())
	add("3", wishfulRequests())
	add("4", endlessRequests())
	return all
}

// request is a handshake case: how a plain request is bent.
type request struct {
	title, section, rule string
	bend                 func(s *session, d *draft)
	chop                 int // bytes a write
}

func (rq request) asCase(play func(*session), expects string) Case {
	section := rq.section
	if section == "" {
		section = "RFC 6455 4.2.1"
	}
	return Case{Title: rq.title, Section: section, Rule: rq.rule, play: play,
		Sends: "a handshake: " + rq.title, Expects: expects}
}

// ask dials and sends a bent request.
func (s *session) ask(rq request) *draft {
	s.dial()
	d := s.draft()
	if rq.bend != nil {
		rq.bend(s, d)
	}
	s.request = head{raw: d.bytes()}
	s.log.add(Sent, len(s.request.raw), s.request.raw, "handshake")
	rest := s.request.raw
	for len(rest) > 0 && !s.broken {
		n := len(rest)
		if rq.chop > 0 {
			n = min(n, rq.chop)
		}
		if _, err := s.wire.Write(rest[:n]); err != nil {
			s.notef("sending failed: %v", err)
			s.broken = true
		}
		rest = rest[n:]
	}
	return d
}

// works shows that an accepted connection carries messages.
func (s *session) works() {
	s.start()
	s.send(0, text("Hello"))
	s.expectMessage(said("Hello"))
	s.finish()
}

func set(name, value string) func(*session, *draft) {
	return func(_ *session, d *draft) { d.set(name, value) }
}

func drop(name string) func(*session, *draft) {
	return func(_ *session, d *draft) { d.drop(name) }
}

func add(name, value string) func(*session, *draft) {
	return func(_ *session, d *draft) { d.add(name, value) }
}

func acceptableRequests() []Case {
	const names, values = "Header names have no case.", "These values have no case."
	var all []Case
	for _, rq := range []request{
		{title: "plain", rule: "A request with everything that the RFC demands is answered with 101 and the right Sec-WebSocket-Accept."},
		{title: "the key of the RFC's example", rule: "Sec-WebSocket-Accept is the base64 of the SHA-1 of the key and a GUID.", bend: set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")},
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
		{title: "two Connection headers", section: "RFC 9110 5.3", rule: "A list may be spread over several headers.", bend: func(_ *session, d *draft) {
			d.set("Connection", "keep-alive")
			d.add("Connection", "Upgrade")
		}},
		{title: "spaces and tabs around values", section: "RFC 9112 5", rule: "Whitespace around a value does not count.", bend: func(_ *session, d *draft) {
			for i := range d.fields {
				d.fields[i].value = " \t" + d.fields[i].value + "\t "
			}
		}},
		{title: "unknown headers", rule: "Headers that the server does not know are ignored.", bend: func(_ *session, d *draft) {
			for i := range 20 {
				d.add(fmt.Sprintf("X-Unknown-%d", i), strings.Repeat("v", 40))
			}
		}},
		{title: "byte by byte", rule: "A request may arrive in any pieces.", chop: 1},
		{title: "in pieces of 7 bytes", rule: "A request may arrive in any pieces.", chop: 7},
		{title: "absolute URI in the request line", section: "RFC 6455 4.2.1", rule: "The request-target may be an absolute HTTP URI.",
			bend: func(s *session, d *draft) { d.start = "GET http://" + s.run.host + s.run.path + " HTTP/1.1" }},
		{title: "User-Agent, Cookie and Cache-Control", rule: "A request may carry any other headers.", bend: func(_ *session, d *draft) {
			d.add("User-Agent", "conformance")
			d.add("Cookie", "a=b; c=\"d\"")
			d.add("Cache-Control", "no-cache")
		}},
		{title: "header of 3 KiB", rule: "A request may carry headers of a usual size.", bend: add("Cookie", "a="+strings.Repeat("b", 3<<10))},
	} {
		all = append(all, rq.asCase(func(s *session) {
			d := s.ask(rq)
			if fault := s.opened(d); fault != nil {
				s.failf("%v", fault)
			}
			s.works()
		}, "101, then an echo and a clean close"))
	}
	return all
}

// declined expects anything but a 101. It returns the status, 0 if none came.
func (s *session) declined() int {
	err := s.answered()
	if err != nil && s.response.start == "" {
		s.laxf("the connection was closed without an HTTP answer")
		return 0
	}
	code := s.response.status()
	if code == 101 {
		s.failf("the server accepted it")
	}
	if code == 0 {
		s.failf("the answer is no HTTP/1 response: %q", firstLine(s.response.raw))
	}
	return code
}

func unacceptableRequests() []Case {
	type bad struct {
		request
		statuses []int // expected; none means any error
	}
	const once = "The header must not appear more than once."
	const is16 = "The key is 16 bytes in base64."
	const versions = "A version that the server does not know is refused, and the answer names in Sec-WebSocket-Version those that it knows."
	version := func(v string) bad {
		return bad{request{title: "version " + v, section: "RFC 6455 4.4", rule: versions, bend: set("Sec-WebSocket-Version", v)}, []int{426, 400}}
	}
	client := []int{400, 426}
	bads := []bad{
		{request{title: "method POST", rule: "The method is GET.", bend: func(s *session, d *draft) {
			d.start = "POST " + s.run.path + " HTTP/1.1"
			d.add("Content-Length", "0")
		}}, []int{400, 405, 426, 501}},
		{request{title: "method HEAD", rule: "The method is GET.", bend: func(s *session, d *draft) { d.start = "HEAD " + s.run.path + " HTTP/1.1" }}, nil},
		{request{title: "method get in lower case", section: "RFC 9110 9.1", rule: "Methods have a case.", bend: func(s *session, d *draft) { d.start = "get " + s.run.path + " HTTP/1.1" }}, []int{400, 405, 426, 501}},
		{request{title: "HTTP/1.0", rule: "The HTTP version is at least 1.1.", bend: func(s *session, d *draft) { d.start = "GET " + s.run.path + " HTTP/1.0" }}, nil},
		{request{title: "no Host", rule: "There is a Host header.", bend: drop("Host")}, []int{400}},
		{request{title: "no Upgrade", rule: "There is an Upgrade header with websocket.", bend: drop("Upgrade")}, nil},
		{request{title: "Upgrade: h2c", rule: "There is an Upgrade header with websocket.", bend: set("Upgrade", "h2c")}, nil},
		{request{title: "Upgrade: websockets", rule: "There is an Upgrade header with websocket.", bend: set("Upgrade", "websockets")}, nil},
		{request{title: "no Connection", rule: "There is a Connection header with Upgrade.", bend: drop("Connection")}, nil},
		{request{title: "Connection: keep-alive", rule: "There is a Connection header with Upgrade.", bend: set("Connection", "keep-alive")}, nil},
		{request{title: "Connection: Upgraded", rule: "There is a Connection header with Upgrade.", bend: set("Connection", "Upgraded")}, nil},
		{request{title: "no key", rule: is16, bend: drop("Sec-WebSocket-Key")}, client},
		{request{title: "empty key", rule: is16, bend: set("Sec-WebSocket-Key", "")}, client},
		{request{title: "key of 15 bytes", rule: is16, bend: set("Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2Rl")}, client},
		{request{title: "key of 17 bytes", rule: is16, bend: set("Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2RlZmc=")}, client},
		{request{title: "key that is not base64", rule: is16, bend: set("Sec-WebSocket-Key", "!!!!!!!!!!!!!!!!!!!!!!==")}, client},
		{request{title: "key of 22 characters without padding", rule: is16, bend: set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ")}, client},
		{request{title: "two keys", section: "RFC 6455 11.3.1", rule: once, bend: add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")}, client},
		{request{title: "no version", rule: "There is a Sec-WebSocket-Version header with 13.", bend: drop("Sec-WebSocket-Version")}, client},
		version("12"), version("8"), version("0"), version("14"), version("255"), version("7, 8"), version("113"), version("13.0"), version("013"),
		{request{title: "two versions, 13 and 8", section: "RFC 6455 11.3.5", rule: once, bend: add("Sec-WebSocket-Version", "8")}, client},
		{request{title: "two Host headers", section: "RFC 9112 3.2", rule: "A request with more than one Host header is answered with 400.", bend: add("Host", "other.example")}, []int{400}},
		{request{title: "space before a colon", section: "RFC 9112 5.1", rule: "Whitespace between a header's name and the colon is answered with 400.",
			bend: func(_ *session, d *draft) { d.rename("Sec-WebSocket-Key", "Sec-WebSocket-Key ") }}, []int{400}},
		{request{title: "line without a colon", section: "RFC 9112 5", rule: "A header is a name, a colon and a value.",
			bend: func(_ *session, d *draft) { d.rename("Sec-WebSocket-Version", "nonsense\r\nSec-WebSocket-Version") }}, []int{400}},
		{request{title: "NUL in a value", section: "RFC 9110 5.5", rule: "A value with NUL is invalid.", bend: add("X-Odd", "a\x00b")}, []int{400}},
		{request{title: "bare CR in a value", section: "RFC 9112 2.2", rule: "A bare CR is invalid.", bend: add("X-Odd", "a\rSec-WebSocket-Protocol: injected")}, []int{400}},
		{request{title: "malformed request line", section: "RFC 9112 3", rule: "A request line is a method, a target and a version.", bend: func(s *session, d *draft) { d.start = "GET" + s.run.path + "HTTP/1.1" }}, []int{400}},
		{request{title: "frames instead of a request", section: "RFC 6455 4.2", rule: "What is no HTTP request is no handshake.", bend: func(_ *session, d *draft) {
			d.start, d.fields = "\x81\x85\x01\x02\x03\x04Hello", nil
		}}, []int{400}},
		{request{title: "empty extension name", section: "RFC 6455 9.1", rule: "A Sec-WebSocket-Extensions header that is malformed fails the handshake.", bend: add("Sec-WebSocket-Extensions", "; server_no_context_takeover")}, client},
		{request{title: "extension parameter without a name", section: "RFC 6455 9.1", rule: "A Sec-WebSocket-Extensions header that is malformed fails the handshake.", bend: add("Sec-WebSocket-Extensions", "permessage-deflate; =10")}, client},
	}
	var all []Case
	for _, b := range bads {
		expects := "an HTTP error"
		if b.statuses != nil {
			var codes []string
			for _, c := range b.statuses {
				codes = append(codes, fmt.Sprint(c))
			}
			expects += " (" + strings.Join(codes, ", ") + ")"
		}
		knows := strings.HasPrefix(b.title, "version ")
		// What binds the sender alone is not held against a server that overlooks it.
		mild := b.rule == once || b.title == "version 013"
		if knows {
			expects += " with Sec-WebSocket-Version: 13"
		}
		all = append(all, b.asCase(func(s *session) {
			d := s.ask(b.request)
			if mild && s.takesAnyway(d) {
				return
			}
			code := 0
			if !mild {
				code = s.declined()
			} else {
				code = s.response.status()
			}
			if code != 0 && b.statuses != nil && !slices.Contains(b.statuses, code) {
				s.laxf("the status is %d", code)
			}
			s.checkRefusal(code)
			if knows && code != 0 && !s.response.hasToken("Sec-WebSocket-Version", "13") {
				if malformed := strings.ContainsAny(b.title, ",.") || b.title == "version 013"; malformed && code == 400 {
					// RFC 6455 4.2.1: such a request may be refused for its grammar alone.
					s.laxf("the answer %d does not name the version 13 in Sec-WebSocket-Version", code)
					return
				}
				s.failf("the answer %d does not name the version 13 in Sec-WebSocket-Version", code)
			}
		}, expects))
	}
	return all
}

// checkRefusal looks for what a status demands of its response.
func (s *session) checkRefusal(code int) {
	switch {
	case code == 426 && !s.response.hasToken("Upgrade", "websocket"): // RFC 9110 15.5.22
		s.failf("the answer 426 does not name websocket in Upgrade")
	case code == 405 && len(s.response.values("Allow")) == 0: // RFC 9110 15.5.6
		s.failf("the answer 405 has no Allow header")
	}
}

// takesAnyway reads the response to something that is malformed and tells
// whether the server accepted the connection without it, which is not strict.
func (s *session) takesAnyway(d *draft) bool {
	if err := s.answered(); err != nil && s.response.start == "" {
		s.laxf("the connection was closed without an HTTP answer")
		return true
	}
	if s.response.status() != 101 {
		return false
	}
	s.laxf("the server overlooked what is malformed")
	s.checkResponse(d)
	return true
}

func wishfulRequests() []Case {
	const chosen = "The answer names one of the subprotocols asked for, or none."
	const unknown = "The answer holds no extension that was not offered or that the server does not know."
	protocols, extensions := "RFC 6455 4.2.2", "RFC 6455 9.1"
	var all []Case
	for _, rq := range []request{
		{title: "no subprotocol asked for", section: protocols, rule: chosen},
		{title: "subprotocols chat, superchat", section: protocols, rule: chosen, bend: add("Sec-WebSocket-Protocol", "chat, superchat")},
		{title: "subprotocols in two headers", section: "RFC 6455 11.3.4", rule: "The subprotocols may be spread over several headers.", bend: func(_ *session, d *draft) {
			d.add("Sec-WebSocket-Protocol", "chat")
			d.add("Sec-WebSocket-Protocol", "superchat")
		}},
		{title: "subprotocol that no server knows", section: protocols, rule: chosen, bend: add("Sec-WebSocket-Protocol", "x-nobody-knows-this")},
		{title: "unknown extension", section: extensions, rule: unknown, bend: add("Sec-WebSocket-Extensions", "x-unknown; a=1; b=\"2\"")},
		{title: "x-webkit-deflate-frame", section: extensions, rule: unknown, bend: add("Sec-WebSocket-Extensions", "x-webkit-deflate-frame")},
		{title: "extensions in two headers", section: extensions, rule: "The offers may be spread over several headers.", bend: func(_ *session, d *draft) {
			d.add("Sec-WebSocket-Extensions", "x-unknown")
			d.add("Sec-WebSocket-Extensions", "permessage-deflate")
		}},
		{title: "permessage-deflate between unknown extensions", section: extensions, rule: unknown, bend: add("Sec-WebSocket-Extensions", "x-one, permessage-deflate, x-two; y")},
		{title: "no extension offered", section: extensions, rule: unknown},
	} {
		all = append(all, rq.asCase(func(s *session) {
			d := s.ask(rq)
			if fault := s.opened(d); fault != nil {
				s.failf("%v", fault)
			}
			s.works()
		}, "101 with nothing that was not asked for, then an echo and a clean close"))
	}
	fold := func(title string, bend func(s *session, d *draft)) {
		rq := request{title: title, section: "RFC 9112 5.2", bend: bend,
			rule: "A folded header is answered with 400, or its fold counts as spaces."}
		all = append(all, rq.asCase(func(s *session) {
			d := s.ask(rq)
			if err := s.answered(); err != nil && s.response.start == "" {
				s.laxf("the connection was closed without an HTTP answer")
				return
			}
			if code := s.response.status(); code != 101 {
				if code != 400 {
					s.laxf("the status is %d", code)
				}
				return
			}
			for i := range d.fields {
				d.fields[i].value = strings.ReplaceAll(d.fields[i].value, "\r\n", "")
			}
			s.checkResponse(d)
			s.works()
		}, "400, or 101 and an echo"))
	}
	fold("folded unknown header", add("X-Folded", "one\r\n two"))
	fold("folded key", func(_ *session, d *draft) { d.set("Sec-WebSocket-Key", "\r\n dGhlIHNhbXBsZSBub25jZQ==") })
	fold("folded Upgrade", func(_ *session, d *draft) { d.set("Upgrade", "\r\n\twebsocket") })
	return all
}

func endlessRequests() []Case {
	var all []Case
	for _, c := range []struct {
		title string
		bend  func(d *draft)
	}{
		{"one header of 4 MiB", func(d *draft) { d.add("X-Long", strings.Repeat("x", 4<<20)) }},
		{"60000 headers", func(d *draft) {
			for i := range 60000 {
				d.add(fmt.Sprintf("X-Header-%d", i), strings.Repeat("x", 60))
			}
		}},
		{"request line of 4 MiB", func(d *draft) { d.start = strings.Replace(d.start, " HTTP", "?"+strings.Repeat("x", 4<<20)+" HTTP", 1) }},
	} {
		rq := request{title: c.title, section: "RFC 6455 10.4", rule: "An implementation should limit what it takes in."}
		all = append(all, rq.asCase(func(s *session) {
			s.dial()
			d := s.draft()
			c.bend(d)
			p := d.bytes()
			s.request = head{raw: p[:1024]}
			s.log.add(Sent, len(p), p, "handshake")
			s.flood = make(chan struct{})
			go func() {
				defer close(s.flood)
				s.wire.Write(p) // the server may stop it at any point
			}()
			if err := s.answered(); err == nil && s.response.status() == 101 {
				s.laxf("the server has no limit below 4 MiB")
			}
		}, "an HTTP error, or the end of the connection"))
	}
	return all
}
