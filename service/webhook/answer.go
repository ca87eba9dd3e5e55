package webhook

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/internal/object"
	"github.com/tidewire/tidewire/service/token"
)

// The bounds of an answer.
const (
	maxAnswer    = 64 << 10              // bytes
	answerDepth  = protocol.DefaultDepth // of nesting; the data is in an object here as it is in a message
	infoDepth    = 16                    // as in a token
	maxCode      = 64                    // bytes, of an error's code
	maxErrorText = 512                   // bytes, of an error's message
)

// answer is what an application says. Where it refuses, nothing but refusal is set.
type answer struct {
	refusal *live.Error

	named   bool // there is a user
	user    string
	expires time.Time
	info    json.RawMessage // nil: none
	rooms   []token.Grant   // nil: none

	data json.RawMessage // in place of what was published; nil: as it is
}

func odd(detail string) *failure { return &failure{reason: "not understood", detail: detail} }

// parseAnswer reads the answer to a question. Its failures hold nothing of body.
func parseAnswer(e Event, body []byte) (*answer, error) {
	o, err := object.Parse(body, answerDepth)
	if err != nil {
		return nil, odd(err.Error())
	}
	if raw, ok := o["error"]; ok {
		if len(o) > 1 {
			return nil, odd("there is something beside error")
		}
		refusal, err := parseRefusal(raw)
		return &answer{refusal: refusal}, err
	}
	if e == Connect {
		return parseConnect(o)
	}
	a := &answer{}
	for name, raw := range o {
		switch {
		case name == "allow" && string(raw) == "true":
		case name == "allow" && string(raw) == "false":
			a.refusal = protocol.Errorf(protocol.CodeForbidden, "not allowed")
		case name == "allow":
			return nil, odd("allow is neither true nor false")
		case name == "data" && e == Publish:
			a.data = raw
		default:
			return nil, odd("there is a member that this version does not know")
		}
	}
	switch {
	case o["allow"] == nil:
		return nil, odd("there is neither allow nor error")
	case a.refusal != nil && a.data != nil:
		return nil, odd("there is data, and it is not allowed")
	}
	return a, nil
}

// parseConnect reads who a client is.
func parseConnect(o object.Object) (a *answer, err error) {
	a = &answer{}
	for name, raw := range o {
		switch name {
		case "user":
			if a.user, err = o.Text(name); err != nil || a.user != "" && protocol.CheckUser(a.user) != nil {
				return nil, odd("user is no name of a user")
			}
			a.named = true
		case "expires":
			at, err := o.Date(name)
			if err != nil {
				return nil, odd(err.Error())
			}
			a.expires = *at
		case "info":
			if len(raw) > maxInfo || object.CheckNames(raw, infoDepth) != nil {
				return nil, odd("info is longer than 1 KiB or nested too deep")
			}
			a.info = raw
		case "rooms":
			if a.rooms, err = token.ParseGrants(raw); err != nil {
				return nil, odd(strings.TrimPrefix(err.Error(), "token: ParseGrants: "))
			}
		default:
			return nil, odd("there is a member that this version does not know")
		}
	}
	return a, nil
}

// maxInfo is how long a user's info may be, which live bounds as well.
const maxInfo = 1 << 10

// parseRefusal reads what a client is to be told.
func parseRefusal(raw json.RawMessage) (*live.Error, error) {
	o, err := object.Parse(raw, 1)
	if err != nil {
		return nil, odd("error is no object of code and message")
	}
	for name := range o {
		if name != "code" && name != "message" {
			return nil, odd("error has a member that this version does not know")
		}
	}
	code, err := o.Text("code")
	if err != nil || !knownCode(code) {
		return nil, odd("error.code is neither one of the protocol's nor one with a dot")
	}
	text, err := o.Text("message")
	if err != nil || len(text) > maxErrorText {
		return nil, odd("error.message is no string, or longer than 512 bytes")
	}
	return &live.Error{Code: code, Message: text, Retryable: protocol.Retryable(code)}, nil
}

// knownCode reports whether an application may refuse with a code: those of the protocol that fit, and its own, which have a dot.
func knownCode(code string) bool {
	switch code {
	case protocol.CodeInvalid, protocol.CodeUnauthorized, protocol.CodeExpired, protocol.CodeForbidden, protocol.CodeNoRoom,
		protocol.CodeTooLarge, protocol.CodeLimit, protocol.CodeRate, protocol.CodeBusy, protocol.CodeUnavailable, protocol.CodeUnsupported:
		return true
	}
	for _, c := range []byte(code) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return len(code) <= maxCode && strings.Contains(strings.Trim(code, "."), ".")
}
