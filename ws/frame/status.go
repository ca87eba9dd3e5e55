package frame

// StatusCode is the reason for a close as a number (RFC 6455 section 7.4).
type StatusCode uint16

// The status codes of RFC 6455 section 7.4.1 and of the IANA registry that it
// founded. 1004 is reserved and has no meaning.
const (
	StatusNormalClosure           StatusCode = 1000 // the purpose has been fulfilled
	StatusGoingAway               StatusCode = 1001 // a server shuts down, a browser leaves the page
	StatusProtocolError           StatusCode = 1002 // the peer broke the protocol
	StatusUnsupportedData         StatusCode = 1003 // a type of message that is not accepted
	StatusNoStatusRcvd            StatusCode = 1005 // never sent: the close frame was empty
	StatusAbnormalClosure         StatusCode = 1006 // never sent: there was no close frame
	StatusInvalidFramePayloadData StatusCode = 1007 // the payload contradicts the type, as text that is not UTF-8
	StatusPolicyViolation         StatusCode = 1008 // refused, without a better code
	StatusMessageTooBig           StatusCode = 1009 // a message is too big to be processed
	StatusMandatoryExtension      StatusCode = 1010 // a client misses an extension in the handshake
	StatusInternalError           StatusCode = 1011 // a server met an unexpected condition
	StatusServiceRestart          StatusCode = 1012 // a server restarts; come back after a random time
	StatusTryAgainLater           StatusCode = 1013 // a server is overloaded
	StatusBadGateway              StatusCode = 1014 // a gateway got a bad answer from behind
	StatusTLSHandshake            StatusCode = 1015 // never sent: the TLS handshake failed
)

// Valid reports whether the code may stand in a close frame: 1000 to 1003, 1007
// to 1014, and 3000 to 4999 (RFC 6455 section 7.4.2).
func (c StatusCode) Valid() bool {
	switch {
	case c >= 3000:
		// Section 7.4.2: 3000-3999 are registered for libraries and
		// applications, 4000-4999 are for private use.
		return c <= 4999
	case c >= 1007:
		// Section 7.4.2: 1000-2999 belong to the protocol. Section 7.4.1 and
		// the registry know none above 1015, and 1015 must not be sent.
		return c <= 1014
	}
	// Section 7.4.1: 1004 is reserved, 1005 and 1006 must not be sent.
	return c >= 1000 && c <= 1003
}

// String returns the code's meaning in lower case, without the number.
func (c StatusCode) String() string {
	switch c {
	case StatusNormalClosure:
		return "normal closure"
	case StatusGoingAway:
		return "going away"
	case StatusProtocolError:
		return "protocol error"
	case StatusUnsupportedData:
		return "unsupported data"
	case StatusNoStatusRcvd:
		return "no status received"
	case StatusAbnormalClosure:
		return "abnormal closure"
	case StatusInvalidFramePayloadData:
		return "invalid frame payload data"
	case StatusPolicyViolation:
		return "policy violation"
	case StatusMessageTooBig:
		return "message too big"
	case StatusMandatoryExtension:
		return "mandatory extension"
	case StatusInternalError:
		return "internal error"
	case StatusServiceRestart:
		return "service restart"
	case StatusTryAgainLater:
		return "try again later"
	case StatusBadGateway:
		return "bad gateway"
	case StatusTLSHandshake:
		return "TLS handshake"
	}
	switch {
	case c >= 3000 && c <= 3999:
		return "registered code"
	case c >= 4000 && c <= 4999:
		return "private code"
	}
	return "unassigned code"
}
