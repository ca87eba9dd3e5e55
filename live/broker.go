package live

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// Message is a message as brokers store and carry it. It is shared by all who got
// it: nobody changes it once it was published.
type Message = protocol.Message

// Position is a place in a room's history.
type Position = protocol.Position

// Error is an error with a code of the protocol, for a client to see. Handlers return
// one to choose what the client is told; other errors are told as "internal" and
// logged.
type Error = protocol.Error

// ErrUnavailable is returned by a Broker that cannot reach what stores messages, or
// does not know whether a message was stored. The client may repeat the message.
var ErrUnavailable = errors.New("live: what stores messages cannot be reached")

// Broker stores the messages of rooms and carries them between hubs. package livetest
// has the tests that each one must pass.
//
// A room's messages have sequence numbers that increase within an epoch, not by one.
// Its methods are safe for concurrent use.
type Broker interface {
	// Configure tells what is kept of the rooms that a pattern matches. It is called
	// once for each pattern, before any room of it is used.
	Configure(r *Retention) error

	// Publish stores p, if it is to be stored, and delivers it to who has subscribed.
	// done is called once, from any goroutine, perhaps before Publish returns, and
	// before or behind the delivery. Publish must not block for long; a hub has one
	// message of a session under way per room, so order is not the broker's to keep
	// beyond that of the sequence numbers that it gives.
	Publish(p *Publish, done func(Stored, error))

	// Subscribe delivers the messages of a room, or of all that a wildcard matches,
	// to sink until cancel is called. Deliveries may be lost, doubled or come out of
	// order; who receives them checks Prev. They are called one at a time; they do
	// not block and do not call the broker. None is called once cancel has returned.
	Subscribe(room Room, sink Sink) (cancel func(), err error)

	// History reads what is stored of a room. What it returns is never stale: every
	// publish that was acknowledged before the call is in it, unless evicted.
	History(ctx context.Context, room Room, q Query) (Page, error)

	// Latest returns the latest value of each key in a room whose Retention has Keys,
	// in the order of their publishing.
	Latest(ctx context.Context, room Room) ([]*Message, error)

	// Signal sends p to all who listen to topic, on every node, at most once. p is
	// not kept. Signal does not block for long; an error is as good as a loss.
	Signal(topic string, p []byte) error

	// Listen calls f for each Signal to topic until cancel is called, one at a time.
	// f does not block.
	Listen(topic string, f func(p []byte)) (cancel func(), err error)

	// Watch calls f with false when messages cannot be stored, and with true when they
	// can again, until cancel is called, one at a time. It calls it at once if they
	// cannot. f does not block. Publish may fail at any time, whatever f was told.
	Watch(f func(available bool)) (cancel func())

	// Dedupe is for how long a message's DedupeKey is known again.
	Dedupe() time.Duration

	// Close ends the broker.
	Close() error
}

// Room is a room as a Broker sees it.
type Room struct {
	Name      string
	Retention *Retention // of the pattern that matches it
}

// Retention is what is kept of the rooms that match a pattern.
type Retention struct {
	Pattern string
	History int           // messages of each room; 0: none
	Age     time.Duration // of a message; 0: any
	Keys    bool          // the latest value of each key, instead of a history
	MaxKeys int           // of each room; who was published longest ago goes first
}

// Publish is a message on its way into a room.
type Publish struct {
	Room Room
	// Message has Type, Room, Mid, Key, From, Volatile and Data. The broker copies it
	// to set Pos and Prev.
	Message *Message
	// DedupeKey is the same for repetitions of a message and for nothing else:
	// it covers the room, the publisher and the mid. "" means that there are none.
	DedupeKey string
}

// Stored is what became of a Publish. Pos is zero where nothing is stored.
type Stored struct {
	Pos       Position
	Duplicate bool // it had been stored before, as Pos, and may be evicted already
}

// Sink receives the messages of a room.
type Sink interface {
	// Deliver brings a message, with its Pos and Prev where it has them.
	Deliver(m *Message)
	// Check says that the room's head is at least that position, or, if it is zero,
	// that messages may have been lost.
	Check(head Position)
}

// Query says what to read of a room's history.
type Query struct {
	// From is the first Seq that is wanted, inclusive. Messages are read forwards.
	From uint64
	// Backward reads the newest messages with a Seq below Before instead, or the
	// newest of all where Before is 0.
	Backward bool
	Before   uint64
	// Limit is how many messages are wanted at most; 0 asks for Head alone.
	Limit int
}

// Page is a part of a room's history.
type Page struct {
	Messages []*Message // oldest first, their Pos with Epoch and Mid
	More     bool       // there is more in the direction asked for
	// Head is the room's last message, or, if nothing is stored, the stream's last
	// sequence number, without a Mid. Its Epoch is the messages' too.
	Head Position
	// Floor says that all messages with a Seq above it are still stored: what was
	// evicted was at or below it. Only a page that was read forwards, with a Limit,
	// has to say so.
	Floor uint64
}
