package interop_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// patience bounds what a test waits for; nothing waits it out but a failure.
const patience = 30 * time.Second

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// end is one end of an open connection, whatever library is below it. Each end
// reads on a goroutine of its own, which answers pings and closes as the
// library does, and tells what happens as events.
type end interface {
	// send sends one message.
	send(typ ws.MessageType, p []byte) error
	// sendParts sends one message, in several frames where the library can.
	sendParts(typ ws.MessageType, parts [][]byte) error
	// ping sends a ping. The pong comes as an event.
	ping(p []byte) error
	// close begins the closing handshake. StatusNoStatusRcvd stands for a close
	// frame without a code.
	close(code ws.StatusCode, reason string) error
	// abort ends the stream without a close frame.
	abort()
	// events has everything that arrives; the last one is closed.
	events() <-chan event
}

type eventKind string

const (
	message eventKind = "message"
	pong    eventKind = "pong"
	closed  eventKind = "closed"
)

type event struct {
	kind eventKind
	typ  ws.MessageType
	size int
	sum  [sha256.Size]byte // of the payload
	data []byte            // the payload; nil where the library's process keeps it
	code ws.StatusCode     // 1006: no close frame was seen
	text string            // the reason of a close, the payload of a pong
	err  error
}

func (e event) String() string {
	switch e.kind {
	case message:
		return fmt.Sprintf("%v message of %d bytes, sum %x", e.typ, e.size, e.sum[:4])
	case pong:
		return fmt.Sprintf("pong %q", e.text)
	}
	return fmt.Sprintf("closed %d %q (%v)", e.code, e.text, e.err)
}

func messageEvent(typ ws.MessageType, p []byte) event {
	return event{kind: message, typ: typ, size: len(p), sum: sha256.Sum256(p), data: bytes.Clone(p)}
}

// inbox carries the events of an end. It is as large as what the tests leave
// unread, so that no reading goroutine waits for a test that has failed.
type inbox chan event

func newInbox() inbox { return make(inbox, 256) }

func (in inbox) events() <-chan event { return in }

// next returns the next event that is no pong.
func next(t testing.TB, e end) event {
	t.Helper()
	for {
		ev := nextOf(t, e)
		if ev.kind != pong {
			return ev
		}
	}
}

func nextOf(t testing.TB, e end) event {
	t.Helper()
	return await(t, e.events())
}

// receive waits for the message p at e. pieces says that e's library hands out
// the frames of a message one by one.
func receive(t testing.TB, e end, typ ws.MessageType, p []byte, pieces bool) {
	t.Helper()
	ev := next(t, e)
	if pieces {
		var whole []byte
		for ev.kind == message && ev.typ == typ && len(whole)+ev.size < len(p) {
			whole = append(whole, ev.data...)
			ev = next(t, e)
		}
		if ev.kind == message {
			ev = messageEvent(ev.typ, append(whole, ev.data...))
		}
	}
	if want := messageEvent(typ, p); ev.kind != message || ev.typ != typ || ev.size != want.size || ev.sum != want.sum {
		t.Fatalf("got %v, want %v", ev, want)
	}
}

// awaitPong waits for a pong at e; what says which, "" means any.
func awaitPong(t testing.TB, e end, what string) {
	t.Helper()
	if ev := nextOf(t, e); ev.kind != pong || what != "" && ev.text != what {
		t.Fatalf("got %v, want pong %q", ev, what)
	}
}

// awaitClosed waits for the end of e.
func awaitClosed(t testing.TB, e end) event {
	t.Helper()
	for {
		switch ev := next(t, e); ev.kind {
		case closed:
			return ev
		default:
			t.Fatalf("got %v, want the end", ev)
		}
	}
}

// await returns what comes next on a channel.
func await[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-ch:
		return v
	case <-timer.C:
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
