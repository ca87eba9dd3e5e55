package conformance_test

import "unicode/utf8"

// checker checks text as it comes.
type checker struct{ tail []byte }

func (t *checker) feed(p *peer, b []byte) bool {
	if p.has("does not check text") {
		return true
	}
	if len(t.tail) > 0 {
		b = append(t.tail, b...)
	}
	t.tail = nil
	for i := 1; i <= min(3, len(b)); i++ {
		if s := b[len(b)-i:]; utf8.RuneStart(s[0]) {
			if !utf8.FullRune(s) {
				t.tail, b = append([]byte(nil), s...), b[:len(b)-i]
			}
			break
		}
	}
	for _, c := range []struct {
		fault string
		marks []string
	}{
		{"takes surrogates", []string{"\xed\xa0", "\xed\xad", "\xed\xae", "\xed\xaf", "\xed\xb0", "\xed\xbe", "\xed\xbf"}},
		{"takes overlong sequences", []string{"\xc0\xaf", "\xe0\x80", "\xc1\xbf", "\xf0\x80", "\xf0\x8f"}},
	} {
		if !utf8.Valid(b) && p.has(c.fault) {
			for _, m := range c.marks {
				if len(b) >= 2 && string(b[:2]) == m {
					return true
				}
			}
		}
	}
	if p.has("refuses noncharacters") && (string(b) == "\uffff" || string(b) == "\ufffe") || p.has("refuses NUL") && string(b) == "\x00" {
		return false
	}
	return utf8.Valid(b)
}
