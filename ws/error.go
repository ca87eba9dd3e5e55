package ws

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/ws/frame"
)

// Closer says who ended a connection.
type Closer byte

const (
	// Us: this end called Close, CloseNow or Shutdown.
	Us Closer = iota + 1
	// Peer: the other end sent a close frame.
	Peer
	// Network: the stream ended or failed without a close frame, or the peer
	// fell silent.
	Network
	// Policy: this end refused what the peer did; Code says why.
	Policy
)

// String returns "us", "peer", "network" or "policy".
func (c Closer) String() string {
	switch c {
	case Us:
		return "us"
	case Peer:
		return "peer"
	case Network:
		return "network"
	case Policy:
		return "policy"
	}
	return "nobody"
}

// CloseError is how a connection ended. Every call on an ended connection
// returns the same one, wherever it was noticed first.
type CloseError struct {
	By     Closer
	Code   StatusCode // 1006 where no close frame was seen (By is Network)
	Reason string     // the peer's words, or ours
	Cause  error      // what lay beneath: an I/O error, a frame.Error, …; or nil
	At     time.Time  // when it was noticed
}

// Error says who closed, with which code, and why.
func (e *CloseError) Error() string {
	s := fmt.Sprintf("ws: closed by %s: %d %s", e.By, uint16(e.Code), e.Code)
	if e.Reason != "" {
		s += fmt.Sprintf(": %q", e.Reason)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns Cause, so that errors.Is finds io.EOF, syscall errors and the
// sentinels of ws/frame.
func (e *CloseError) Unwrap() error { return e.Cause }

// orEnd returns how the connection ended, if it has, in place of err: the end of a
// context, which the connection's may have brought about.
func (c *Conn) orEnd(err error) error {
	if ce := c.ended.Load(); ce != nil {
		return ce
	}
	return err
}

// CloseStatus returns the status code in err's chain, or 0 when err does not
// tell of a close.
func CloseStatus(err error) StatusCode {
	var ce *CloseError
	if errors.As(err, &ce) {
		return ce.Code
	}
	return 0
}

var (
	// ErrQueueFull is returned by Write on an attached connection under
	// RefuseWrite. Nothing of the message was queued.
	ErrQueueFull = errors.New("ws: write queue is full (ConnOptions.WriteQueue)")

	// ErrAttached is returned by the reading calls once a connection is
	// attached, and inside the body of a Messages loop.
	ErrAttached = errors.New("ws: reading belongs to the handler or to the Messages loop")

	// ErrReading is returned by Attach and Messages while a Read is under way.
	ErrReading = errors.New("ws: another goroutine is reading")

	// ErrTooBig is the cause in a CloseError for a message past MaxMessage.
	ErrTooBig = errors.New("message is larger than ConnOptions.MaxMessage")

	// ErrSilent is the cause in a CloseError for a peer that left pings
	// unanswered.
	ErrSilent = errors.New("peer left pings unanswered (ConnOptions.PingInterval, PingMisses)")

	// ErrWriteStuck is the cause in a CloseError for a peer that stopped
	// taking bytes.
	ErrWriteStuck = errors.New("peer took no bytes for too long (ConnOptions.WriteTimeout)")

	// ErrMessageStuck is the cause in a CloseError for a message that did not
	// end in time.
	ErrMessageStuck = errors.New("message took too long to arrive (ConnOptions.MessageTimeout)")

	// ErrSlowPeer is the cause in a CloseError for an attached connection whose
	// queue filled under CloseSlow.
	ErrSlowPeer = errors.New("peer reads too slowly: write queue is full (ConnOptions.WriteQueue)")

	// ErrControlFlood is the cause in a CloseError for a peer that sent control
	// frames faster than allowed.
	ErrControlFlood = errors.New("too many control frames (ConnOptions.ControlRate)")

	// ErrBudget is the cause in a CloseError for the connection that held most
	// when the Budget ran out.
	ErrBudget = errors.New("memory budget exhausted; this connection held the most (ConnOptions.Budget)")
)

var (
	errCloseTimeout = errors.New("peer did not complete the closing handshake in time (ConnOptions.CloseTimeout)")
	errNoReply      = errors.New("peer ended the stream without answering the close frame")
	errCloseNow     = errors.New("closed without a closing handshake (CloseNow)")
)

// shortReason is what the peer is told: the cause, as far as it fits.
func shortReason(cause error) string {
	s := strings.ToValidUTF8(cause.Error(), "?")
	if len(s) > frame.MaxCloseReason {
		s = s[:frame.MaxCloseReason]
		for len(s) > 0 && s[len(s)-1] >= 0x80 {
			s = s[:len(s)-1]
		}
	}
	return s
}

// prefixed puts the package's name in front of an error from below, once.
func prefixed(err error) error { return fmt.Errorf("ws: %w", err) }
