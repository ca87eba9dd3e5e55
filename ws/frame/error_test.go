package frame_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/ws/frame"
)

// TestErrors sees that each error can be told apart and can be sent to the peer.
func TestErrors(t *testing.T) {
	codes := map[*frame.Error]frame.StatusCode{
		frame.ErrNonMinimalLength:  1002,
		frame.ErrLengthOverflow:    1002,
		frame.ErrReservedBits:      1002,
		frame.ErrReservedOpcode:    1002,
		frame.ErrControlTooLong:    1002,
		frame.ErrControlFragmented: 1002,
		frame.ErrUnmasked:          1002,
		frame.ErrMasked:            1002,
		frame.ErrContinuation:      1002,
		frame.ErrInterleaved:       1002,
		frame.ErrInvalidUTF8:       1007,
		frame.ErrCloseCode:         1002,
		frame.ErrClosePayload:      1002,
		frame.ErrCloseReason:       1002,
		frame.ErrTooBig:            1009,
	}
	texts := map[string]bool{}
	for err, code := range codes {
		wrapped := fmt.Errorf("ws: %w", err)
		var found *frame.Error
		if !errors.Is(wrapped, err) || !errors.As(wrapped, &found) || found != err || found.Code != code {
			t.Errorf("%q is not found again, or has code %d", err, err.Code)
		}
		if errors.Is(wrapped, errOther) {
			t.Errorf("%q is taken for another one", err)
		}
		if texts[err.Error()] || err.Error() != err.Reason || frame.CheckClose(err.Code, err.Reason) != nil {
			t.Errorf("%q is no reason of its own for a close", err)
		}
		texts[err.Error()] = true
	}
}

// errOther is an Error that is none of the package's.
var errOther = &frame.Error{Code: frame.StatusProtocolError, Reason: "frame length is not in its shortest form (RFC 6455 section 5.2)"}
