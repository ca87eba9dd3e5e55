package live

import (
	"slices"
	"sync"
	"time"
)

// feed feeds those memberships of a session that are not live, one after the other,
// on a goroutine that lives as long as the connection takes something.
type feed struct {
	mu      sync.Mutex
	queue   []*member
	running bool
	again   bool // the connection has been drained
	retry   deadline
}

// add has a member fed.
func (f *feed) add(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.queue, m) {
		f.queue = append(f.queue, m)
	}
	f.start(m.s)
}

// wake goes on after the connection took everything.
func (f *feed) wake(s *Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.start(s)
}

func (f *feed) start(s *Session) {
	f.again = true
	if !f.running && len(f.queue) > 0 {
		f.running = true
		go f.run(s)
	}
}

// run feeds until the connection is full, or all are live.
func (f *feed) run(s *Session) {
	for {
		f.mu.Lock()
		if len(f.queue) == 0 || s.ended.Load() {
			f.queue, f.running = nil, false
			f.mu.Unlock()
			return
		}
		m := f.queue[0]
		f.again = false
		f.mu.Unlock()

		res := m.step()

		f.mu.Lock()
		i := slices.Index(f.queue, m)
		f.queue = slices.Delete(f.queue, i, i+1)
		if res != fedAll || f.again { // it may have fallen behind again meanwhile
			f.queue = append(f.queue, m)
		}
		if res == fedFull && !f.again {
			f.running = false
			f.mu.Unlock()
			return
		}
		if res == fedBroken {
			f.running = false
			f.mu.Unlock()
			s.hub.deadlines.set(&f.retry, time.Now().Add(100*time.Millisecond), func() { f.wake(s) })
			return
		}
		f.mu.Unlock()
	}
}
