package conformance_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// squash is the peer's permessage-deflate.
type squash struct {
	outBits, inBits   int
	outFresh, inFresh bool

	buf    bytes.Buffer
	writer *flate.Writer
	reader io.ReadCloser
	window []byte // what was inflated last
}

func (q *squash) deflate(p *peer, m []byte) []byte {
	if q.writer == nil || q.outFresh && !p.has("keeps its context against the agreement") {
		level := flate.BestSpeed
		if q.outBits < 15 && !p.has("exceeds its window") {
			level = flate.HuffmanOnly // no references: fits any window
		}
		if q.writer == nil {
			q.writer, _ = flate.NewWriter(&q.buf, level)
		} else {
			q.writer.Reset(&q.buf)
		}
	}
	q.buf.Reset()
	q.writer.Write(m)
	q.writer.Flush()
	out := bytes.Clone(q.buf.Bytes())
	if p.has("leaves the tail on") {
		return out
	}
	out = bytes.TrimSuffix(out, []byte{0, 0, 255, 255})
	if p.has("spoils its stream") && len(out) > 2 {
		out[0] |= 6 // a reserved block type
	}
	return out
}

func (q *squash) remember(m []byte) {
	q.window = append(q.window, m...)
	if most := 32 << 10; len(q.window) > most {
		q.window = bytes.Clone(q.window[len(q.window)-most:])
	}
}

func (q *squash) inflate(p *peer, m []byte) ([]byte, error) {
	window := q.window
	switch {
	case q.inFresh && !p.has("keeps the context against the agreement"), p.has("inflates without context"):
		window = nil
	case p.has("keeps a window of 4 KiB") && len(window) > 4096:
		window = window[len(window)-4096:]
	}
	in := bytes.NewReader(append(m[:len(m):len(m)], 0, 0, 255, 255, 1, 0, 0, 255, 255))
	var out bytes.Buffer
	for in.Len() > 0 {
		dict := append(window[:len(window):len(window)], out.Bytes()...)
		dict = dict[max(0, len(dict)-32<<10):]
		if q.reader == nil {
			q.reader = flate.NewReader(in)
		}
		q.reader.(flate.Resetter).Reset(in, dict)
		limit := int64(32 << 20)
		_, err := io.Copy(&out, io.LimitReader(q.reader, limit-int64(out.Len())+1))
		if int64(out.Len()) > limit {
			return nil, refusal{1009}
		}
		if err != nil {
			if p.has("takes broken streams") {
				break
			}
			return nil, refusal{1007}
		}
		if in.Len() > 0 && p.has("stops at a final block") {
			return nil, refusal{1007}
		}
		if 0 < in.Len() && in.Len() < 5 {
			return nil, refusal{1007}
		}
	}
	q.remember(out.Bytes())
	return out.Bytes(), nil
}

// element is one extension of a header.
type element struct {
	name   string
	params [][2]string // name and value; a value of "-" means none
}

// parseExtensions reads the header; it refuses what is malformed.
func parseExtensions(values []string) ([]element, error) {
	var all []element
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			var e element
			for i, f := range strings.Split(part, ";") {
				name, value, has := strings.Cut(strings.Trim(f, " \t"), "=")
				name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
				if name == "" || strings.ContainsAny(name, " \t\"") {
					return nil, fmt.Errorf("malformed %q", v)
				}
				if !has {
					value = "-"
				} else if len(value) > 1 && value[0] == '"' {
					value = strings.Trim(value, `"`)
				}
				if i == 0 {
					e.name = name
				} else {
					e.params = append(e.params, [2]string{name, value})
				}
			}
			all = append(all, e)
		}
	}
	return all, nil
}

// settings are the parameters of one permessage-deflate element.
type settings struct {
	serverFresh, clientFresh bool
	serverBits, clientBits   int // 0: absent
	clientHint               bool
}

// read judges the parameters. In an answer client_max_window_bits needs a value.
func (p *peer) read(e element, answer bool) (s settings, ok bool) {
	seen := map[string]bool{}
	for _, kv := range e.params {
		name, value := kv[0], kv[1]
		if seen[name] && !p.has("takes doubled parameters") {
			return s, false
		}
		seen[name] = true
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if value != "-" && !p.has("takes values where there are none") {
				return s, false
			}
			if name[0] == 's' {
				s.serverFresh = true
			} else {
				s.clientFresh = true
			}
		case "server_max_window_bits", "client_max_window_bits":
			n, err := strconv.Atoi(value)
			if name[0] == 'c' && value == "-" && !answer {
				s.clientHint = true
				continue
			}
			if err != nil || n < 8 || n > 15 || value[0] == '0' || value[0] == '+' {
				if !p.has("takes invalid windows") {
					return s, false
				}
				n = 15
			}
			if name[0] == 's' {
				s.serverBits = n
			} else {
				s.clientBits, s.clientHint = n, true
			}
		default:
			if !p.has("takes unknown parameters") {
				return s, false
			}
		}
	}
	return s, true
}

// choose makes a server's answer to the offers; empty if there is none that fits.
func (p *peer) choose(offers []element) (answer string) {
	for _, e := range offers {
		if e.name != "permessage-deflate" {
			continue
		}
		s, ok := p.read(e, false)
		if !ok {
			continue
		}
		q := &squash{outBits: 15, inBits: 15}
		answer = "permessage-deflate"
		if s.serverFresh && !p.has("does not answer server_no_context_takeover") {
			q.outFresh = true
			answer += "; server_no_context_takeover"
		}
		if s.serverBits != 0 {
			q.outBits = s.serverBits
			switch {
			case p.has("does not answer server_max_window_bits"):
			case p.has("answers server_max_window_bits=12") && s.serverBits < 12:
				answer += "; server_max_window_bits=12"
			default:
				answer += fmt.Sprintf("; server_max_window_bits=%d", s.serverBits)
			}
		}
		if s.clientBits != 0 {
			q.inBits = s.clientBits
			if p.has("answers client_max_window_bits=15") {
				answer += "; client_max_window_bits=15"
			} else {
				answer += fmt.Sprintf("; client_max_window_bits=%d", s.clientBits)
			}
		} else if p.has("answers client_max_window_bits unoffered") && !s.clientHint {
			answer += "; client_max_window_bits=12"
		}
		if p.has("answers with an invalid window") {
			answer += "; server_max_window_bits=16"
		}
		if p.has("answers with an unknown parameter") {
			answer += "; x_unknown=1"
		}
		p.squash = q
		return answer
	}
	return ""
}
