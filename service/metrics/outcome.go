package metrics

import (
	"cmp"
	"strings"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/internal/handled"
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

// outcomeOf is ok, or the code of what a client is told of a handler's error.
func outcomeOf(err error) string { return cmp.Or(handled.CodeOf(err), ok) }

// fold is the label of a code of which nothing is counted by itself.
func fold(code string) string {
	if strings.Contains(code, ".") {
		return application
	}
	return other
}
