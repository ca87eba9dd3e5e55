package frame

import (
	"encoding/binary"
	"unicode/utf8"
)

// MaxCloseReason is the size of the longest reason that fits a close frame
// beside the status code, in bytes (RFC 6455 section 5.5).
const MaxCloseReason = MaxControlPayload - 2

// ParseClose decodes the unmasked payload of a close frame. An empty one gives
// StatusNoStatusRcvd, as RFC 6455 section 7.1.5 asks. reason is a part of p.
//
// It refuses a payload of one byte (ErrClosePayload) or of more than 125
// (ErrControlTooLong), a code that must not be sent (ErrCloseCode) and a reason
// that is not UTF-8 (ErrInvalidUTF8). With an error, code is what p held, for a
// log, or 0, and reason is nil.
func ParseClose(p []byte) (code StatusCode, reason []byte, err error) {
	if len(p) == 0 {
		return StatusNoStatusRcvd, nil, nil
	}
	// RFC 6455 section 5.5.1: "If there is a body, the first two bytes of the
	// body MUST be a 2-byte unsigned integer".
	if len(p) == 1 {
		return 0, nil, ErrClosePayload
	}
	if len(p) > MaxControlPayload {
		return 0, nil, ErrControlTooLong
	}
	code = StatusCode(binary.BigEndian.Uint16(p))
	if !code.Valid() {
		return code, nil, ErrCloseCode
	}
	// Section 5.5.1: "the body MAY contain UTF-8-encoded data"; section 8.1
	// says what to do with other data.
	if !utf8.Valid(p[2:]) {
		return code, nil, ErrInvalidUTF8
	}
	return code, p[2:], nil
}

// AppendClose appends the payload of a close frame to b and returns the result.
// It refuses what [CheckClose] refuses, and then returns b as it was. A close
// frame without a status has an empty payload and needs no function.
func AppendClose(b []byte, code StatusCode, reason string) ([]byte, error) {
	if err := CheckClose(code, reason); err != nil {
		return b, err
	}
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return append(b, reason...), nil
}

// CheckClose refuses a code that must not be sent (ErrCloseCode), a reason
// longer than MaxCloseReason (ErrCloseReason) and one that is not UTF-8
// (ErrInvalidUTF8).
func CheckClose(code StatusCode, reason string) error {
	if !code.Valid() {
		return ErrCloseCode
	}
	if len(reason) > MaxCloseReason {
		return ErrCloseReason
	}
	if !utf8.ValidString(reason) {
		return ErrInvalidUTF8
	}
	return nil
}
