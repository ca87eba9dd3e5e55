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

// entry is an event whose text is made when it is asked for.
type entry struct {
	Event
	frame *frame // its payload is the beginning alone; nil if there is a text
	size  int    // of the payload
}

// transcript keeps the first and the last events. It is safe for concurrent use.
type transcript struct {
	mu      sync.Mutex
	start   time.Time
	first   []entry
	last    []entry // a ring once it is full
	next    int
	skipped int
}

func (t *transcript) add(dir Direction, size int, wire []byte, text string) {
	t.put(dir, size, wire).Text = text
	t.mu.Unlock()
}

func (t *transcript) addFrame(dir Direction, size int, wire []byte, f *frame) {
	e := t.put(dir, size, wire)
	if e.frame == nil {
		e.frame = new(frame)
	}
	kept := append(e.frame.payload[:0], f.payload[:min(len(f.payload), 128)]...)
	*e.frame = *f
	e.frame.payload, e.size = kept, len(f.payload)
	t.mu.Unlock()
}

// put makes room for an event and leaves the transcript locked.
func (t *transcript) put(dir Direction, size int, wire []byte) *entry {
	t.mu.Lock()
	var e *entry
	switch {
	case len(t.first) < keptFirst:
		t.first = append(t.first, entry{})
		e = &t.first[len(t.first)-1]
	case len(t.last) < keptLast:
		t.last = append(t.last, entry{})
		e = &t.last[len(t.last)-1]
	default:
		e = &t.last[t.next]
		t.next = (t.next + 1) % keptLast
		t.skipped++
	}
	e.At, e.Dir, e.Text, e.Size = time.Since(t.start), dir, "", size
	e.Wire = append(e.Wire[:0], wire[:min(len(wire), keptBytes)]...)
	return e
}

// events returns what was kept, with a remark where events were dropped.
func (t *transcript) events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Event
	take := func(entries []entry) {
		for _, e := range entries {
			if e.frame != nil && e.Text == "" {
				e.Text = e.frame.describe(e.size)
			}
			all = append(all, e.Event)
		}
	}
	take(t.first)
	if t.skipped > 0 {
		all = append(all, Event{At: t.last[t.next].At, Dir: Noted, Text: plural(t.skipped, "more event")})
	}
	take(t.last[t.next:])
	take(t.last[:t.next])
	return all
}
