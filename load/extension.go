package load

import (
	"fmt"
	"slices"
	"strings"
)

// Compression is how a run uses permessage-deflate (RFC 7692).
type Compression string

const (
	// NoTakeover: each message stands alone, in both directions
	// (client_no_context_takeover and server_no_context_takeover).
	NoTakeover Compression = "no-takeover"
	// Takeover: a message may refer to those before it, in both directions.
	Takeover Compression = "takeover"
)

// offer is the value of Sec-WebSocket-Extensions in a handshake.
func (c Compression) offer() string {
	switch c {
	case NoTakeover:
		return "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
	case Takeover:
		return "permessage-deflate"
	}
	return ""
}

// confirm checks the server's answer to the offer.
func (c Compression) confirm(values []string) error {
	answer := strings.Join(values, ", ")
	if c == "" {
		if answer != "" {
			return fmt.Errorf("the handshake's answer has an extension, and none was offered")
		}
		return nil
	}
	if answer == "" {
		return fmt.Errorf("the server declined compression: it was offered %q", c.offer())
	}
	parts := strings.Split(answer, ";")
	for i := range parts {
		parts[i] = strings.Trim(parts[i], " \t")
	}
	if parts[0] != "permessage-deflate" || strings.Contains(answer, ",") {
		return fmt.Errorf("the server answered with extensions that were not offered: %q", answer)
	}
	var names []string
	for _, part := range parts[1:] {
		name, value, valued := strings.Cut(part, "=")
		if slices.Contains(names, name) {
			return fmt.Errorf("the server answered with a parameter twice: %q", answer)
		}
		names = append(names, name)
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if valued {
				return fmt.Errorf("the server answered with a bad parameter: %q", answer)
			}
		case "server_max_window_bits":
			if unquoted := strings.Trim(value, `"`); !slices.Contains([]string{"8", "9", "10", "11", "12", "13", "14", "15"}, unquoted) ||
				value != unquoted && value != `"`+unquoted+`"` {
				return fmt.Errorf("the server answered with a bad parameter: %q", answer)
			}
		default: // client_max_window_bits too: only a client that offers it may be asked (RFC 7692 §7.1.2.2)
			return fmt.Errorf("the server answered with a parameter that was not offered: %q", answer)
		}
	}
	switch {
	case c == NoTakeover && !slices.Contains(names, "server_no_context_takeover"):
		return fmt.Errorf("the server did not agree to server_no_context_takeover, which it must (RFC 7692 §7.1.1.1): %q", answer)
	case c == Takeover && len(names) > 0 && (slices.Contains(names, "server_no_context_takeover") || slices.Contains(names, "client_no_context_takeover")):
		return fmt.Errorf("the server declined context takeover: it answered %q", answer)
	}
	return nil
}
