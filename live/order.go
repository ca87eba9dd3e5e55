package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/tidewire/tidewire/live/protocol"
)

// order is what nodes tell each other to do.
type order struct {
	Do     string          `json:"do"`
	User   string          `json:"user"`
	Room   string          `json:"room,omitempty"`
	Type   string          `json:"type,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
	Reason string          `json:"reason,omitempty"`
}

// nodes is the topic to which all hubs listen.
const nodes = "nodes"

// signal gives an order to all nodes, this one included.
func (h *Hub) signal(o *order) error {
	if o.User == "" {
		return errors.New("live: a stranger cannot be addressed")
	}
	p, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("live: %w", err)
	}
	if err := h.broker.Signal(nodes, p); err != nil {
		return fmt.Errorf("live: %w", err)
	}
	return nil
}

// orders are those that are still to be carried out: in the order in which they came,
// by a goroutine that lives as long as there are any, as a broker waits for nobody.
type orders struct {
	mu    sync.Mutex
	waits []*order
	busy  bool
}

// maxOrders is how many orders wait. Those past it are lost, which is said in the log:
// they are promised at most once.
const maxOrders = 1 << 16

// listen hears the orders of all nodes.
func (h *Hub) listen() {
	h.hear(nodes, func(p []byte) {
		o := &order{}
		if err := json.Unmarshal(p, o); err != nil {
			h.logger().Error("live: another node said what is no order", "error", err)
			return
		}
		h.orders.mu.Lock()
		defer h.orders.mu.Unlock()
		if len(h.orders.waits) >= maxOrders {
			h.logger().Error("live: an order was lost: too many wait", "do", o.Do, "user", o.User)
			return
		}
		h.orders.waits = append(h.orders.waits, o)
		if !h.orders.busy {
			h.orders.busy = true
			go h.obey()
		}
	})
}

// hear listens to a topic for as long as the Hub lives.
func (h *Hub) hear(topic string, f func(p []byte)) {
	cancel, err := h.broker.Listen(topic, f)
	if err != nil {
		panic("live: NewHub: " + err.Error())
	}
	h.cancels = append(h.cancels, cancel)
}

// obey carries the orders out.
func (h *Hub) obey() {
	for {
		h.orders.mu.Lock()
		if len(h.orders.waits) == 0 {
			h.orders.waits, h.orders.busy = nil, false
			h.orders.mu.Unlock()
			return
		}
		o := h.orders.waits[0]
		h.orders.waits[0] = nil
		h.orders.waits = h.orders.waits[1:]
		h.orders.mu.Unlock()
		for _, s := range h.sessionsOf(o.User) {
			s.obey(o)
		}
	}
}

func (s *Session) obey(o *order) {
	switch o.Do {
	case "send":
		if data, err := protocol.Convert(o.Data, protocol.JSON, s.codec); err == nil {
			s.sendControl(&Message{Type: o.Type, Data: data, Codec: s.codec}, nil)
		}
	case "remove":
		s.Leave(o.Room, o.Reason)
	case "disconnect":
		s.Close(o.Reason)
	}
}
