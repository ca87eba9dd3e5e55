//go:build !js

package ws

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const goodHead = "GET /chat?x=1 HTTP/1.1\r\n" +
	"Host: server.example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Origin: http://example.com\r\n" +
	"Sec-WebSocket-Protocol: chat, superchat\r\n" +
	"Sec-WebSocket-Protocol: third\r\n" +
	"sec-websocket-version:13\r\n" +
	"X-Odd: \t a\tb  \r\n" +
	"\r\n"

func TestParseRequest(t *testing.T) {
	var h hello
	fields, err := parseRequest([]byte(goodHead), &h)
	if err != nil {
		t.Fatal(err)
	}
	if h.method != "GET" || h.target != "/chat?x=1" || h.major != 1 || h.minor != 1 ||
		h.host != "server.example.com" || h.key != "dGhlIHNhbXBsZSBub25jZQ==" || h.version != "13" ||
		h.origin != "http://example.com" || !h.upgrade || !h.connection || h.body {
		t.Errorf("parsed %+v", h)
	}
	if got := h.protocols.slice(); !slices.Equal(got, []string{"chat, superchat", "third"}) {
		t.Errorf("protocols %q", got)
	}
	var names []string
	for name, value := range eachField(fields) {
		names = append(names, string(name))
		if string(name) == "X-Odd" && string(value) != "a\tb" {
			t.Errorf("X-Odd is %q", value)
		}
	}
	if len(names) != 9 || names[0] != "Host" || names[8] != "X-Odd" {
		t.Errorf("fields %q", names)
	}
	if ref := h.check(); ref != nil {
		t.Errorf("check: %v", ref)
	}
}

