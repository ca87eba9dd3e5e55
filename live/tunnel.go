package live

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// relay brings posts of tunnels to the nodes whose they are, and their answers back.
type relay struct {
	hub *Hub

	mu    sync.Mutex // guards what follows
	last  uint64
	waits map[uint64]chan int
	busy  int // posts of other nodes that are being taken
}

const (
	relayTimeout = 5 * time.Second
	maxRelayed   = 1024 // at once, from this node, and to it
)

// relayed is a post, or, with a Status, the answer to one.
type relayed struct {
	ID     uint64 `json:"id"`
	From   string `json:"from,omitempty"` // the node that wants the answer
	Secret string `json:"secret,omitempty"`
	N      uint64 `json:"n,omitempty"`
	Body   []byte `json:"body,omitempty"`
	Status int    `json:"status,omitempty"`
}

func relayTopic(node string) string { return "tunnel:" + node }

// openTunnel prepares the tunnel that stands beside the WebSocket door.
func (h *Hub) openTunnel() {
	h.tunnel.Next = &h.server
	h.tunnel.MaxPost = max(h.set.Accept.MaxMessage, 0) + 128<<10
	h.tunnel.Node = h.neighbours.node
	h.server.HTTP = http.HandlerFunc(h.plain)
	if h.distributed() && !h.set.NoTunnel {
		h.relay.hub = h
		h.tunnel.Forward = h.relay.forward
		h.hear(relayTopic(h.neighbours.node), h.relay.hear)
	}
}

// plain serves a request that is no WebSocket handshake.
func (h *Hub) plain(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && !h.set.NoTunnel {
		h.tunnel.ServeHTTP(w, r)
		return
	}
	ws.Accept(w, r, &h.set.Accept) // refuses it, and says why
}

// forward brings a post to its node, and waits for the answer.
func (y *relay) forward(ctx context.Context, secret string, n uint64, body []byte) (status int) {
	answer := make(chan int, 1)
	y.mu.Lock()
	if len(y.waits) >= maxRelayed {
		y.mu.Unlock()
		return http.StatusServiceUnavailable
	}
	y.last++
	id := y.last
	if y.waits == nil {
		y.waits = map[uint64]chan int{}
	}
	y.waits[id] = answer
	y.mu.Unlock()
	defer func() {
		y.mu.Lock()
		delete(y.waits, id)
		y.mu.Unlock()
	}()
	node, _, _ := strings.Cut(secret, ".")
	if !y.send(node, &relayed{ID: id, From: y.hub.neighbours.node, Secret: secret, N: n, Body: body}) {
		return http.StatusServiceUnavailable
	}
	timer := time.NewTimer(relayTimeout)
	defer timer.Stop()
	select {
	case status := <-answer:
		return status
	case <-timer.C:
	case <-ctx.Done():
	}
	return http.StatusServiceUnavailable
}

func (y *relay) send(node string, m *relayed) bool {
	p, err := json.Marshal(m)
	return err == nil && y.hub.broker.Signal(relayTopic(node), p) == nil
}

// hear takes what another node has sent. The broker does not wait for it.
func (y *relay) hear(p []byte) {
	var m relayed
	if err := json.Unmarshal(p, &m); err != nil {
		y.hub.logger().Error("live: another node said of a tunnel what cannot be read", "error", err)
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if m.Status != 0 {
		if answer := y.waits[m.ID]; answer != nil {
			select {
			case answer <- m.Status:
			default:
			}
		}
		return
	}
	if y.busy >= maxRelayed {
		return // the client sends it again
	}
	y.busy++
	go func() {
		status := y.hub.tunnel.Post(m.Secret, m.N, m.Body)
		y.mu.Lock()
		y.busy--
		y.mu.Unlock()
		y.send(m.From, &relayed{ID: m.ID, Status: status})
	}()
}
