package metrics

import (
	"errors"
	"strings"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// codes are the protocol's own.
var codes = []string{
	protocol.CodeInvalid, protocol.CodeUnknownType, protocol.CodeUnauthorized, protocol.CodeExpired, protocol.CodeForbidden,
	protocol.CodeNoRoom, protocol.CodeNotJoined, protocol.CodeTooLarge, protocol.CodeLimit, protocol.CodeRate, protocol.CodeBusy,
	protocol.CodeAborted, protocol.CodeUnavailable, protocol.CodeDraining, protocol.CodeUnsupported, protocol.CodeInternal,
}

const (
	ok          = "ok"
	application = "application" // a code with a dot: there may be any number
	other       = "other"
)

// outcomes are what becomes of a message.
var outcomes = append([]string{ok, application, other}, codes...)

// outcomeOf is what a client is told of an error of a handler: see live.Error.
func outcomeOf(err error) string {
	if err == nil {
		return ok
	}
	if e, is := err.(*live.Error); is && e != nil { // most are, and this allocates nothing
		return e.Code
	}
	var e *live.Error
	switch {
	case errors.As(err, &e) && e != nil:
		return e.Code
	case errors.Is(err, live.ErrUnavailable):
		return protocol.CodeUnavailable
	}
	return protocol.CodeInternal
}

// fold is the label of a code of which nothing is counted by itself.
func fold(code string) string {
	if strings.Contains(code, ".") {
		return application
	}
	return other
}
