package natsbroker

import (
	"context"
	"sync"

	"github.com/tidewire/tidewire/live"
)

// A fence is an empty message: what was acknowledged before it was published stands before it, and a replica that has
// it has all of that. It is how a read knows that it is not stale, and a node that a stream takes messages. All who want one
// at the same time share it.
type fences struct {
	mu   sync.Mutex // guards what follows
	busy bool
	next *fence
}

type fence struct {
	done chan struct{}
	seq  uint64 // behind done, like err
	err  error
}

// fenceKey is the room of fences: no room is named like that.
const fenceKey = "$f"

// fence stores one that begins behind the call, and returns its sequence number.
func (s *stream) fence(ctx context.Context) (uint64, error) {
	f := &s.fences
	f.mu.Lock()
	mine := f.next
	if mine == nil {
		mine = &fence{done: make(chan struct{})}
		f.next = mine
	}
	if !f.busy {
		f.busy = true
		s.raise()
	}
	f.mu.Unlock()
	select {
	case <-mine.done:
		return mine.seq, mine.err
	case <-ctx.Done():
		return 0, unavailable(ctx.Err())
	}
}

// raise stores the fence that is wanted. Called with the lock held.
func (s *stream) raise() {
	f := &s.fences
	mine := f.next
	f.next = nil
	s.send(&flight{subject: s.prefix + fenceKey, fence: true, done: func(st live.Stored, err error) {
		mine.seq, mine.err = st.Pos.Seq, err
		close(mine.done)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.busy = f.next != nil; f.busy {
			go func() {
				f.mu.Lock()
				defer f.mu.Unlock()
				s.raise()
			}()
		}
	}})
}
