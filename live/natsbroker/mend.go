package natsbroker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A NATS server that cannot write, as the disk is full, stores nothing more, also when it could: until somebody starts it anew.
// That is done here, once a file can be written again.

const (
	mendEvery = time.Second
	mendMost  = time.Minute // between attempts
	mendRoom  = 16 << 20    // bytes that must be free: two blocks of a stream
	roomFile  = "room"      // to find that out
)

// mend starts the server anew where it stores no more and could, until the Server is closed.
func (s *Server) mend() {
	wait := mendEvery
	for told := false; ; {
		select {
		case <-s.closing:
			return
		case <-time.After(wait):
		}
		why := s.broken()
		if why == "" {
			wait, told = mendEvery, false
			continue
		}
		if !told {
			told = true
			s.log.Error("natsbroker: the server stores nothing more; it is started anew when there is room", "dir", s.set.Dir, "error", why)
		}
		if err := s.room(); err != nil {
			continue
		}
		s.end()
		if err := s.start(); err != nil {
			s.log.Error("natsbroker: the server stored no more, and does not start", "dir", s.set.Dir, "error", err)
		} else {
			s.log.Warn("natsbroker: the server stored no more, and was started anew", "dir", s.set.Dir)
		}
		wait = min(2*wait, mendMost) // a disk that is full at once again
	}
}

// broken says why the server stores nothing more, or "".
func (s *Server) broken() string {
	ns := s.ns.Load()
	if !ns.JetStreamEnabled() {
		return "JetStream is disabled"
	}
	for _, e := range ns.Healthz(&server.HealthzOptions{Details: true}).Errors {
		if strings.Contains(e.Error, "write error") {
			return e.Error
		}
	}
	return ""
}

// room reports whether the folder takes mendRoom bytes. It does not take the last ones: others may use the disk.
func (s *Server) room() error {
	if free, ok := diskFree(s.set.Dir); ok && free < mendRoom {
		return errors.New("there is no room")
	}
	f, err := os.Create(filepath.Join(s.set.Dir, roomFile))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	p := make([]byte, 1<<20)
	for n := 0; n < mendRoom && err == nil; n += len(p) {
		_, err = f.Write(p)
	}
	return errors.Join(err, f.Sync(), f.Close())
}
