package client

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/live/protocol"
)

var (
	// ErrUnknown says that the connection was lost, or the time was up, between sending and the answer:
	// it may or may not have happened.
	ErrUnknown = errors.New("client: outcome is unknown")

	// ErrQueueFull says that too much waits to be sent. Nothing was queued.
	ErrQueueFull = errors.New("client: too much waits to be sent (Options.Queue)")

	// ErrNotSent says that there was no connection for too long. Nothing was sent.
	ErrNotSent = errors.New("client: not sent in time (Options.Queue.TTL)")

	// ErrOffline says that there is no connection. Nothing was sent.
	ErrOffline = errors.New("client: not connected")

	// ErrClosed says that the Client is closed. What it is returned for was not sent.
	ErrClosed = errors.New("client: closed")

	// ErrSentAway says that the server closed the connection with 4403: the Client is closed and
	// does not come back. The *ws.CloseError beside it has the application's reason.
	ErrSentAway = errors.New("client: sent away by the server")

	// ErrLeft says that the room was left, by Leave or by the server.
	ErrLeft = errors.New("client: room was left")

	// ErrStale says that the room's handle was let go by Leave, and that there is another one by now.
	ErrStale = errors.New("client: the room has another handle by now: ask Client.Room for it")
)

// Error is what the other side answered: a code of docs/protocol.md, or one of the application's, which
// contains a dot. A handler that returns one has it sent as it is. errors.As finds it in errors
// of this package.
type Error = protocol.Error

// HandshakeError says that the server answered the handshake, and not with a connection. errors.As finds it in the error of
// [Dial], and in State.Err.
type HandshakeError struct {
	// Response is the answer, with the beginning of its body: see [ws.Dial].
	Response *http.Response
	err      error
}

// Error says what is wrong with the answer.
func (e *HandshakeError) Error() string { return e.err.Error() }

// Unwrap returns the error of package ws.
func (e *HandshakeError) Unwrap() error { return e.err }

// A chain is an error over others, whose text has the package's prefix once.
type chain struct {
	text string
	errs []error
}

func (e *chain) Error() string   { return "client: " + e.text }
func (e *chain) Unwrap() []error { return e.errs }

// wrap says what was being done. Sentinels stay as they are.
func wrap(doing string, err error) error {
	switch err {
	case nil, ErrUnknown, ErrQueueFull, ErrNotSent, ErrOffline, ErrClosed, ErrSentAway, ErrLeft, ErrStale:
		return err
	}
	return &chain{doing + ": " + bare(err), []error{err}}
}

// because is a sentinel, and why.
func because(what, why error) error {
	if why == nil {
		return what
	}
	return &chain{bare(what) + ": " + bare(why), []error{what, why}}
}

// unknown is ErrUnknown and why.
func unknown(why error) error { return because(ErrUnknown, why) }

// bare is the text of an error without the package's prefix.
func bare(err error) string { return strings.TrimPrefix(err.Error(), "client: ") }

// failure is the error that a $error carries.
func failure(m *protocol.Message) *Error {
	e := new(Error)
	if err := m.Codec.Unmarshal(m.Data, e); err != nil || e.Code == "" {
		return protocol.Errorf(CodeInternal, "the other side's $error cannot be read")
	}
	return e
}

// CodeInternal is the code of an answer to a call whose handler failed.
const CodeInternal = protocol.CodeInternal

// cause is why ctx ended.
func cause(ctx context.Context) error { return context.Cause(ctx) }
