package webhook

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

// departure tells that a session has ended.
type departure struct {
	head
	User    string `json:"user"` // "" is a stranger
	Session string `json:"session"`
	Code    int    `json:"code,omitempty"` // of the close; none if the connection was lost
}

// The bounds of telling.
const (
	tellers     = 4 // goroutines, each with one request
	tellings    = 8 // attempts
	tellWait    = 500 * time.Millisecond
	tellWaitMax = 30 * time.Second
)

// Disconnected is for live.Hooks: the application is told (Disconnect), in the background. It never waits. Sessions that nobody has let in are
// left out. A departure is told 8 times at most, over about a minute, until it is answered with a 2xx, or a 4xx other than 408 and 429; they are told in no
// certain order. What does not fit Options.Queue is dropped, as is what could not be told; Stats counts both.
func (w *Webhook) Disconnected(s *live.Session, err error) {
	id := s.Identity()
	if !w.has(Disconnect) || id.User == "" && id.Claims == nil {
		return
	}
	d := &departure{head: newHead(Disconnect), User: id.User, Session: s.ID(), Code: int(ws.CloseStatus(err))}
	w.count.disconnect.asked.Add(1)
	w.mu.RLock() // Close holds it, when it is held at all, for a moment
	defer w.mu.RUnlock()
	if w.closed {
		w.drop(errClosed)
		return
	}
	select {
	case w.queue <- d:
	default:
		w.drop(errQueue)
	}
}

func (w *Webhook) drop(why *failure) {
	w.count.disconnect.dropped.Add(1)
	w.complain.warn("webhook: something was not told", Disconnect, why)
}

// tell tells what is in the queue, and, when the Webhook is closed, what is left in it.
func (w *Webhook) tell() {
	for {
		select {
		case d := <-w.queue:
			w.deliver(d)
			continue
		case <-w.stop:
		}
		select {
		case d := <-w.queue:
			w.deliver(d)
		default:
			return
		}
	}
}

// deliver tells one thing, again and again within bounds.
func (w *Webhook) deliver(d *departure) {
	start := time.Now()
	n := &w.count.disconnect
	defer func() { n.latency.Add(int64(time.Since(start))) }()
	why := errClosed
	for i := range tellings {
		if w.ctx.Err() != nil {
			break
		}
		if i > 0 {
			n.retried.Add(1)
		}
		ctx, cancel := context.WithTimeout(w.ctx, w.set.Timeout)
		_, f := w.send(ctx, d)
		cancel()
		if f == nil {
			return
		}
		why = f
		wait := min(tellWait<<i, tellWaitMax)
		if f.hard && !patient(f.code) || i == tellings-1 || !pause(w.ctx, wait/2+rand.N(wait)) {
			break
		}
	}
	n.failed.Add(1)
	w.drop(why)
}

// patient reports whether a status of a refusal is for now.
func patient(code int) bool {
	return code == http.StatusRequestTimeout || code == http.StatusTooManyRequests
}
