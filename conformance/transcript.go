package conformance

import (
	"sync"
	"time"
)

// Bounds of a transcript: events kept from the beginning and from the end, and
// bytes kept of each.
const (
	keptFirst = 40
	keptLast  = 24
	keptBytes = 192
)

// Direction tells whose an event is.
type Direction uint8

const (
	Sent     Direction = iota // by the runner
	Received                  // from the peer
	Noted                     // a remark of the runner's
)

// String returns "sent", "received" or "noted".
func (d Direction) String() string { return [...]string{"sent", "received", "noted"}[d%3] }

// MarshalText implements encoding.TextMarshaler with the form of String.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// An Event is one line of what happened on a connection.
type Event struct {
	At   time.Duration // since the case began
	Dir  Direction
	Text string // what it was: `text "Hello"`
	Wire []byte // its first bytes as they were on the wire, masks included
	Size int    // bytes on the wire
}

// transcript keeps the first and the last events. It is safe for concurrent use.
type transcript struct {
	mu      sync.Mutex
	start   time.Time
	first   []Event
	last    []Event // a ring once it is full
	next    int
	skipped int
}

func (t *transcript) add(dir Direction, size int, wire []byte, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := Event{At: time.Since(t.start), Dir: dir, Text: text, Size: size}
	e.Wire = append(e.Wire, wire[:min(len(wire), keptBytes)]...)
	switch {
	case len(t.first) < keptFirst:
		t.first = append(t.first, e)
	case len(t.last) < keptLast:
		t.last = append(t.last, e)
	default:
		t.last[t.next] = e
		t.next = (t.next + 1) % keptLast
		t.skipped++
	}
}

func (t *transcript) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.first) == keptFirst
}

// events returns what was kept, with a remark where events were dropped.
func (t *transcript) events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := append([]Event(nil), t.first...)
	if t.skipped > 0 {
		all = append(all, Event{At: t.last[t.next].At, Dir: Noted, Text: plural(t.skipped, "more event")})
	}
	all = append(all, t.last[t.next:]...)
	return append(all, t.last[:t.next]...)
}
