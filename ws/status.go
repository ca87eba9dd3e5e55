package ws

import (
	"github.com/tidewire/tidewire/ws/frame"
)

// MessageType says whether a message is text or binary (RFC 6455 section 5.6).
type MessageType byte

const (
	// Text is a message of UTF-8 text. Both ends check that it is UTF-8.
	Text = MessageType(frame.Text)
	// Binary is a message of any bytes.
	Binary = MessageType(frame.Binary)
)

// String returns "text" or "binary".
func (t MessageType) String() string {
	switch t {
	case Text:
		return "text"
	case Binary:
		return "binary"
	}
	return "invalid message type"
}

// StatusCode is the reason for a close (RFC 6455 section 7.4).
type StatusCode = frame.StatusCode

// The status codes of RFC 6455 section 7.4.1 and of the IANA registry.
// 1005, 1006 and 1015 never travel on the wire.
const (
	StatusNormalClosure           = frame.StatusNormalClosure           // 1000
	StatusGoingAway               = frame.StatusGoingAway               // 1001
	StatusProtocolError           = frame.StatusProtocolError           // 1002
	StatusUnsupportedData         = frame.StatusUnsupportedData         // 1003
	StatusNoStatusRcvd            = frame.StatusNoStatusRcvd            // 1005
	StatusAbnormalClosure         = frame.StatusAbnormalClosure         // 1006
	StatusInvalidFramePayloadData = frame.StatusInvalidFramePayloadData // 1007
	StatusPolicyViolation         = frame.StatusPolicyViolation         // 1008
	StatusMessageTooBig           = frame.StatusMessageTooBig           // 1009
	StatusMandatoryExtension      = frame.StatusMandatoryExtension      // 1010
	StatusInternalError           = frame.StatusInternalError           // 1011
	StatusServiceRestart          = frame.StatusServiceRestart          // 1012
	StatusTryAgainLater           = frame.StatusTryAgainLater           // 1013
	StatusBadGateway              = frame.StatusBadGateway              // 1014
	StatusTLSHandshake            = frame.StatusTLSHandshake            // 1015
)
