//go:build !js

package websocket

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Message types, with the values of the opcodes of RFC 6455 section 11.8.
const (
	// TextMessage is a message of UTF-8 text.
	TextMessage = 1
	// BinaryMessage is a message of any bytes.
	BinaryMessage = 2
	// CloseMessage is a close frame; FormatCloseMessage makes its payload.
	CloseMessage = 8
	// PingMessage is a ping, with up to 125 bytes.
	PingMessage = 9
	// PongMessage is a pong, with up to 125 bytes.
	PongMessage = 10
)

// Close codes (RFC 6455 section 7.4.1 and the IANA registry). 1005, 1006 and 1015
// never travel.
const (
	CloseNormalClosure           = 1000
	CloseGoingAway               = 1001
	CloseProtocolError           = 1002
	CloseUnsupportedData         = 1003
	CloseNoStatusReceived        = 1005
	CloseAbnormalClosure         = 1006
	CloseInvalidFramePayloadData = 1007
	ClosePolicyViolation         = 1008
	CloseMessageTooBig           = 1009
	CloseMandatoryExtension      = 1010
	CloseInternalServerErr       = 1011
	CloseServiceRestart          = 1012
	CloseTryAgainLater           = 1013
	CloseTLSHandshake            = 1015
)

// CloseError is what reading returns when the peer has sent a close frame, or has
// gone without one (code 1006).
type CloseError struct {
	// Code is the status code; CloseNoStatusReceived if the frame had none.
	Code int
	// Text is the peer's reason, or empty.
	Text string
}

// closeNames says in words what programs are used to read in logs.
var closeNames = map[int]string{
	CloseNormalClosure:           "normal",
	CloseGoingAway:               "going away",
	CloseProtocolError:           "protocol error",
	CloseUnsupportedData:         "unsupported data",
	CloseNoStatusReceived:        "no status",
	CloseAbnormalClosure:         "abnormal closure",
	CloseInvalidFramePayloadData: "invalid payload data",
	ClosePolicyViolation:         "policy violation",
	CloseMessageTooBig:           "message too big",
	CloseMandatoryExtension:      "mandatory extension missing",
	CloseInternalServerErr:       "internal server error",
	CloseTLSHandshake:            "TLS handshake error",
}

// Error gives the code, its meaning and the text, in gorilla's form.
func (e *CloseError) Error() string {
	s := fmt.Sprintf("websocket: close %d", e.Code)
	if name, ok := closeNames[e.Code]; ok {
		s += " (" + name + ")"
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// IsCloseError reports whether err is a *CloseError with one of the codes. Like
// gorilla's, it does not look into wrapped errors.
func IsCloseError(err error, codes ...int) bool {
	e, ok := err.(*CloseError)
	return ok && slices.Contains(codes, e.Code)
}

// IsUnexpectedCloseError reports whether err is a *CloseError with none of the
// codes. Like gorilla's, it does not look into wrapped errors.
func IsUnexpectedCloseError(err error, expectedCodes ...int) bool {
	e, ok := err.(*CloseError)
	return ok && !slices.Contains(expectedCodes, e.Code)
}

// FormatCloseMessage returns the payload of a close frame. For
// CloseNoStatusReceived it is empty, because that code is the absence of one.
func FormatCloseMessage(closeCode int, text string) []byte {
	if closeCode == CloseNoStatusReceived {
		return []byte{}
	}
	p := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(text)), uint16(closeCode))
	return append(p, text...)
}
