package ws

import "sync"

// defaultBudget is what the connections of a process may hold together.
const defaultBudget = 1 << 30

// Budget bounds the bytes that its connections hold together: messages being
// assembled or inflated, compression windows, and write queues. When it runs
// out, the connection that holds most is closed with 1013, so that one hoarder
// makes room for the many.
type Budget struct {
	mu    sync.Mutex
	limit int64
	used  int64
	held  map[*Conn]int64
}

var processBudget = NewBudget(defaultBudget)

// NewBudget returns a Budget of that many bytes. The budget of the process, which
// a nil *Budget in [ConnOptions] stands for, has 1 GiB.
func NewBudget(bytes int64) *Budget {
	return &Budget{limit: bytes, held: map[*Conn]int64{}}
}

// Used returns the bytes held now.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// add counts n more bytes for c, or fewer, and reports whether the budget is
// exceeded.
func (b *Budget) add(c *Conn, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, ok := b.held[c]
	if !ok && (n <= 0 || c.ended.Load() != nil) {
		// A connection that was evicted has been written off already: what it
		// still gives back must not count twice.
		return false
	}
	n = max(n, -h)
	b.used += n
	if h += n; h == 0 {
		delete(b.held, c)
	} else {
		b.held[c] = h
	}
	return n > 0 && b.used > b.limit
}

// evict closes the connections that hold most until the rest fits.
func (b *Budget) evict() {
	for {
		var most *Conn
		b.mu.Lock()
		if b.used > b.limit {
			for c, h := range b.held {
				if most == nil || h > b.held[most] {
					most = c
				}
			}
		}
		if most != nil {
			b.used -= b.held[most]
			delete(b.held, most)
		}
		b.mu.Unlock()
		if most == nil {
			return
		}
		most.logger().Warn("websocket closed: memory budget exhausted", "remote", most.RemoteAddr())
		most.refuse(StatusTryAgainLater, ErrBudget)
	}
}

// hold counts n bytes that the reader takes. It fails when that ended this very
// connection.
func (c *Conn) hold(n int) error {
	if c.set.Budget.add(c, int64(n)) {
		c.set.Budget.evict()
	}
	if ce := c.ended.Load(); ce != nil {
		c.unhold(n)
		return ce
	}
	return nil
}

func (c *Conn) unhold(n int) { c.set.Budget.add(c, -int64(n)) }
