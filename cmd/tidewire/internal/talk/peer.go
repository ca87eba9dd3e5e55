package talk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// Peer is the other end of a connection that is open. Its methods may be called
// from any goroutine, Receive from one.
type Peer interface {
	// Send says m. It waits while the peer takes nothing. After an error nothing
	// of m was said.
	Send(ctx context.Context, m Message) error

	// Receive calls f with each message that comes, whose Data is f's until it
	// returns, until the connection has ended, and returns how.
	Receive(ctx context.Context, f func(Message)) End

	// Finish says that nothing more will come from here, behind what was sent.
	// What the peer still says is received until it has finished, too, or has
	// taken too long. It does not wait.
	Finish(code ws.StatusCode, reason string) error

	// Ping measures a round trip.
	Ping(ctx context.Context) (time.Duration, error)

	// Abort ends the connection at once.
	Abort()

	// String tells what was agreed on, in a few words.
	String() string
}

// errNoPing is what peers answer that have no pings.
var errNoPing = errors.New("only WebSocket connections have pings")

// End is how a connection ended.
type End struct {
	By     ws.Closer
	Code   ws.StatusCode // 0 where there are no codes
	Reason string
	Err    error // what went wrong; nil: nothing
	Final  bool  // another connection would end alike
	Cut    bool  // we have finished, and the peer has not in time
}

// Well reports whether it ended as a connection should.
func (e End) Well() bool {
	if e.Err != nil {
		return false
	}
	switch e.Code {
	case 0, ws.StatusNormalClosure, ws.StatusGoingAway, ws.StatusNoStatusRcvd:
		return true
	}
	return e.By == ws.Us
}

// String says who ended it, with which code, and why.
func (e End) String() string {
	s := "the connection is closed"
	switch e.By {
	case ws.Us:
		s = "closed"
	case ws.Peer:
		s = "closed by the peer"
	case ws.Network:
		s = "the connection broke"
	case ws.Policy:
		s = "closed, because of what the peer did"
	}
	if e.Code != 0 {
		s += fmt.Sprintf(": %d (%v)", e.Code, e.Code)
	}
	if e.Reason != "" {
		s += fmt.Sprintf(" %q", e.Reason)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}
