package wstest

import (
	"io"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
)

// defaultBuffer is what one direction holds unless PipeOptions.Buffer says so.
const defaultBuffer = 64 << 10

// stream is one direction of a pipe: a bounded ring of bytes, the ways in which
// it can end, and its faults. mu is held for moments only; whoever has to wait
// does so on a condition, which a synctest bubble counts as durably blocked.
type stream struct {
	mu       sync.Mutex
	readable sync.Cond
	writable sync.Cond
	back     *stream // the other direction
	reading  int     // goroutines that wait for readable
	waiting  int     // goroutines that wait for writable
	writing  bool    // a Write is half done; others wait, so that writes stay whole

	ring  []byte
	head  int // index of the oldest byte
	n     int // bytes buffered
	limit int

	noRead  error // reads fail with this, whatever is buffered
	drained error // reads fail with this when nothing is buffered
	noWrite error // writes fail with this
	refuse  bool  // the reader has closed: the next write resets, as in TCP

	rdl, wdl deadline

	faults   Faults
	plainIn  bool  // neither faults nor a tap have to do with writes
	plainOut bool  // no faults have to do with reads
	seen     int64 // bytes accepted since the faults were set
	ready    int   // bytes left of the chunk that is being read
	pace     alarm // until the next chunk is ready

	reads, writes     int64
	bytesIn, bytesOut int64
	tap               func([]byte)
}

func (s *stream) init(back *stream, o *PipeOptions) {
	s.readable.L, s.writable.L = &s.mu, &s.mu
	s.back = back
	s.limit = o.Buffer
	if s.limit <= 0 {
		s.limit = defaultBuffer
	}
	s.tap = o.Tap
	s.rdl.alarm = alarm{mu: &s.mu, ring: func() { s.rdl.passed = true; s.readable.Broadcast() }}
	s.wdl.alarm = alarm{mu: &s.mu, ring: func() { s.wdl.passed = true; s.writable.Broadcast() }}
	s.pace = alarm{mu: &s.mu, ring: func() { s.nextChunk(); s.readable.Broadcast() }}
}

// read is Read for the end that receives.
func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	if end := s.head + s.n; s.plainOut && s.n > 0 && end <= len(s.ring) && s.noRead == nil && !s.rdl.passed {
		// The common case, without calls: most of what is left is the mutex.
		k := copy(p, s.ring[s.head:end])
		s.head += k
		if s.n -= k; s.n == 0 {
			s.head = 0
		}
		s.reads++
		s.bytesOut += int64(k)
		wake := s.waiting > 0
		s.mu.Unlock()
		if wake {
			s.writable.Broadcast()
		}
		return k, nil
	}
	for {
		if s.noRead != nil || s.rdl.passed || len(p) == 0 {
			err := s.noRead
			if err == nil && s.rdl.passed {
				err = os.ErrDeadlineExceeded
			}
			s.mu.Unlock()
			return 0, err
		}
		if k := s.deliverable(); k > 0 {
			k = s.take(p[:min(k, len(p))])
			wake := s.waiting > 0
			s.mu.Unlock()
			if wake {
				s.writable.Broadcast()
			}
			return k, nil
		}
		if s.n == 0 && s.drained != nil && !s.faults.Stall {
			err := s.drained
			s.mu.Unlock()
			return 0, err
		}
		s.reading++
		s.readable.Wait()
		s.reading--
	}
}

// deliverable is how many bytes a read may take now.
func (s *stream) deliverable() int {
	if s.n == 0 || s.faults.Stall {
		return 0
	}
	if !s.faults.paced() {
		return s.n
	}
	if s.ready == 0 && s.faults.Delay <= 0 {
		s.nextChunk()
	}
	return s.ready
}

func (s *stream) nextChunk() {
	if s.n > 0 {
		s.ready = s.faults.chunk(s.n)
	}
}

// keepPace arms the timer when a delayed chunk is due to travel.
func (s *stream) keepPace() {
	if s.faults.Delay > 0 && s.n > 0 && s.ready == 0 && !s.pace.armed() {
		s.pace.set(s.faults.Delay)
	}
}

func (s *stream) take(p []byte) int {
	k := copy(p, s.ring[s.head:min(s.head+s.n, len(s.ring))])
	if k < len(p) {
		k += copy(p[k:], s.ring)
	}
	s.reads++
	s.bytesOut += int64(k)
	s.n -= k
	if s.n == 0 {
		s.head = 0
	} else if s.head += k; s.head >= len(s.ring) {
		s.head -= len(s.ring)
	}
	if s.ready > 0 {
		s.ready -= k
		s.keepPace()
	}
	return k
}

