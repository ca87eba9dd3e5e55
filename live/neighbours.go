package live

import (
	"sync"
	"time"
)

// neighbours is what a Hub knows of the nodes beside it, while it has rooms with presence.
type neighbours struct {
	node  string // this one
	timer deadline

	mu     sync.Mutex // guards what follows; the broker is not called with it held
	lives  uint64
	rooms  int
	others map[string]time.Time // when they were heard last
	beatAt time.Time
}

const (
	nodeBeat    = 2 * time.Second
	nodeSilence = 10 * time.Second // behind which who was on a node has left
	nodeTopic   = "presence"
)

// begin counts a room, and returns its life.
func (ns *neighbours) begin(h *Hub) uint64 {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.rooms++; ns.rooms == 1 {
		ns.others, ns.beatAt = map[string]time.Time{}, time.Now()
		h.deadlines.set(&ns.timer, ns.beatAt, h.beat)
	}
	ns.lives++
	return ns.lives
}

func (ns *neighbours) end() {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.rooms--
}

// heard notes that a node is there.
func (ns *neighbours) heard(node string) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.rooms > 0 && node != ns.node {
		ns.others[node] = time.Now()
	}
}

// beat tells the other nodes that this one is there, and has those leave whose node does
// not do so any more.
func (h *Hub) beat() {
	ns := &h.neighbours
	now := time.Now()
	var silent []string
	ns.mu.Lock()
	if ns.rooms == 0 {
		ns.mu.Unlock()
		return
	}
	asleep := now.Sub(ns.beatAt) > 2*nodeBeat // this node did not run: what it has not heard says nothing
	ns.beatAt = now
	for node, at := range ns.others {
		if asleep {
			ns.others[node] = now
		} else if now.Sub(at) > nodeSilence {
			delete(ns.others, node)
			silent = append(silent, node)
		}
	}
	ns.mu.Unlock()
	for _, node := range silent {
		left := 0
		h.rooms.each(func(r *room) {
			if r.crowd != nil {
				r.mu.Lock()
				if r.crowd.drop(node) {
					left++
					r.tendCrowd(now)
				}
				r.mu.Unlock()
			}
		})
		if left > 0 {
			h.logger().Warn("live: a node is silent: who was there has left", "node", node, "silence", nodeSilence, "rooms", left)
		}
	}
	h.broker.Signal(nodeTopic, []byte(ns.node)) // one that is lost is made up for by the next
	h.deadlines.set(&ns.timer, now.Add(nodeBeat), h.beat)
}
