package load

import (
	"fmt"
	"sync"
)

// fan is the traffic of a fan-out: messages of one sender, which every connection
// gets.
type fan struct {
	mu    sync.Mutex
	from  *peer
	ring  []broadcast
	total stamp // messages sent
	alive map[*peer]bool
}

// fanWindow bounds the messages that are on their way to somebody, in a closed loop.
const fanWindow = 256

type broadcast struct {
	sent
	left int // connections that lack it
}

// message is what the connection that has had n messages gets next.
func (f *fan) message(n stamp) (sent, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n >= f.total {
		return sent{}, false
	}
	return f.ring[n%stamp(len(f.ring))].sent, true
}

// delivered notes that one more connection has a message, and returns 1 if it was
// the last one.
func (f *fan) delivered(n stamp) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.drop(n)
}

func (f *fan) drop(n stamp) int {
	b := &f.ring[n%stamp(len(f.ring))]
	if b.left--; b.left == 0 {
		return 1
	}
	return 0
}

// publish sends so many messages. In a closed loop they are due now, and due is 0.
func (f *fan) publish(r *run, n int, due int64) {
	from := f.from
	from.mu.Lock()
	defer from.mu.Unlock()
	for range n {
		if from.over || from.ending || !r.sending.Load() {
			break
		}
		f.mu.Lock()
		place := &f.ring[f.total%stamp(len(f.ring))]
		if place.left > 0 {
			f.mu.Unlock()
			from.fail(fmt.Sprintf("%d messages had not come to everybody", len(f.ring)))
			return
		}
		m := from.choose()
		now := r.now()
		if due == 0 {
			due = now
		}
		*place = broadcast{sent{m, f.total, due, now}, len(f.alive)}
		f.total++
		f.mu.Unlock()
		from.queue(m, now)
	}
	from.flush()
}

// orphaned tells whether the sender has gone.
func (f *fan) orphaned() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.alive[f.from]
}

func (f *fan) join(p *peer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alive[p] = true
}

// leave takes a connection out that has had n messages. free is how many messages nobody
// lacks any more; last tells that it was the sender, after whom no more will come.
func (f *fan) leave(p *peer, n stamp) (free int, last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.alive[p] {
		return 0, false
	}
	delete(f.alive, p)
	for ; n < f.total; n++ {
		free += f.drop(n)
	}
	return free, p == f.from
}

// appoint makes the first connection that is still there the sender.
func (f *fan) appoint(peers []*peer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range peers {
		if f.alive[p] {
			f.from = p
			return
		}
	}
}

// pending is how many deliveries are still to come.
func (f *fan) pending() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for i := range f.ring {
		n += f.ring[i].left
	}
	return n
}
