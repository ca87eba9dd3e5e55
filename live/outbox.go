package live

import (
	"context"
	"errors"
	"sync"

	"github.com/tidewire/tidewire/ws"
)

// outbox holds replies and other messages of the protocol that find the connection's
// queue full: they are never dropped. Past Limits.ReplyBytes the session is closed.
type outbox struct {
	mu    sync.Mutex
	waits [][]byte
	bytes int

	outage bool // as the session was told last
}

// send sends a message, or keeps it until the queue has room.
func (o *outbox) send(s *Session, p []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.put(s, p)
}

// put is send. Called with mu held.
func (o *outbox) put(s *Session, p []byte) error {
	if len(o.waits) == 0 {
		err := o.write(s, p)
		if !errors.Is(err, ws.ErrQueueFull) {
			return err
		}
	}
	if o.bytes += len(p); o.bytes > s.hub.set.Limits.ReplyBytes && len(o.waits) > 0 { // one alone may be larger
		s.conn.Close(ws.StatusTryAgainLater, "too many replies wait (live.Limits.ReplyBytes)")
		return ws.ErrQueueFull
	}
	o.waits = append(o.waits, p)
	return nil
}

func (o *outbox) write(s *Session, p []byte) error {
	err := s.conn.Write(context.Background(), typeOf(s.codec), p)
	if err == nil {
		s.hub.traffic.out.add(1, len(p))
	}
	return err
}

// size is how many bytes wait.
func (o *outbox) size() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}

// drain sends what waits, and reports whether nothing does any more.
func (o *outbox) drain(s *Session) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.waits) > 0 {
		p := o.waits[0]
		if errors.Is(o.write(s, p), ws.ErrQueueFull) {
			return false
		}
		o.waits[0] = nil
		o.waits = o.waits[1:]
		o.bytes -= len(p)
	}
	o.waits = nil
	return true
}

// offer sends a message if nothing waits and the queue has room.
func (o *outbox) offer(s *Session, m *ws.Prepared) (sent bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waits) > 0 {
		return false, nil
	}
	err = s.conn.WritePrepared(context.Background(), m)
	if errors.Is(err, ws.ErrQueueFull) {
		return false, nil
	}
	if err == nil {
		s.hub.traffic.out.add(1, m.Len())
	}
	return err == nil, err
}
