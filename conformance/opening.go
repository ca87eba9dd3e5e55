package conformance

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// acceptOf is the Sec-WebSocket-Accept value for a key: RFC 6455 4.2.2.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (s *session) newKey() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], s.rng.Uint64())
	binary.LittleEndian.PutUint64(b[8:], s.rng.Uint64())
	return base64.StdEncoding.EncodeToString(b[:])
}

// dial connects to the server under test.
func (s *session) dial() {
	c, err := s.run.dial(s.ctx)
	if err != nil {
		s.failf("no connection: %v", err)
	}
	s.take(c)
}

// take makes a connection the session's. It ends with the case's context.
func (s *session) take(c net.Conn) {
	s.wire = newWire(c)
	s.guard()
	s.br = bufio.NewReaderSize(s.wire, 32<<10)
}

// guard ends every read and write on the connection with the case's context.
func (s *session) guard() {
	c := s.wire.Conn
	s.wire.patience = s.r.patience()
	if deadline, ok := s.ctx.Deadline(); ok {
		s.wire.deadline = deadline
		c.SetDeadline(deadline)
	}
	s.unguard = context.AfterFunc(s.ctx, func() { c.Close() })
}

// draft is a client's handshake that a case may bend before it is sent.
type draft struct {
	start  string
	fields []field
}

func (s *session) draft() *draft {
	d := &draft{start: "GET " + s.run.path + " HTTP/1.1"}
	d.add("Host", s.run.host)
	d.add("Upgrade", "websocket")
	d.add("Connection", "Upgrade")
	d.add("Sec-WebSocket-Key", s.newKey())
	d.add("Sec-WebSocket-Version", "13")
	if s.c.offer != "" {
		d.add("Sec-WebSocket-Extensions", s.c.offer)
	}
	for name, values := range s.r.Header {
		for _, v := range values {
			d.add(name, v)
		}
	}
	return d
}

func (d *draft) add(name, value string) { d.fields = append(d.fields, field{name, value}) }

// set replaces a field's value.
func (d *draft) set(name, value string) {
	i := slices.IndexFunc(d.fields, func(f field) bool { return f.name == name })
	d.fields[i].value = value
}

// drop takes a field out.
func (d *draft) drop(name string) {
	d.fields = slices.DeleteFunc(d.fields, func(f field) bool { return f.name == name })
}

// rename changes the case of a field's name.
func (d *draft) rename(name, to string) {
	i := slices.IndexFunc(d.fields, func(f field) bool { return f.name == name })
	d.fields[i].name = to
}

