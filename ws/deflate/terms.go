package deflate

import "fmt"

// terms is one permessage-deflate element of the header, as it stands there.
type terms struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits                         int  // 0: absent
	clientBits                         int  // 0: absent, or without a value
	clientBitsNamed                    bool // client_max_window_bits was there
}

// terms reads the parameters of a permessage-deflate element to its end. What
// is wrong with them is bad, which leaves h behind the element; err says that
// the header cannot be read on.
func (h *headerReader) terms(response bool) (t terms, bad, err error) {
	for {
		p, ok, err := h.nextParam()
		if err != nil || !ok {
			return t, bad, err
		}
		if e := t.set(p, response); e != nil && bad == nil {
			bad = e
		}
	}
}

// set takes one parameter. RFC 7692 §7: a server must decline an offer, and a
// client must fail on a response, that "contains an extension parameter not
// defined for use" there, "an extension parameter with an invalid value", or
// "multiple extension parameters with the same name".
func (t *terms) set(p param, response bool) error {
	switch p.name {
	case serverNoTakeoverParam:
		return setFlag(&t.serverNoTakeover, p)
	case clientNoTakeoverParam:
		return setFlag(&t.clientNoTakeover, p)
	case serverWindowBitsParam:
		if t.serverBits != 0 {
			return fmt.Errorf("%s is there twice", p.name)
		}
		if !p.hasValue {
			return fmt.Errorf("%s has no value", p.name)
		}
		return setBits(&t.serverBits, p)
	case clientWindowBitsParam:
		if t.clientBitsNamed {
			return fmt.Errorf("%s is there twice", p.name)
		}
		t.clientBitsNamed = true
		if !p.hasValue {
			if response {
				return fmt.Errorf("%s has no value", p.name)
			}
			return nil // RFC 7692 §7.1.2.2: an offer may leave it out
		}
		return setBits(&t.clientBits, p)
	}
	return fmt.Errorf("parameter %.40q is unknown", p.name)
}

func setFlag(f *bool, p param) error {
	if *f {
		return fmt.Errorf("%s is there twice", p.name)
	}
	*f = true
	if p.hasValue {
		return fmt.Errorf("%s has the value %.40q, and takes none", p.name, p.value)
	}
	return nil
}

// setBits reads a window size. RFC 7692 §7.1.2: "a decimal integer value without
// leading zeroes between 8 to 15, inclusive".
func setBits(bits *int, p param) error {
	n := 0
	switch v := p.value; {
	case len(v) == 1 && isDigit(v[0]):
		n = int(v[0] - '0')
	case len(v) == 2 && v[0] == '1' && isDigit(v[1]):
		n = 10 + int(v[1]-'0')
	}
	*bits = n
	if n < minBits || n > maxBits {
		return fmt.Errorf("%s is %.40q instead of 8 to 15", p.name, p.value)
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
