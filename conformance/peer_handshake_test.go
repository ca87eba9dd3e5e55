package conformance_test

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
)

type header struct {
	start  string
	fields [][2]string
}

func (h *header) all(p *peer, name string) []string {
	var v []string
	for _, f := range h.fields {
		if f[0] == name || strings.EqualFold(f[0], name) && !p.has("minds the case of header names") {
			v = append(v, f[1])
		}
	}
	return v
}

func (h *header) first(p *peer, name string) string {
	if v := h.all(p, name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// token tells whether a list holds a token.
func (p *peer) token(values []string, token string) bool {
	if p.has("looks at the first of several headers") && len(values) > 1 {
		values = values[:1]
	}
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			t = strings.Trim(t, " \t")
			if t == token || strings.EqualFold(t, token) && !p.has("minds the case of values") {
				if !p.has("wants Connection to be Upgrade alone") || v == t {
					return true
				}
			}
			if p.has("looks for words in headers") && strings.Contains(strings.ToLower(v), strings.ToLower(token)) {
				return true
			}
		}
	}
	return false
}

var errHead = errors.New("malformed")

// head reads a request or a response.
func (p *peer) head() (*header, error) {
	limit := 64 << 10
	if p.has("has no limit for headers") {
		limit = 16 << 20
	}
	var h header
	var size int
	for {
		var line []byte
		for {
			part, err := p.br.ReadSlice('\n')
			line = append(line, part...)
			if size += len(part); size > limit {
				return nil, errHead
			}
			if err == bufio.ErrBufferFull {
				continue
			}
			if err != nil {
				return nil, err
			}
			break
		}
		s := strings.TrimSuffix(string(line), "\r\n")
		switch {
		case len(s) == len(line):
			return nil, errHead
		case h.start == "":
			h.start = s
			continue
		case s == "":
			return &h, nil
		case s[0] == ' ' || s[0] == '\t':
			if p.has("drops folded lines") {
				continue
			}
			return nil, errHead
		}
		name, value, ok := strings.Cut(s, ":")
		if !ok && p.has("skips lines without a colon") {
			continue
		}
		if strings.HasSuffix(name, " ") && p.has("takes spaces before a colon") {
			name = strings.TrimRight(name, " ")
		}
		if !ok || strings.ContainsAny(name, " \t") || name == "" {
			return nil, errHead
		}
		if strings.ContainsAny(value, "\x00\r") && !p.has("takes control characters in values") {
			return nil, errHead
		}
		h.fields = append(h.fields, [2]string{name, strings.Trim(value, " \t")})
	}
}

func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// serve is the peer as a server on one connection.
func (p *peer) serve() {
	defer p.c.Close()
	status, extra := p.upgrade()
	if status == "" {
		return
	}
	if status != "101" {
		fmt.Fprintf(p.c, "HTTP/1.1 %s Refused\r\n%sConnection: close\r\nContent-Length: 0\r\n\r\n", status, extra)
		p.linger()
		return
	}
	if _, err := io.WriteString(p.c, extra); err != nil {
		return
	}
	if p.has("loses what came with the handshake") {
		p.br.Discard(p.br.Buffered())
	}
	p.echo()
}

