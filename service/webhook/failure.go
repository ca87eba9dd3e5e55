package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// failure is why there is no answer. Neither of its texts holds anything that came from the application.
type failure struct {
	reason string // of a few
	detail string
	code   int  // of an answer that is not 200
	again  bool // another attempt may have an answer
	hard   bool // the application refuses the request: WhenDown has no say, and the breaker nothing to do
}

func (f *failure) Error() string {
	if f.detail == "" {
		return "webhook: " + f.reason
	}
	return "webhook: " + f.reason + ": " + f.detail
}

// errGone is a question whose session has ended meanwhile, which says nothing about the application.
var errGone = errors.New("webhook: the session has ended")

// The reasons that are not an answer's.
var (
	errClosed = &failure{reason: "closed"}
	errFull   = &failure{reason: "too many questions under way", detail: "Options.UnderWay"}
	errOpen   = &failure{reason: "known to be down"}
	errQueue  = &failure{reason: "too much is still to be told", detail: "Options.Queue"}
	errPanic  = &failure{reason: "panic"}
)

// failureOf says in our words why a request got no answer: net/http's may repeat the URL, or what came for an answer.
func failureOf(err error) *failure {
	f := &failure{reason: "no answer", again: true}
	var dns *net.DNSError
	var op *net.OpError
	var net net.Error
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &net) && net.Timeout():
		f.reason, f.detail = "time-out", "Options.Timeout"
	case errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		f.reason, f.again, f.detail = "certificate", false, "it is of an unknown authority, for another host, or expired"
	case errors.As(err, &record):
		f.reason, f.again, f.detail = "no TLS", false, "Options.URL has https"
	case errors.As(err, &dns):
		f.reason, f.detail = "no address", "the host's name is not found"
	case errors.As(err, &op):
		f.reason, f.detail = "connection", op.Op+": "+plain(op.Err)
	}
	return f
}

// plain returns the text of an error of the system, and nothing of others.
func plain(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return "failed"
}

// status is the failure of an answer with that status, which is not 200.
func status(code int) *failure {
	return &failure{
		reason: fmt.Sprintf("status %dxx", code/100), detail: fmt.Sprintf("it answered with %d", code),
		code: code, again: code >= 500, hard: code >= 400 && code < 500,
	}
}

// unavailable is what a client is told, and when to come again: not all at once.
func unavailable() *live.Error {
	e := protocol.Errorf(protocol.CodeUnavailable, "the application does not answer")
	e.RetryAfter = (time.Second + rand.N(2*time.Second)).Milliseconds()
	return e
}

// allows reports whether the claims decide now that the application does not.
func (w *Webhook) allows(err error) bool {
	var f *failure
	return errors.As(err, &f) && !f.hard && w.set.WhenDown == Allow
}

// told makes an error one that a client may see.
func told(err error) error {
	var f *failure
	if errors.As(err, &f) {
		return unavailable()
	}
	return err
}
