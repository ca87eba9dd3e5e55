package deflate

import "strconv"

// Negotiate is the server's side: offers are the values of the client's
// Sec-WebSocket-Extensions headers, and response is the value of the server's
// own. It takes the first offer of permessage-deflate that can be honoured; ok
// is false if there is none, and then the server names no extension. It ignores
// other extensions. A header that is not well formed offers nothing.
func (o *Options) Negotiate(offers []string) (p Params, response string, ok bool) {
	h := headerReader{values: offers}
	var first terms
	found := false
	for {
		name, err := h.nextExtension()
		if err != nil {
			return Params{}, "", false
		}
		if name == "" {
			break
		}
		if name != extensionName || found {
			continue
		}
		t, bad, err := h.terms(false)
		if err != nil {
			return Params{}, "", false
		}
		if bad == nil {
			first, found = t, true
		}
	}
	if !found {
		return Params{}, "", false
	}
	p, response = o.accept(first)
	return p, response, true
}

// accept answers an offer.
func (o *Options) accept(t terms) (Params, string) {
	p := Params{
		// RFC 7692 §7.1.1.1: to accept an offer that has it is to answer it; it
		// may also be answered unoffered.
		ServerNoContextTakeover: t.serverNoTakeover || o.NoContextTakeover,
		// §7.1.1.2: offered, it is only a hint, which the answer makes binding.
		// It may also be answered unoffered.
		ClientNoContextTakeover: t.clientNoTakeover || o.PeerNoContextTakeover,
		ServerMaxWindowBits:     o.windowBits(),
		ClientMaxWindowBits:     maxBits,
	}
	if t.serverBits != 0 {
		p.ServerMaxWindowBits = min(p.ServerMaxWindowBits, t.serverBits)
	}
	if t.clientBitsNamed {
		p.ClientMaxWindowBits = o.peerWindowBits()
		if t.clientBits != 0 {
			p.ClientMaxWindowBits = min(p.ClientMaxWindowBits, t.clientBits)
		}
	}
	b := make([]byte, 0, 128)
	b = append(b, extensionName...)
	if p.ServerNoContextTakeover {
		b = appendParam(b, serverNoTakeoverParam, 0)
	}
	if p.ClientNoContextTakeover {
		b = appendParam(b, clientNoTakeoverParam, 0)
	}
	// §7.1.2.1: "A server accepts an extension negotiation offer with this
	// parameter by including" it "with the same or smaller value"; it may also
	// be answered unoffered.
	if t.serverBits != 0 || p.ServerMaxWindowBits < maxBits {
		b = appendParam(b, serverWindowBitsParam, p.ServerMaxWindowBits)
	}
	// §7.1.2.2: without the client's offer the answer "MUST NOT include" it.
	if p.ClientMaxWindowBits < maxBits {
		b = appendParam(b, clientWindowBitsParam, p.ClientMaxWindowBits)
	}
	return p, string(b)
}

// appendParam appends a parameter, with its value unless that is 0.
func appendParam(b []byte, name string, value int) []byte {
	b = append(b, "; "...)
	b = append(b, name...)
	if value != 0 {
		b = append(b, '=')
		b = strconv.AppendInt(b, int64(value), 10)
	}
	return b
}
