package protocol

import "fmt"

// The codes of an Error. Applications have codes of their own, which contain a dot.
const (
	CodeInvalid      = "invalid"
	CodeUnknownType  = "unknown-type"
	CodeUnauthorized = "unauthorized"
	CodeExpired      = "expired"
	CodeForbidden    = "forbidden"
	CodeNoRoom       = "no-room"
	CodeNotJoined    = "not-joined"
	CodeTooLarge     = "too-large"
	CodeLimit        = "limit"
	CodeRate         = "rate"
	CodeBusy         = "busy"
	CodeAborted      = "aborted"
	CodeUnavailable  = "unavailable"
	CodeDraining     = "draining"
	CodeUnsupported  = "unsupported"
	CodeInternal     = "internal"
)

// The close codes of the protocol beside those of RFC 6455.
const (
	StatusUnauthorized = 4401 // come back with a new token
	StatusSentAway     = 4403 // do not come back
)

// Error is the data of an $error.
type Error struct {
	Code       string `json:"code"`
	Message    string `json:"message,omitempty"`
	Retryable  bool   `json:"retryable,omitempty"`
	RetryAfter int64  `json:"retryAfter,omitempty"` // milliseconds
}

// Errorf returns an Error with that code, whose Retryable is what the protocol says
// of the code.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Retryable: Retryable(code)}
}

// Error gives the code and the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// Retryable reports whether the same message may succeed later, by the code alone.
func Retryable(code string) bool {
	switch code {
	case CodeRate, CodeBusy, CodeAborted, CodeUnavailable, CodeDraining:
		return true
	}
	return false
}
