package conformance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// offer is one element of a Sec-WebSocket-Extensions header: an extension and
// its parameters.
type offer struct {
	name   string
	params []param
}

type param struct {
	name, value string
	has         bool // a value was given
}

type offers []offer

// find returns the first offer of permessage-deflate.
func (o offers) find() (offer, bool) {
	for _, e := range o {
		if e.name == "permessage-deflate" {
			return e, true
		}
	}
	return offer{}, false
}

func (e offer) get(name string) (param, bool) {
	i := slices.IndexFunc(e.params, func(p param) bool { return p.name == name })
	if i < 0 {
		return param{}, false
	}
	return e.params[i], true
}

func (e offer) has(name string) bool {
	_, ok := e.get(name)
	return ok
}

// bitsOf returns a window parameter's value, or 0 if there is none.
func (e offer) bitsOf(name string) int {
	p, _ := e.get(name)
	n, _ := strconv.Atoi(p.value)
	return n
}

// parseOffers reads the header by the grammar of RFC 6455 9.1.
func parseOffers(values []string) (offers, error) {
	var all offers
	for _, v := range values {
		rest := v
		for first := true; first || rest != ""; first = false {
			var e offer
			var err error
			if e, rest, err = parseOffer(rest); err != nil {
				return nil, fmt.Errorf("malformed extensions %q: %w", v, err)
			}
			all = append(all, e)
		}
	}
	return all, nil
}

func parseOffer(s string) (e offer, rest string, err error) {
	if e.name, s, err = cutToken(s); err != nil {
		return e, s, err
	}
	for {
		s = strings.TrimLeft(s, " \t")
		switch {
		case s == "":
			return e, "", nil
		case s[0] == ',':
			return e, s[1:], nil
		case s[0] != ';':
			return e, s, fmt.Errorf("unexpected %q", s)
		}
		var p param
		if p.name, s, err = cutToken(s[1:]); err != nil {
			return e, s, err
		}
		if s = strings.TrimLeft(s, " \t"); strings.HasPrefix(s, "=") {
			p.has = true
			if s = strings.TrimLeft(s[1:], " \t"); strings.HasPrefix(s, `"`) {
				// A quoted value must be a token too once its quotes are off.
				end := strings.IndexByte(s[1:], '"')
				if end < 0 {
					return e, s, fmt.Errorf("a quote is not closed")
				}
				p.value, s = s[1:1+end], s[2+end:]
			} else if p.value, s, err = cutToken(s); err != nil {
				return e, s, err
			}
		}
		e.params = append(e.params, p)
	}
}

func cutToken(s string) (token, rest string, err error) {
	s = strings.TrimLeft(s, " \t")
	n := 0
	for n < len(s) && s[n] > ' ' && s[n] < 0x7f && !strings.ContainsRune("()<>@,;:\\\"/[]?={}", rune(s[n])) {
		n++
	}
	if n == 0 {
		return "", s, fmt.Errorf("expected a token before %q", s)
	}
	return s[:n], s[n:], nil
}

// checkParams says what is wrong with a permessage-deflate element: RFC 7692 7.1.
// In an answer client_max_window_bits needs a value.
func checkParams(e offer, answer bool) error {
	for i, p := range e.params {
		if slices.ContainsFunc(e.params[:i], func(q param) bool { return q.name == p.name }) {
			return fmt.Errorf("the parameter %s occurs twice", p.name)
		}
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.has {
				return fmt.Errorf("%s has a value", p.name)
			}
		case "server_max_window_bits", "client_max_window_bits":
			if !p.has && p.name == "client_max_window_bits" && !answer {
				continue
			}
			if n, err := strconv.Atoi(p.value); err != nil || n < 8 || n > 15 || p.value != strconv.Itoa(n) {
				return fmt.Errorf("%s has the value %q", p.name, p.value)
			}
		default:
			return fmt.Errorf("the parameter %q is not defined", p.name)
		}
	}
	return nil
}

// agreed turns an accepted answer into the runner's two streams.
func agreed(e offer, peer Role) *exchange {
	side := func(name string) stream {
		st := stream{bits: 15, fresh: e.has(name + "_no_context_takeover")}
		if n := e.bitsOf(name + "_max_window_bits"); n != 0 {
			st.bits = n
		}
		return st
	}
	if peer == Server {
		return &exchange{to: side("client"), from: side("server")}
	}
	return &exchange{to: side("server"), from: side("client")}
}

// checkAnswer judges a server's answer to what was offered and returns the
// exchange. fault is what is wrong with the choice of parameters but leaves
// the exchange usable.
func (s *session) checkAnswer(asked, answered offers) (fault error) {
	seen := false
	for _, a := range answered {
		if a.name != "permessage-deflate" || !slices.ContainsFunc(asked, func(o offer) bool { return o.name == a.name }) {
			// RFC 6455 9.1: an answer holds nothing that was not offered.
			s.failf("the answer has the extension %q, which was not offered", a.name)
		}
		if seen {
			s.failf("the answer has permessage-deflate twice")
		}
		seen = true
		if err := checkParams(a, true); err != nil {
			s.failf("the answer %q: %v", a.name, err)
		}
		for _, o := range asked {
			if o.name != a.name || checkParams(o, false) != nil {
				continue
			}
			if fault = answersOffer(o, a); fault == nil {
				break
			}
		}
		if !slices.ContainsFunc(asked, func(o offer) bool { return o.name == a.name && checkParams(o, false) == nil }) {
			// RFC 7692 7: an offer with a fault is declined.
			s.failf("the server accepted an offer that it must decline")
		}
		s.deflate = agreed(a, Server)
		for _, o := range asked {
			// RFC 7692 7.1.2.2: an offered limit binds the client even unanswered.
			if n := o.bitsOf("client_max_window_bits"); n != 0 {
				s.deflate.to.bits = min(s.deflate.to.bits, n)
			}
		}
	}
	return fault
}

// answersOffer judges an answer against the offer that it may accept: RFC 7692
// 7.1.1.1, 7.1.2.1, 7.1.2.2.
func answersOffer(o, a offer) error {
	if o.has("server_no_context_takeover") && !a.has("server_no_context_takeover") {
		return fmt.Errorf("the answer leaves out server_no_context_takeover, which was demanded")
	}
	if want := o.bitsOf("server_max_window_bits"); want != 0 {
		switch got := a.bitsOf("server_max_window_bits"); {
		case got == 0:
			return fmt.Errorf("the answer leaves out server_max_window_bits=%d, which was demanded", want)
		case got > want:
			return fmt.Errorf("the answer has server_max_window_bits=%d where at most %d was demanded", got, want)
		}
	}
	if got := a.bitsOf("client_max_window_bits"); got != 0 {
		if !o.has("client_max_window_bits") {
			return fmt.Errorf("the answer has client_max_window_bits=%d, which was not offered", got)
		}
		if most := o.bitsOf("client_max_window_bits"); most != 0 && got > most {
			return fmt.Errorf("the answer has client_max_window_bits=%d where at most %d was offered", got, most)
		}
	}
	return nil
}
