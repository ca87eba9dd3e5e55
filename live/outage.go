package live

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tidewire/tidewire/live/protocol"
)

// outage is whether the broker cannot store messages. Sessions are told when that changes.
type outage struct {
	on atomic.Bool

	mu      sync.Mutex // guards what follows
	telling bool
	again   bool
}

// available hears from the broker whether it can store messages.
func (h *Hub) available(ok bool) {
	o := &h.outage
	if o.on.Swap(!ok) == !ok {
		return
	}
	if ok {
		h.logger().Info("live: messages can be stored again")
	} else {
		h.logger().Error("live: messages cannot be stored: sessions are told $degraded")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.again = true
	if !o.telling {
		o.telling = true
		go h.tellOutage()
	}
}

// tellOutage tells all sessions, until there is nothing new to tell.
func (h *Hub) tellOutage() {
	o := &h.outage
	for {
		o.mu.Lock()
		o.telling, o.again = o.again, false
		over := !o.telling
		o.mu.Unlock()
		if over {
			return
		}
		h.mu.Lock()
		all := slices.Collect(maps.Keys(h.sessions))
		h.mu.Unlock()
		for _, s := range all {
			s.out.tellOutage(s)
		}
	}
}

// tellOutage tells the session what it has not been told yet. The outbox's lock keeps
// what is told in its order.
func (o *outbox) tellOutage(s *Session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	on := s.hub.outage.on.Load()
	if o.outage == on {
		return
	}
	o.outage = on
	var d protocol.Degraded
	if on {
		d.Rooms = "stored"
	}
	if p, err := s.encode(&Message{Type: protocol.TypeDegraded}, d); err == nil {
		o.put(s, p)
	}
}
