package handled

import (
	"errors"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// CodeOf is the code of what a client is told of a handler's error; see live.Error. "" is that of nil.
func CodeOf(err error) string {
	if err == nil {
		return ""
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