// upgrade judges a request and returns the status with the headers of a refusal, or
// 101 with the whole answer.
func (p *peer) upgrade() (status, extra string) {
	h, err := p.head()
	if err != nil {
		if errors.Is(err, errHead) && !p.has("says nothing to malformed requests") {
			return "400", ""
		}
		return "", ""
	}
	if p.has("answers anything with 101") {
		return "101", "HTTP/1.1 101 Switching Protocols\r\n\r\n"
	}
	if p.has("takes any request line") {
		h.start = "GET / HTTP/1.1"
	}
	parts := strings.Split(h.start, " ")
	switch {
	case len(parts) != 3:
		return "400", ""
	case parts[0] != "GET" && !p.has("takes any method"):
		if p.has("answers 405 without Allow") {
			return "405", ""
		}
		return "405", "Allow: GET\r\n"
	case parts[2] != "HTTP/1.1" && !p.has("takes HTTP/1.0"):
		return "400", ""
	case p.has("wants a path in the request line") && parts[1][0] != '/':
		return "400", ""
	case len(h.all(p, "Host")) == 0 && !p.has("needs no Host"), len(h.all(p, "Host")) > 1 && !p.has("takes two Hosts"):
		return "400", ""
	case !p.token(h.all(p, "Upgrade"), "websocket") && !p.has("needs no Upgrade"):
		return "400", ""
	case !p.token(h.all(p, "Connection"), "Upgrade") && !p.has("needs no Connection"):
		return "400", ""
	}
	version := h.all(p, "Sec-WebSocket-Version")
	if len(version) == 0 && !p.has("needs no version") {
		return "400", ""
	}
	if len(version) > 0 && version[0] != "13" && !p.has("takes any version") {
		if p.has("minds the grammar of versions first") && (strings.ContainsAny(version[0], ",.") || version[0][0] == '0') {
			return "400", ""
		}
		refusal := "Sec-WebSocket-Version: 13\r\n"
		if p.has("does not name its version") {
			refusal = ""
		}
		if !p.has("answers 426 without Upgrade") {
			refusal += "Upgrade: websocket\r\n"
		}
		return "426", refusal
	}
	if len(version) > 1 && !p.has("takes two versions") {
		return "400", ""
	}
	keys := h.all(p, "Sec-WebSocket-Key")
	if len(keys) == 0 && !p.has("needs no key") || len(keys) > 1 && !p.has("takes two keys") {
		return "400", ""
	}
	key := h.first(p, "Sec-WebSocket-Key")
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil && !p.has("takes any key") || len(raw) != 16 && !p.has("takes keys of any length") && !p.has("takes any key") {
		if !p.has("needs no key") && !p.has("drops folded lines") {
			return "400", ""
		}
	}
	offers, err := parseExtensions(h.all(p, "Sec-WebSocket-Extensions"))
	if err != nil && !p.has("skips malformed extensions") {
		return "400", ""
	}
	value := accept(key)
	switch {
	case p.has("hashes its own key"):
		value = accept("dGhlIHNhbXBsZSBub25jZQ==")
	case p.has("forgets to pad"):
		value = strings.TrimRight(value, "=")
	}
	var b strings.Builder
	switch {
	case p.has("answers with status 200"):
		b.WriteString("HTTP/1.1 200 OK\r\n")
	case p.has("answers with HTTP/1.0"):
		b.WriteString("HTTP/1.0 101 Switching Protocols\r\n")
	default:
		b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	}
	if !p.has("answers without Upgrade") {
		b.WriteString("Upgrade: websocket\r\n")
	}
	if !p.has("answers without Connection") {
		b.WriteString("Connection: Upgrade\r\n")
	}
	b.WriteString("Sec-WebSocket-Accept: " + value + "\r\n")
	if p.has("answers with two accepts") {
		b.WriteString("Sec-WebSocket-Accept: " + value + "\r\n")
	}
	if p.has("answers with Content-Length") {
		b.WriteString("Content-Length: 0\r\n")
	}
	if p.has("answers with Transfer-Encoding") {
		b.WriteString("Transfer-Encoding: chunked\r\n")
	}
	if p.has("answers an unasked subprotocol") {
		b.WriteString("Sec-WebSocket-Protocol: chat\r\n")
	}
	if asked := h.first(p, "Sec-WebSocket-Protocol"); asked != "" && p.has("answers with all subprotocols") {
		b.WriteString("Sec-WebSocket-Protocol: " + asked + "\r\n")
	}
	if p.has("repeats every extension") {
		for _, o := range offers {
			b.WriteString("Sec-WebSocket-Extensions: " + o.name + "\r\n")
		}
	} else if answer := p.choose(offers); answer != "" {
		b.WriteString("Sec-WebSocket-Extensions: " + answer + "\r\n")
	} else if p.has("compresses unasked") {
		b.WriteString("Sec-WebSocket-Extensions: permessage-deflate\r\n")
	}
	b.WriteString("\r\n")
	return "101", b.String()
}

