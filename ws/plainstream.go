//go:build !js

package ws

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// plainStream gives a stream without deadlines the reading half of a net.Conn.
// One goroutine reads ahead, at most one buffer; it ends with the stream.
type plainStream struct {
	io.ReadWriteCloser

	mu       sync.Mutex
	ready    []byte
	err      error
	started  bool
	closed   bool
	deadline time.Time
	timer    *time.Timer
	changed  chan struct{} // closed and replaced when any of the above changes
}

func newPlainStream(s io.ReadWriteCloser) *plainStream {
	return &plainStream{ReadWriteCloser: s, changed: make(chan struct{})}
}

// note wakes everyone who waits. Called with mu held.
func (s *plainStream) note() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait lets mu go until something changes.
func (s *plainStream) wait() {
	ch := s.changed
	s.mu.Unlock()
	<-ch
	s.mu.Lock()
}

// pump is the reading goroutine.
func (s *plainStream) pump() {
	b := make([]byte, smallBuffer)
	for idle := 0; ; {
		n, err := s.ReadWriteCloser.Read(b)
		if idle++; n > 0 {
			idle = 0
		} else if idle > 100 && err == nil {
			err = io.ErrNoProgress
		}
		s.mu.Lock()
		s.ready, s.err = b[:n], err
		s.note()
		for len(s.ready) > 0 && !s.closed {
			s.wait()
		}
		over := s.closed || s.err != nil
		s.mu.Unlock()
		if over {
			return
		}
	}
}

func (s *plainStream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		s.started = true
		go s.pump()
	}
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case !s.deadline.IsZero() && !time.Now().Before(s.deadline):
			return 0, os.ErrDeadlineExceeded
		case len(s.ready) > 0:
			n := copy(p, s.ready)
			s.ready = s.ready[n:]
			if len(s.ready) == 0 {
				s.note()
			}
			return n, nil
		case s.err != nil:
			return 0, s.err
		}
		s.wait()
	}
}

func (s *plainStream) Close() error {
	s.mu.Lock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.note()
	s.mu.Unlock()
	return s.ReadWriteCloser.Close()
}

// CloseWrite ends the writing half, where the stream can.
func (s *plainStream) CloseWrite() error {
	if hc, ok := s.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return hc.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (s *plainStream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.deadline = t
	if d := time.Until(t); !t.IsZero() && d > 0 && !s.closed {
		s.timer = time.AfterFunc(d, func() {
			s.mu.Lock()
			s.note()
			s.mu.Unlock()
		})
	}
	s.note()
	return nil
}

// SetWriteDeadline does nothing: a Conn never interrupts a write here.
func (s *plainStream) SetWriteDeadline(time.Time) error { return nil }

func (s *plainStream) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }

func (s *plainStream) LocalAddr() net.Addr  { return plainAddr{} }
func (s *plainStream) RemoteAddr() net.Addr { return plainAddr{} }

// plainAddr stands for the address of a stream that has none.
type plainAddr struct{}

func (plainAddr) Network() string { return "stream" }
func (plainAddr) String() string  { return "stream" }
