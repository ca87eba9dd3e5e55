package deflate

import (
	"errors"
	"fmt"
)

// Offer is the client's side: the value of its Sec-WebSocket-Extensions header.
// With PeerWindowBits it is followed by a second offer that does not ask for it,
// because many servers decline, or ignore, what they cannot do.
func (o *Options) Offer() string {
	b := make([]byte, 0, 160)
	if bits := o.peerWindowBits(); bits < maxBits {
		b = o.appendOffer(b, bits)
		b = append(b, ", "...)
	}
	return string(o.appendOffer(b, 0))
}

func (o *Options) appendOffer(b []byte, peerBits int) []byte {
	b = append(b, extensionName...)
	if o.PeerNoContextTakeover {
		b = appendParam(b, serverNoTakeoverParam, 0)
	}
	if o.NoContextTakeover {
		b = appendParam(b, clientNoTakeoverParam, 0)
	}
	if peerBits != 0 {
		b = appendParam(b, serverWindowBitsParam, peerBits)
	}
	// Without a value it says that we understand it (RFC 7692 §7.1.2.2).
	bits := o.windowBits()
	if bits == maxBits {
		bits = 0
	}
	return appendParam(b, clientWindowBitsParam, bits)
}

// Confirm is the client's check of the answer to Offer: response are the values
// of the server's Sec-WebSocket-Extensions headers. With ok false and no error
// the server declined. With an error the client must fail the connection (RFC
// 7692 §7); it says what was wrong.
func (o *Options) Confirm(response []string) (p Params, ok bool, err error) {
	p, ok, err = o.confirm(response)
	if err != nil {
		return Params{}, false, fmt.Errorf("deflate: Sec-WebSocket-Extensions of the server: %w", err)
	}
	return p, ok, nil
}

func (o *Options) confirm(response []string) (p Params, ok bool, err error) {
	h := headerReader{values: response}
	for {
		name, err := h.nextExtension()
		switch {
		case err != nil:
			return p, false, err
		case name == "":
			return p, ok, nil
		case name != extensionName:
			// RFC 6455 §4.1: an extension "that was not present in the client's
			// handshake" fails the connection.
			return p, false, fmt.Errorf("extension %.40q was not offered", name)
		case ok:
			return p, false, errors.New("permessage-deflate is there twice")
		}
		t, bad, err := h.terms(true)
		if err == nil {
			err = bad
		}
		if err == nil {
			p, err = o.agree(t)
		}
		if err != nil {
			return p, false, err
		}
		ok = true
	}
}

// agree compares a response with the offers.
func (o *Options) agree(t terms) (Params, error) {
	p := Params{
		ServerNoContextTakeover: t.serverNoTakeover,
		ClientNoContextTakeover: t.clientNoTakeover,
		ServerMaxWindowBits:     maxBits,
		ClientMaxWindowBits:     o.windowBits(),
	}
	// RFC 7692 §7.1.1.1: a server accepts it by answering it.
	if o.PeerNoContextTakeover && !t.serverNoTakeover {
		return p, fmt.Errorf("%s was offered and is missing", serverNoTakeoverParam)
	}
	// §7.1.2.1: "the same or smaller value". Without it the server took our
	// second offer.
	if t.serverBits != 0 {
		p.ServerMaxWindowBits = t.serverBits
		if peer := o.peerWindowBits(); t.serverBits > peer {
			return p, fmt.Errorf("%s is %d, and %d was offered", serverWindowBitsParam, t.serverBits, peer)
		}
	}
	if t.clientBits != 0 {
		if t.clientBits > p.ClientMaxWindowBits {
			return p, fmt.Errorf("%s is %d, and %d was offered", clientWindowBitsParam, t.clientBits, p.ClientMaxWindowBits)
		}
		p.ClientMaxWindowBits = t.clientBits
	}
	return p, nil
}
