package bridge

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/ws"
)

// closeCode says why a WebSocket connection is closed.
func closeCode(why error) (ws.StatusCode, string) {
	var closed *ws.CloseError
	switch {
	case why == nil:
		return ws.StatusNormalClosure, ""
	case errors.As(why, &closed) && closed.By == ws.Peer: // the other side is WebSocket too
		if closed.Code == ws.StatusNoStatusRcvd || closed.Code.Valid() {
			return closed.Code, closed.Reason
		}
	case errors.Is(why, errIdle), errors.Is(why, errTotal), errors.Is(why, errShutdown):
		return ws.StatusGoingAway, shorten(plain(why))
	case errors.Is(why, errBase64):
		return ws.StatusInvalidFramePayloadData, shorten(plain(why))
	case errors.Is(why, errFrameBig), errors.Is(why, errBase64Big):
		return ws.StatusMessageTooBig, shorten(plain(why))
	}
	return ws.StatusBadGateway, shorten(plain(why))
}

// plain is an error without addresses and without what a target said in a handshake, which are nobody else's business.
func plain(err error) string {
	var op *net.OpError
	var sys *os.SyscallError
	side, text := "", err.Error()
	var of *sideError
	if errors.As(err, &of) {
		side, text = of.side+": ", of.err.Error()
	}
	var handshake *handshakeError
	if errors.As(err, &handshake) {
		text = handshake.reason()
	}
	if errors.As(err, &op) {
		text = op.Err.Error()
	}
	if errors.As(err, &sys) {
		text = sys.Err.Error()
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		text = "its name cannot be looked up"
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		text = "its certificate is not valid for it"
	}
	return side + text
}

// shorten has a reason fit into a close frame (RFC 6455 section 5.5).
func shorten(reason string) string {
	const most = 123
	reason = strings.ToValidUTF8(reason, "?")
	for len(reason) > most {
		_, n := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-n]
	}
	return reason
}