func (d *draft) get(name string) string {
	for _, f := range d.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

func (d *draft) bytes() []byte {
	var b strings.Builder
	b.WriteString(d.start + "\r\n")
	for _, f := range d.fields {
		b.WriteString(f.name + ": " + f.value + "\r\n")
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

// open does a plain handshake with the server under test.
func (s *session) open() {
	s.dial()
	d := s.draft()
	s.request = head{raw: d.bytes()}
	s.raw(s.request.raw, "handshake")
	if fault := s.opened(d); fault != nil {
		s.laxf("%v (group 26 judges that)", fault)
	}
	if s.c.deflate && s.deflate == nil {
		s.unsupportedf("the server declined %q", s.c.offer)
	}
	s.start()
}

// answered reads a response, and fails the case if none comes in time.
func (s *session) answered() error {
	err := s.readAnswer()
	if err == nil {
		return nil
	}
	if s.ctx.Err() != nil {
		s.failf("no answer to the handshake: the case's time is over (%v)", s.r.timeout())
	}
	if isTimeout(err) {
		s.failf("no answer to the handshake: nothing came for %v", s.r.patience())
	}
	return err
}

// readAnswer reads a response with the runner's patience.
func (s *session) readAnswer() error {
	s.wire.greeting = true
	h, err := readHead(s.br)
	s.wire.greeting = false
	s.wire.SetReadDeadline(s.wire.deadline)
	s.response = h
	s.log.add(Received, len(h.raw), h.raw, firstLine(h.raw))
	return err
}

func isTimeout(err error) bool {
	var slow interface{ Timeout() bool }
	return errors.As(err, &slow) && slow.Timeout()
}

// firstLine is what a terminal can show of a start line.
func firstLine(raw []byte) string {
	line, _, _ := strings.Cut(string(raw[:min(len(raw), 120)]), "\r\n")
	return printable(strings.TrimSpace(line))
}

// printable makes a text harmless that may hold what a peer said: a certificate's
// names, for one, stand in the error of crypto/tls as they are.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// status returns the status code of a response, or 0.
func (h *head) status() int {
	proto, rest, _ := strings.Cut(h.start, " ")
	code, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	if err != nil || !strings.HasPrefix(proto, "HTTP/1.") || len(code) != 3 {
		return 0
	}
	return n
}

// opened reads a response and fails the case unless it is a right 101. The error
// is a fault in the choice of extension parameters.
func (s *session) opened(d *draft) error {
	if err := s.answered(); err != nil {
		s.failf("no answer to the handshake: %v", err)
	}
	return s.checkResponse(d)
}

// checkResponse checks a 101: RFC 6455 4.2.2.
func (s *session) checkResponse(d *draft) error {
	h := &s.response
	if code := h.status(); code != 101 {
		s.failf("the handshake was answered with %q", h.start)
	}
	if !strings.HasPrefix(h.start, "HTTP/1.1 ") {
		s.failf("the status line is %q, not of HTTP/1.1", h.start)
	}
	if v, err := h.only("Upgrade"); err != nil || !strings.EqualFold(v, "websocket") {
		s.failf("the answer's Upgrade header is not websocket: %q", h.values("Upgrade"))
	}
	if !h.hasToken("Connection", "Upgrade") {
		s.failf("the answer's Connection header has no Upgrade: %q", h.values("Connection"))
	}
	got, err := h.only("Sec-WebSocket-Accept")
	if err != nil {
		s.failf("the answer: %v", err)
	}
	if want := acceptOf(strings.TrimSpace(d.get("Sec-WebSocket-Key"))); got != want {
		s.failf("Sec-WebSocket-Accept is %q, expected %q", got, want)
	}
	for _, name := range []string{"Content-Length", "Transfer-Encoding"} {
		if len(h.values(name)) > 0 { // RFC 9110 8.6, RFC 9112 6.1: never with a 1xx
			s.failf("the answer has a %s header, which a 101 must not have", name)
		}
	}
	if v := h.values("Sec-WebSocket-Protocol"); len(v) > 0 {
		var asked []string
		for _, f := range d.fields {
			if strings.EqualFold(f.name, "Sec-WebSocket-Protocol") {
				for t := range strings.SplitSeq(f.value, ",") {
					asked = append(asked, strings.TrimSpace(t))
				}
			}
		}
		if len(v) > 1 || !slices.Contains(asked, v[0]) {
			s.failf("the answer chose the subprotocol %q; asked for were %q", v, asked)
		}
	}
	var asked []string
	for _, f := range d.fields {
		if strings.EqualFold(f.name, "Sec-WebSocket-Extensions") {
			asked = append(asked, f.value)
		}
	}
	want, _ := parseOffers(asked) // a case may offer nonsense on purpose
	answered, err := parseOffers(h.values("Sec-WebSocket-Extensions"))
	if err != nil {
		s.failf("the answer: %v", err)
	}
	return s.checkAnswer(want, answered)
}

// checkRequest checks the handshake of a client: RFC 6455 4.1.
func (s *session) checkRequest() {
	h := &s.request
	if !strings.HasPrefix(h.start, "GET ") || !strings.HasSuffix(h.start, " HTTP/1.1") {
		s.failf("the request line is %q", h.start)
	}
	host, err := h.only("Host")
	if err != nil {
		s.failf("the request: %v", err)
	}
	if host == "" || strings.ContainsAny(host, "@/?# \t") { // RFC 6455 4.1: the host and the port of the URL
		s.failf("the request's Host is %q", host)
	}
	if !h.hasToken("Upgrade", "websocket") {
		s.failf("the request's Upgrade header has no websocket: %q", h.values("Upgrade"))
	}
	if !h.hasToken("Connection", "Upgrade") {
		s.failf("the request's Connection header has no Upgrade: %q", h.values("Connection"))
	}
	key, err := h.only("Sec-WebSocket-Key")
	if err != nil {
		s.failf("the request: %v", err)
	}
	if b, err := base64.StdEncoding.DecodeString(key); err != nil || len(b) != 16 {
		s.failf("Sec-WebSocket-Key %q is not 16 bytes in base64", key)
	}
	if v, err := h.only("Sec-WebSocket-Version"); err != nil || v != "13" {
		s.failf("Sec-WebSocket-Version is %q, not 13", h.values("Sec-WebSocket-Version"))
	}
	all, err := parseOffers(h.values("Sec-WebSocket-Extensions"))
	if err != nil {
		s.failf("the request: %v", err)
	}
	for _, o := range all {
		if o.name == "permessage-deflate" {
			if err := checkParams(o, false); err != nil {
				s.failf("the request's offer of permessage-deflate: %v", err)
			}
		}
	}
	if err := checkProtocols(h.values("Sec-WebSocket-Protocol")); err != nil {
		s.failf("the request: %v", err)
	}
}

// checkProtocols: RFC 6455 4.1: the subprotocols are tokens, each of them once.
func checkProtocols(values []string) error {
	var seen []string
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			name, rest, err := cutToken(t)
			if err != nil || strings.Trim(rest, " \t") != "" {
				return fmt.Errorf("malformed Sec-WebSocket-Protocol %q", v)
			}
			if slices.Contains(seen, name) {
				return errors.New("a subprotocol is named twice")
			}
			seen = append(seen, name)
		}
	}
	return nil
}

// welcome is the answer of the runner as a server, which a case may bend.
func (s *session) welcome() *draft {
	key, _ := s.request.only("Sec-WebSocket-Key")
	d := &draft{start: "HTTP/1.1 101 Switching Protocols"}
	d.add("Upgrade", "websocket")
	d.add("Connection", "Upgrade")
	d.add("Sec-WebSocket-Accept", acceptOf(key))
	return d
}

// offered returns what the client under test offers.
func (s *session) offered() offers {
	all, err := parseOffers(s.request.values("Sec-WebSocket-Extensions"))
	if err != nil {
		s.failf("the request: %v", err)
	}
	return all
}

// accept does a plain handshake with the client under test.
func (s *session) accept() {
	s.checkRequest()
	d := s.welcome()
	if s.c.answer != nil {
		if answer := s.c.answer(s, s.offered()); answer != "" {
			d.add("Sec-WebSocket-Extensions", answer)
			s.agree(answer)
		}
	}
	if s.c.deflate && s.deflate == nil {
		s.unsupportedf("the client does not offer permessage-deflate")
	}
	s.response = head{raw: d.bytes()}
	s.raw(s.response.raw, "handshake")
	s.start()
}

// agree takes the runner's own answer into force.
func (s *session) agree(answer string) {
	all, err := parseOffers([]string{answer})
	if err != nil || len(all) != 1 {
		panic("conformance: the case " + s.c.ID + " answers " + answer)
	}
	s.deflate = agreed(all[0], Client)
	if o, ok := s.offered().find(); ok {
		// RFC 7692 7.1.2.2: an offered limit binds the client even unanswered.
		if n := o.bitsOf("client_max_window_bits"); n != 0 {
			s.deflate.from.bits = min(s.deflate.from.bits, n)
		}
	}
}
