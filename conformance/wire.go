package conformance

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is a connection that knows when bytes last moved on it.
type wire struct {
	net.Conn
	last atomic.Int64 // nanoseconds since the epoch

	// How long a write may take, and when the case is over; no bounds if patience is 0.
	patience time.Duration
	deadline time.Time

	greeting bool // a handshake is being read: no read takes longer than patience
}

func newWire(c net.Conn) *wire {
	w := &wire{Conn: c}
	w.touch()
	return w
}

func (w *wire) touch() { w.last.Store(time.Now().UnixNano()) }

func (w *wire) idle() time.Duration { return time.Duration(time.Now().UnixNano() - w.last.Load()) }

func (w *wire) Read(p []byte) (int, error) {
	if w.greeting {
		w.SetReadDeadline(w.until())
	}
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.touch()
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	if w.patience > 0 {
		w.SetWriteDeadline(w.until())
	}
	n, err := w.Conn.Write(p)
	if n > 0 {
		w.touch()
	}
	return n, err
}

// until is when patience is over that begins now.
func (w *wire) until() time.Time {
	until := time.Now().Add(w.patience)
	if !w.deadline.IsZero() && w.deadline.Before(until) {
		return w.deadline
	}
	return until
}

// closeWrite ends the sending direction; false if the transport cannot.
func (w *wire) closeWrite() bool {
	c, ok := w.Conn.(interface{ CloseWrite() error })
	return ok && c.CloseWrite() == nil
}

// arrival is a frame, or the error that ended the reading.
type arrival struct {
	frame frame
	err   error
}

// inbox is what the reading goroutine has read and the case has not looked at.
// Its size is bounded by Runner.MaxBytes, which counts for each frame a
// little more than its payload.
type inbox struct {
	mu    sync.Mutex
	queue []arrival
	bell  chan struct{} // holds one token while the queue may be non-empty
}

func (in *inbox) put(a arrival) {
	in.mu.Lock()
	in.queue = append(in.queue, a)
	in.mu.Unlock()
	select {
	case in.bell <- struct{}{}:
	default:
	}
}

func (in *inbox) take() (arrival, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.queue) == 0 {
		return arrival{}, false
	}
	a := in.queue[0]
	in.queue[0] = arrival{}
	in.queue = in.queue[1:]
	return a, true
}

func (in *inbox) empty() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.queue) == 0
}

// frameCost is what a frame counts against MaxBytes beside its payload.
const frameCost = 64

// readFrames fills the inbox until the connection ends, which it does itself when
// the peer sends too much: a case may be writing to a peer that reads nothing. It closes done.
func readFrames(r *bufio.Reader, c io.Closer, in *inbox, log *transcript, maxBytes int64, done chan<- struct{}) {
	defer close(done)
	left := maxBytes
	allow := func(n uint64) bool {
		if n > uint64(left) {
			return false
		}
		left -= int64(n)
		return true
	}
	var wire []byte
	for {
		f, err := readFrame(r, allow, &wire)
		if err == nil && !allow(frameCost) {
			err = errTooMuch
		}
		if err != nil {
			if len(wire) > 0 {
				log.add(Received, len(wire), wire, "part of a frame")
			}
			log.add(Received, 0, nil, "end of stream: "+err.Error())
			in.put(arrival{err: err})
			if errors.Is(err, errTooMuch) {
				c.Close()
			}
			return
		}
		log.addFrame(Received, len(wire)+max(0, len(f.payload)-keptBytes), wire, &f)
		in.put(arrival{frame: f})
	}
}