func TestParseRequestAllocatesNothing(t *testing.T) {
	head := []byte(strings.Replace(goodHead, "Sec-WebSocket-Protocol: third\r\n", "", 1))
	if n := testing.AllocsPerRun(100, func() {
		var h hello
		if _, err := parseRequest(head, &h); err != nil || h.check() != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestParseRequestRefuses(t *testing.T) {
	for _, c := range []struct {
		name, head string
		want       error
	}{
		{"no request line", "\r\n\r\n", errRequestLine},
		{"no target", "GET HTTP/1.1\r\n\r\n", errRequestLine},
		{"two spaces", "GET  / HTTP/1.1\r\n\r\n", errRequestLine},
		{"space in target", "GET /a b HTTP/1.1\r\n\r\n", errRequestLine},
		{"tab", "GET\t/ HTTP/1.1\r\n\r\n", errRequestLine},
		{"NUL in target", "GET /\x00 HTTP/1.1\r\n\r\n", errRequestLine},
		{"method not a token", "G(T / HTTP/1.1\r\n\r\n", errRequestLine},
		{"no version", "GET /\r\n\r\n", errRequestLine},
		{"long version", "GET / HTTP/1.10\r\n\r\n", errRequestLine},
		{"lower-case version", "GET / http/1.1\r\n\r\n", errRequestLine},
		{"letter in version", "GET / HTTP/1.x\r\n\r\n", errRequestLine},
		{"space after version", "GET / HTTP/1.1 \r\n\r\n", errRequestLine},
		{"bare LF in request line", "GET / HTTP/1.1\nA: b\r\n\r\n", errLineEnd},
		{"bare LF in field", "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", errLineEnd},
		{"bare LF at the end", "GET / HTTP/1.1\r\nA: b\r\n\n", errLineEnd},
		{"bare CR in value", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", errLineEnd},
		{"doubled CR", "GET / HTTP/1.1\r\nA: b\r\r\n\r\n", errLineEnd},
		{"folded", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", errFolded},
		{"folded by tab", "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", errFolded},
		{"space before colon", "GET / HTTP/1.1\r\nA : b\r\n\r\n", errFieldSpace},
		{"empty name", "GET / HTTP/1.1\r\n: b\r\n\r\n", errFieldName},
		{"name not a token", "GET / HTTP/1.1\r\nA(: b\r\n\r\n", errFieldName},
		{"name not ASCII", "GET / HTTP/1.1\r\n\u00c4: b\r\n\r\n", errFieldName},
		{"NUL in value", "GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n", errFieldValue},
		{"DEL in value", "GET / HTTP/1.1\r\nA: \x7f\r\n\r\n", errFieldValue},
		{"NUL in name", "GET / HTTP/1.1\r\nA\x00: b\r\n\r\n", errFieldName},
		{"no blank line", "GET / HTTP/1.1\r\nA: b\r\n", errLineEnd},
		{"cut in a name", "GET / HTTP/1.1\r\nA", errLineEnd},
		{"no colon", "GET / HTTP/1.1\r\nA\r\n\r\n", nil},
	} {
		var h hello
		_, err := parseRequest([]byte(c.head), &h)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestReadHeadFindsTheEndHoweverItComes(t *testing.T) {
	const behind = "\x81\x00frames\r\n\r\n"
	for name, r := range map[string]io.Reader{
		"at once":      strings.NewReader(goodHead + behind),
		"byte by byte": iotest.OneByteReader(strings.NewReader(goodHead + behind)),
		"with the end": iotest.DataErrReader(strings.NewReader(goodHead + behind)),
		"halves":       iotest.HalfReader(strings.NewReader(goodHead + behind)),
	} {
		b, end, err := readHead(r, getBuffer(smallBuffer), defaultMaxHeader, "")
		if err != nil || string((*b)[:end]) != goodHead || !strings.HasPrefix(behind, string((*b)[end:])) {
			t.Errorf("%s: %d bytes of %d, %v", name, end, len(goodHead), err)
		}
		putBuffer(b)
	}
}

func TestReadHeadIsBounded(t *testing.T) {
	long := "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", 1<<20)
	for _, limit := range []int{100, 4096, 5000, 8192} {
		r := strings.NewReader(long)
		b, _, err := readHead(r, getBuffer(smallBuffer), limit, "")
		if !errors.Is(err, errHeadTooLarge) {
			t.Errorf("limit %d: %v", limit, err)
		}
		if taken := len(long) - r.Len(); taken > max(4*limit, smallBuffer) {
			t.Errorf("limit %d: %d bytes were read", limit, taken)
		}
		putBuffer(b)
	}
	// A head of exactly the limit passes, one byte more does not.
	exact := len(goodHead)
	for limit, want := range map[int]error{exact: nil, exact - 1: errHeadTooLarge} {
		for _, r := range []io.Reader{strings.NewReader(goodHead), iotest.OneByteReader(strings.NewReader(goodHead))} {
			b, _, err := readHead(r, getBuffer(smallBuffer), limit, "")
			if !errors.Is(err, want) {
				t.Errorf("limit %d for %d bytes: %v", limit, exact, err)
			}
			putBuffer(b)
		}
	}
}

func TestReadHeadTellsWhatIsNoHTTP(t *testing.T) {
	for _, c := range []struct{ prefix, in string }{
		{"", "\x16\x03\x01\x02\x00"}, // TLS
		{"", "\r\nGET / HTTP/1.1\r\n\r\n"},
		{"HTTP/", "SSH-2.0-OpenSSH_9.9\r\n"},
		{"HTTP/", "HTTQ"},
	} {
		// A reader that would block for ever after these bytes.
		pr, pw := io.Pipe()
		go pw.Write([]byte(c.in))
		b, _, err := readHead(pr, getBuffer(smallBuffer), defaultMaxHeader, c.prefix)
		if !errors.Is(err, errNotHTTP) {
			t.Errorf("%q: %v", c.in, err)
		}
		pr.Close()
		putBuffer(b)
	}
}

func TestReadHeadErrors(t *testing.T) {
	for name, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"nothing":     {strings.NewReader(""), io.EOF},
		"half":        {strings.NewReader("GET / HT"), io.ErrUnexpectedEOF},
		"no progress": {stuckReader{}, io.ErrNoProgress},
		"fault":       {iotest.ErrReader(io.ErrClosedPipe), io.ErrClosedPipe},
	} {
		b, _, err := readHead(c.r, getBuffer(smallBuffer), defaultMaxHeader, "")
		if err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		putBuffer(b)
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

// FuzzRequestHead holds the parser against net/http's: what ours takes, net/http
// reads the same way, unless it finds fault with the URL or the version.
func FuzzRequestHead(f *testing.F) {
	f.Add([]byte(goodHead))
	f.Add([]byte("GET http://server.example.com/chat HTTP/1.1\r\nHost: server.example.com\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"))
	f.Add([]byte("GET /%zz HTTP/1.1\nA : b\n\n"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\nCookie: a=\"b\"; c=d\r\nX: \x80\xff\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, end, err := readHead(bytes.NewReader(in), getBuffer(smallBuffer), defaultMaxHeader, "")
		defer putBuffer(b)
		if cap(*b) > 2*defaultMaxHeader+smallBuffer {
			t.Fatalf("a buffer of %d bytes", cap(*b))
		}
		if err != nil {
			return
		}
		head := (*b)[:end]
		var h hello
		fields, ref := h.fromHead(head)
		if ref != nil {
			if ref.Status != http.StatusBadRequest || ref.Body == "" {
				t.Fatalf("refused with %v", ref)
			}
			return
		}
		ref = h.check()
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			return
		}
		if r.Method != h.method {
			t.Fatalf("method %q, net/http has %q", h.method, r.Method)
		}
		got := http.Header{}
		for name, value := range eachField(fields) {
			key := textproto.CanonicalMIMEHeaderKey(string(name))
			got[key] = append(got[key], string(value))
		}
		for name, values := range r.Header {
			if !slices.Equal(got[name], values) {
				t.Fatalf("%s is %q, net/http has %q", name, got[name], values)
			}
		}
		if ref == nil {
			var other hello
			if ref := other.fromHTTP(r); ref != nil {
				t.Fatalf("the raw door takes what Accept refuses: %v", ref)
			}
			if other.key != h.key || other.origin != h.origin || !slices.Equal(other.protocols.slice(), h.protocols.slice()) {
				t.Fatalf("the doors differ: %+v, %+v", h, other)
			}
			q := Request{hello: &h, fields: fields}
			q.Cookie("a")
			q.Path()
			q.Query()
			q.Subprotocols()
		}
	})
}

// FuzzResponseHead does the same for the client's side.
func FuzzResponseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x00"))
	f.Add([]byte("HTTP/1.1 101\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!"))
	f.Add([]byte("HTTP/1.1 101 X\r\nUpgrade: a\r\n b\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 101 X\nUpgrade: a\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, end, err := readHead(bytes.NewReader(in), getBuffer(smallBuffer), defaultMaxHeader, "HTTP/")
		defer putBuffer(b)
		if err != nil || isInformational((*b)[:end]) || !isSwitching((*b)[:end]) {
			return
		}
		resp, err := parseSwitching((*b)[:end], nil)
		if err != nil {
			return
		}
		other, err := http.ReadResponse(bufio.NewReader(bytes.NewReader((*b)[:end])), nil)
		if err != nil {
			return
		}
		if other.StatusCode != 101 {
			t.Fatalf("net/http reads status %d", other.StatusCode)
		}
		for name, values := range other.Header {
			if !slices.Equal(resp.Header[name], values) {
				t.Fatalf("%s is %q, net/http has %q", name, resp.Header[name], values)
			}
		}
		d := dialer{o: &DialOptions{Subprotocols: []string{"chat"}}}
		if _, err := d.confirm(resp, "dGhlIHNhbXBsZSBub25jZQ=="); err == nil && len(resp.Header["Upgrade"]) != 1 {
			t.Fatalf("confirmed %v", resp.Header)
		}
	})
}
