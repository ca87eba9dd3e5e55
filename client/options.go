package client

import (
	"context"
	"log/slog"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// Codec is the encoding of messages.
type Codec = protocol.Codec

// The codecs.
const (
	JSON = protocol.JSON
	CBOR = protocol.CBOR
)

// Reason is why a token is asked for.
type Reason string

// The reasons.
const (
	Hello   Reason = "hello"   // a connection was opened
	Expiry  Reason = "expiry"  // the identity expires soon
	Refused Reason = "refused" // the last token was refused, or has expired
)

// Options configures [Dial]. The zero value of each field is its default; nil stands for the zero
// value of them all.
type Options struct {
	// DialOptions are those of every connection that is opened. Subprotocols are offered behind the
	// codec's own. QueuePolicy has no effect. Logger is the Client's too.
	ws.DialOptions

	// Token returns a token to authenticate with. It is called, one call at a time, for every connection,
	// before the identity expires, and when a token was refused. Its ctx ends after CallTimeout, or with the
	// Client. An error counts as a failed attempt. nil means that no token is sent.
	Token func(ctx context.Context, why Reason) (string, error)

	// Codec is the encoding asked for. 0 means JSON.
	Codec Codec

	// Lazy makes Dial return at once and connect in the background. false means that
	// Dial waits until the server has answered, and fails if that fails.
	Lazy bool

	// OnState is told of each change of the state, in order, from one goroutine. When more than 16
	// changes wait for it the oldest are left out. nil means nobody.
	OnState func(State)

	// Backoff is the wait between attempts to connect.
	Backoff Backoff

	// Queue bounds what was given to Send, Call and their like and is not answered yet.
	Queue Queue

	// Inbox bounds what has arrived and waits for a callback, for each room by itself, and once
	// for everything without a room.
	Inbox Inbox

	// CallTimeout bounds Call, Send without a room and History, beside their ctx. An answer to $hello or
	// to a join that takes longer costs the connection. 0 means 30 s; negative means no bound.
	CallTimeout time.Duration

	// MaxCalls is how many calls are under way at once; more of them wait in the
	// queue. 0 means 64, which is a hub's default.
	MaxCalls int

	// MaxSend is the largest message sent, in bytes; a larger one is refused. It
	// should not be above what the hub takes, which closes the connection otherwise. 0 means 64 KiB.
	MaxSend int
}

// Backoff says how long to wait before connecting again: a random time between Min and
// min(Max, Min·2ⁿ) before the n-th attempt. What the server says replaces Min and Max.
type Backoff struct {
	Min    time.Duration // 0 means 500 ms
	Max    time.Duration // 0 means 20 s
	Settle time.Duration // a connection that lasted so long has n begin anew; 0 means 5 s
}

// Queue bounds the messages that are sent. Past Max and MaxBytes Send fails at once with
// [ErrQueueFull].
type Queue struct {
	Max      int           // messages, calls included; 0 means 256
	MaxBytes int           // bytes of their payloads; 0 means 1 MiB
	TTL      time.Duration // how long one may wait until it is sent for the first time; 0 means 60 s
}

// Inbox bounds what waits for a callback.
type Inbox struct {
	Max      int // messages; 0 means 1024
	MaxBytes int // bytes of their payloads; 0 means 4 MiB. A single message may be larger
}

// withDefaults returns a copy of o with the defaults filled in.
func withDefaults(o *Options) Options {
	var r Options
	if o != nil {
		r = *o
	}
	set(&r.Backoff.Min, time.Duration(protocol.Backoff[0])*time.Millisecond)
	set(&r.Backoff.Max, time.Duration(protocol.Backoff[1])*time.Millisecond)
	set(&r.Backoff.Settle, 5*time.Second)
	set(&r.Queue.Max, 256)
	set(&r.Queue.MaxBytes, 1<<20)
	set(&r.Queue.TTL, time.Minute)
	set(&r.Inbox.Max, 1024)
	set(&r.Inbox.MaxBytes, 4<<20)
	set(&r.MaxCalls, 64)
	set(&r.MaxSend, 64<<10)
	if r.CallTimeout == 0 {
		r.CallTimeout = 30 * time.Second
	}
	offer := []string{r.Codec.Subprotocol()}
	for _, s := range r.Subprotocols {
		if s != offer[0] {
			offer = append(offer, s)
		}
	}
	r.Subprotocols = offer
	r.QueuePolicy = ws.RefuseWrite // a full queue is no reason to lose the connection
	if r.Logger == nil {
		r.Logger = slog.Default()
	}
	return r
}

// set gives *v its default.
func set[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
