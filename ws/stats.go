package ws

import (
	"errors"
	"sync/atomic"
)

// Counters is a snapshot of what happened to the connections of this process.
// The By fields add up to Opened minus Open; the fields below them say why
// connections were closed by Network or Policy.
type Counters struct {
	Opened int64 // connections made
	Open   int64 // streams still open

	Refused int64 // handshakes answered with a Refusal; no connection was made

	ByUs      int64
	ByPeer    int64
	ByNetwork int64
	ByPolicy  int64

	Silent       int64 // pings unanswered
	WriteStuck   int64 // the peer took no bytes
	MessageStuck int64 // a message did not end
	TooBig       int64 // a message past MaxMessage
	Protocol     int64 // a violation of RFC 6455 or RFC 7692
	InvalidUTF8  int64 // text that is not UTF-8
	SlowPeer     int64 // write queue full under CloseSlow
	ControlFlood int64 // too many control frames
	Budget       int64 // memory budget exhausted
	Panic        int64 // a handler panicked
}

// count holds the live counters behind Stats.
var count struct {
	opened, open, refused                            atomic.Int64
	by                                               [Policy + 1]atomic.Int64
	silent, writeStuck, messageStuck, tooBig         atomic.Int64
	protocol, utf8, slowPeer, flood, budget, panicks atomic.Int64
}

// Stats returns a snapshot of the process's counters.
func Stats() Counters {
	return Counters{
		Opened:       count.opened.Load(),
		Open:         count.open.Load(),
		Refused:      count.refused.Load(),
		ByUs:         count.by[Us].Load(),
		ByPeer:       count.by[Peer].Load(),
		ByNetwork:    count.by[Network].Load(),
		ByPolicy:     count.by[Policy].Load(),
		Silent:       count.silent.Load(),
		WriteStuck:   count.writeStuck.Load(),
		MessageStuck: count.messageStuck.Load(),
		TooBig:       count.tooBig.Load(),
		Protocol:     count.protocol.Load(),
		InvalidUTF8:  count.utf8.Load(),
		SlowPeer:     count.slowPeer.Load(),
		ControlFlood: count.flood.Load(),
		Budget:       count.budget.Load(),
		Panic:        count.panicks.Load(),
	}
}

// countRefusal counts a refusal by its cause.
func countRefusal(code StatusCode, cause error) {
	switch {
	case errors.Is(cause, ErrMessageStuck):
		count.messageStuck.Add(1)
	case errors.Is(cause, ErrSlowPeer):
		count.slowPeer.Add(1)
	case errors.Is(cause, ErrControlFlood):
		count.flood.Add(1)
	case errors.Is(cause, ErrBudget):
		count.budget.Add(1)
	case code == StatusMessageTooBig:
		count.tooBig.Add(1)
	case code == StatusInvalidFramePayloadData:
		count.utf8.Add(1)
	case code == StatusProtocolError:
		count.protocol.Add(1)
	}
}
