package frame_test

import (
	"testing"

	"github.com/tidewire/tidewire/ws/frame"
)

// TestStatusCode goes through RFC 6455 section 7.4 and the registry.
func TestStatusCode(t *testing.T) {
	for _, tc := range []struct {
		code  frame.StatusCode
		value int
		valid bool
		name  string
	}{
		{frame.StatusNormalClosure, 1000, true, "normal closure"},
		{frame.StatusGoingAway, 1001, true, "going away"},
		{frame.StatusProtocolError, 1002, true, "protocol error"},
		{frame.StatusUnsupportedData, 1003, true, "unsupported data"},
		{1004, 1004, false, "unassigned code"},
		{frame.StatusNoStatusRcvd, 1005, false, "no status received"},
		{frame.StatusAbnormalClosure, 1006, false, "abnormal closure"},
		{frame.StatusInvalidFramePayloadData, 1007, true, "invalid frame payload data"},
		{frame.StatusPolicyViolation, 1008, true, "policy violation"},
		{frame.StatusMessageTooBig, 1009, true, "message too big"},
		{frame.StatusMandatoryExtension, 1010, true, "mandatory extension"},
		{frame.StatusInternalError, 1011, true, "internal error"},
		{frame.StatusServiceRestart, 1012, true, "service restart"},
		{frame.StatusTryAgainLater, 1013, true, "try again later"},
		{frame.StatusBadGateway, 1014, true, "bad gateway"},
		{frame.StatusTLSHandshake, 1015, false, "TLS handshake"},
		{0, 0, false, "unassigned code"},
		{999, 999, false, "unassigned code"},
		{1016, 1016, false, "unassigned code"},
		{2999, 2999, false, "unassigned code"},
		{3000, 3000, true, "registered code"},
		{3999, 3999, true, "registered code"},
		{4000, 4000, true, "private code"},
		{4999, 4999, true, "private code"},
		{5000, 5000, false, "unassigned code"},
		{65535, 65535, false, "unassigned code"},
	} {
		if int(tc.code) != tc.value || tc.code.Valid() != tc.valid || tc.code.String() != tc.name {
			t.Errorf("%d: %d, %v, %q", tc.value, tc.code, tc.code.Valid(), tc.code)
		}
	}
}