// write is Write for the end that sends.
func (s *stream) write(p []byte) (done int, err error) {
	s.mu.Lock()
	if tail := s.head + s.n; s.plainIn && tail+len(p) <= len(s.ring) && s.noWrite == nil && !s.wdl.passed && !s.writing {
		// The common case again. The ring is never longer than the limit.
		copy(s.ring[tail:], p)
		s.n += len(p)
		s.writes++
		s.seen += int64(len(p))
		s.bytesIn += int64(len(p))
		wake := s.reading > 0
		s.mu.Unlock()
		if wake {
			s.readable.Broadcast()
		}
		return len(p), nil
	}
	reset := false   // the connection is to be broken
	refused := false // by the peer, and what it had sent is lost
	mine := false    // this call has made writing true
	for {
		switch {
		case s.refuse:
			// The peer's kernel answers bytes for a closed socket with RST: the
			// write that provokes it succeeds.
			s.refuse = false
			done, reset, refused = len(p), true, true
		case s.noWrite != nil:
			err = s.noWrite
		case s.wdl.passed:
			err = os.ErrDeadlineExceeded
		case s.writing && !mine:
			s.wait()
			continue
		default:
			var k int
			k, reset = s.accept(p[done:])
			done += k
		}
		if done == len(p) || err != nil {
			break
		}
		if reset || s.noWrite != nil {
			continue // cut in the middle: the next round has the error
		}
		mine, s.writing = true, true
		s.wait()
	}
	if mine {
		s.writing = false
		s.writable.Broadcast()
	}
	s.writes++
	wake := s.reading > 0
	s.mu.Unlock()
	if wake {
		s.readable.Broadcast()
	}
	if reset {
		s.broken(false)
		s.back.broken(refused)
	}
	return done, err
}

// wait sleeps until something changes for writers. Readers learn first of what
// this write has left so far.
func (s *stream) wait() {
	if s.reading > 0 {
		s.readable.Broadcast()
	}
	s.waiting++
	s.writable.Wait()
	s.waiting--
}

// accept takes as much of p as fits now. reset says that a cut wants the
// connection broken, which the caller does when it has let go of mu.
func (s *stream) accept(p []byte) (k int, reset bool) {
	left := int64(math.MaxInt64)
	if s.faults.Cut != CutNone {
		left = s.faults.After - s.seen
		if s.faults.Cut == CutDrop && left <= 0 {
			s.count(p)
			return len(p), false
		}
	}
	k = int(min(int64(min(len(p), s.limit-s.n)), left))
	if k == 0 {
		return 0, false
	}
	s.count(p[:k])
	s.put(p[:k])
	s.keepPace()
	if int64(k) < left {
		return k, false
	}
	if s.faults.Cut == CutDrop {
		s.count(p[k:])
		return len(p), false
	}
	return k, s.cut()
}

// count has the tap see bytes as they were written.
func (s *stream) count(p []byte) {
	if s.tap != nil {
		s.tap(p)
	}
	s.bytesIn += int64(len(p))
	s.seen += int64(len(p))
}

func (s *stream) put(p []byte) {
	if need := s.n + len(p); need > len(s.ring) {
		s.grow(need)
	}
	tail := s.head + s.n
	if tail >= len(s.ring) {
		tail -= len(s.ring)
	}
	k := copy(s.ring[tail:], p)
	copy(s.ring, p[k:])
	if f := s.faults.Corrupt; f != nil {
		off := s.seen - int64(len(p))
		f(off, s.ring[tail:tail+k])
		if k < len(p) {
			f(off+int64(k), s.ring[:len(p)-k])
		}
	}
	s.n += len(p)
}

func (s *stream) grow(need int) {
	ring := make([]byte, min(max(1024, need, 2*len(s.ring)), s.limit))
	k := copy(ring, s.ring[s.head:min(s.head+s.n, len(s.ring))])
	copy(ring[k:s.n], s.ring)
	s.ring, s.head = ring, 0
}

// cut does what Faults.Cut asks for, as far as this direction goes.
func (s *stream) cut() (reset bool) {
	switch s.faults.Cut {
	case CutReset:
		s.end(syscall.ECONNRESET, syscall.ECONNRESET)
		return true
	case CutClose:
		s.end(io.EOF, syscall.EPIPE)
	}
	return false
}

// end lets the reader have what is buffered and then drained; writers get
// noWrite. What has ended before keeps its first reason.
func (s *stream) end(drained, noWrite error) {
	if s.drained == nil {
		s.drained = drained
	}
	if s.noWrite == nil {
		s.noWrite = noWrite
	}
	s.wakeAll()
}

// broken is a reset of the connection as this direction sees it. now also loses
// what is buffered.
func (s *stream) broken(now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noWrite != net.ErrClosed {
		s.noWrite = syscall.ECONNRESET
	}
	s.refuse = false
	if s.drained == nil || now {
		s.drained = syscall.ECONNRESET
	}
	if now {
		s.lose(syscall.ECONNRESET)
	}
	s.wakeAll()
}

// lose throws away what is buffered; reads fail with err from now on, if they
// did not already.
func (s *stream) lose(err error) {
	if s.noRead == nil {
		s.noRead = err
	}
	s.ring, s.head, s.n, s.ready = nil, 0, 0, 0
	s.pace.clear()
}

func (s *stream) wakeAll() {
	s.readable.Broadcast()
	s.writable.Broadcast()
}

func (s *stream) setFaults(f Faults) {
	s.mu.Lock()
	s.faults, s.seen, s.ready = f, 0, 0
	s.plainIn = f.Cut == CutNone && f.Corrupt == nil && f.Delay <= 0 && s.tap == nil
	s.plainOut = !f.Stall && !f.paced()
	s.pace.clear()
	s.keepPace()
	reset := f.After <= 0 && s.cut()
	s.wakeAll()
	s.mu.Unlock()
	if reset {
		s.back.broken(false)
	}
}

// blocked is how many calls wait in this direction.
func (s *stream) blocked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading + s.waiting
}