// visit is the peer as a client: it dials a URL and echoes.
func visit(target string, config *tls.Config, faults map[string]bool, offer string) error {
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		return err
	}
	if u.Scheme == "wss" {
		c = tls.Client(c, config)
	}
	defer c.Close()
	p := &peer{faults: faults, client: true, c: c, br: bufio.NewReaderSize(c, 16<<10)}
	var raw [16]byte
	rand.Read(raw[:])
	key := base64.StdEncoding.EncodeToString(raw[:])
	if p.has("has one key") {
		key = "dGhlIHNhbXBsZSBub25jZQ=="
	}
	if p.has("has a short key") {
		key = key[:20]
	}
	method, version, proto := "GET", "13", "HTTP/1.1"
	if p.has("asks with POST") {
		method = "POST"
	}
	if p.has("asks for version 8") {
		version = "8"
	}
	if p.has("asks with HTTP/1.0") {
		proto = "HTTP/1.0"
	}
	var b strings.Builder
	path := u.Path
	if p.has("asks with an absolute URI") {
		path = "http://" + u.Host + path
	}
	host := u.Host
	if p.has("asks without the port") {
		host = u.Hostname()
	}
	if p.has("asks with the user in Host") {
		host = "user@" + host
	}
	fmt.Fprintf(&b, "%s %s %s\r\n", method, path, proto)
	for _, f := range [][2]string{{"Host", host}, {"Upgrade", "websocket"}, {"Connection", "Upgrade"},
		{"Sec-WebSocket-Key", key}, {"Sec-WebSocket-Version", version}} {
		if p.has("asks without " + f[0]) {
			continue
		}
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
		if f[0] == "Sec-WebSocket-Key" && p.has("asks with two keys") {
			fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
		}
	}
	if p.has("offers an invalid window") {
		offer = "permessage-deflate; server_max_window_bits=99"
	}
	if offer != "" {
		fmt.Fprintf(&b, "Sec-WebSocket-Extensions: %s\r\n", offer)
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(c, b.String()); err != nil {
		return err
	}
	if err := p.answered(key, offer); err != nil {
		return err
	}
	if p.has("loses what came with the handshake") {
		p.br.Discard(p.br.Buffered())
	}
	p.echo()
	return nil
}

// answered judges a server's answer.
func (p *peer) answered(key, offer string) error {
	h, err := p.head()
	if err != nil {
		return err
	}
	for interim := 0; strings.HasPrefix(h.start, "HTTP/1.1 10") && !strings.HasPrefix(h.start, "HTTP/1.1 101"); interim++ {
		if p.has("takes any status") || p.has("minds interim answers") || interim > 0 && p.has("reads one interim answer") {
			break
		}
		if h, err = p.head(); err != nil {
			return err
		}
	}
	bad := func(what string) error { return fmt.Errorf("the answer's %s is wrong", what) }
	proto, rest, _ := strings.Cut(h.start, " ")
	status, _, phrase := strings.Cut(rest, " ")
	switch {
	case proto != "HTTP/1.1" && !p.has("takes any protocol"):
		return bad("protocol")
	case status != "101" && !p.has("takes any status") && !(strings.Contains(status, "101") && p.has("looks for 101")):
		return bad("status")
	case rest == "101 " && phrase && p.has("wants a reason phrase"):
		return bad("reason phrase")
	case !p.token(h.all(p, "Upgrade"), "websocket") && !p.has("needs no Upgrade"):
		return bad("Upgrade")
	case !p.token(h.all(p, "Connection"), "Upgrade") && !p.has("needs no Connection"):
		return bad("Connection")
	}
	got := h.all(p, "Sec-WebSocket-Accept")
	want := accept(key)
	switch {
	case p.has("does not look at the accept value"):
	case len(got) == 0:
		return bad("accept value")
	case p.has("compares the accept value without case") && strings.EqualFold(got[0], want):
	case p.has("compares the beginning of the accept value") && got[0] != "" && strings.HasPrefix(want, got[0]):
	case got[0] != want || len(got) > 1 && !p.has("takes two accept values"):
		return bad("accept value")
	}
	if len(h.all(p, "Sec-WebSocket-Protocol")) > 0 && !p.has("takes unasked subprotocols") {
		return bad("subprotocol")
	}
	answers, err := parseExtensions(h.all(p, "Sec-WebSocket-Extensions"))
	if err != nil {
		if p.has("skips malformed extensions") {
			return nil
		}
		return bad("extensions")
	}
	for i, a := range answers {
		if a.name != "permessage-deflate" || offer == "" {
			if p.has("takes unasked extensions") {
				continue
			}
			return bad("extensions")
		}
		if i > 0 && !p.has("takes an extension twice") {
			return bad("extensions")
		}
		s, ok := p.read(a, true)
		asked, _ := parseExtensions([]string{offer})
		mine, _ := p.read(asked[0], false)
		if !ok || s.clientBits != 0 && !mine.clientHint && !p.has("takes an unoffered window") ||
			mine.serverBits != 0 && s.serverBits > mine.serverBits && !p.has("takes a greater window") {
			return bad("extension parameters")
		}
		p.squash = &squash{outBits: 15, inBits: 15, outFresh: s.clientFresh, inFresh: s.serverFresh}
		if n := slices.Max([]int{s.clientBits, mine.clientBits}); n != 0 {
			p.squash.outBits = n
		}
		if s.clientBits != 0 && p.has("ignores the answered window") {
			p.squash.outBits = 15
		}
		if p.has("ignores client_no_context_takeover") {
			p.squash.outFresh = false
		}
	}
	return nil
}
