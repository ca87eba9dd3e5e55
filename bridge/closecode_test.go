package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// TestCloseCodes has relays end for every reason, of which a WebSocket side is told what it can make something of.
func TestCloseCodes(t *testing.T) {
	closed := func(by ws.CloseError) error { return &sideError{"target", &by} }
	for _, tc := range []struct {
		why    error
		code   ws.StatusCode
		reason string
	}{
		{nil, ws.StatusNormalClosure, ""},
		{fmt.Errorf("%w: 1s", errIdle), ws.StatusGoingAway, "nothing has passed for too long (Idle): 1s"},
		{errTotal, ws.StatusGoingAway, errTotal.Error()},
		{errShutdown, ws.StatusGoingAway, errShutdown.Error()},
		{&sideError{"client", errBase64}, ws.StatusInvalidFramePayloadData, "client: a message is no base64"},
		{&sideError{"client", errBase64Big}, ws.StatusMessageTooBig, "client: a message in base64 is longer than 1 MiB"},
		{&sideError{"target", errFrameBig}, ws.StatusMessageTooBig, "target: " + errFrameBig.Error()},
		{&sideError{"target", errFrameCut}, ws.StatusBadGateway, "target: " + errFrameCut.Error()},
		{&sideError{"target", &tls.CertificateVerificationError{Err: errors.New("it is valid for 192.0.2.1")}}, ws.StatusBadGateway, "target: its certificate is not valid for it"},
		{closed(ws.CloseError{Code: 4000, Reason: "enough", By: ws.Peer}), 4000, "enough"},
		{closed(ws.CloseError{Code: ws.StatusNoStatusRcvd, By: ws.Peer}), ws.StatusNoStatusRcvd, ""},
		{&sideError{"target", errors.New(strings.Repeat("é", 100) + "\xff")}, ws.StatusBadGateway, "target: " + strings.Repeat("é", 57)},
	} {
		if code, reason := closeCode(tc.why); code != tc.code || reason != tc.reason {
			t.Errorf("%v: %d %q, want %d %q", tc.why, code, reason, tc.code, tc.reason)
		}
	}
}
