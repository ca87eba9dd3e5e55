package main

import (
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

// An accessLog logs who came and went, and what the API was asked. Of many it logs a share: a session that is in it with its beginning and its
// end.
type accessLog struct {
	log   *slog.Logger
	below uint64 // the hash of a session's id, or of a request's number
	seed  maphash.Seed
}

// newAccessLog returns one for a share from 0 to 1; nil for 0.
func newAccessLog(share float64, log *slog.Logger) *accessLog {
	if share == 0 {
		return nil
	}
	a := &accessLog{log: log, below: math.MaxUint64, seed: maphash.MakeSeed()}
	if share < 1 {
		a.below = uint64(share * math.MaxUint64)
	}
	return a
}

func (a *accessLog) has(id string) bool { return maphash.String(a.seed, id) <= a.below }

// hooks are for the hub whose sessions are logged; nil where none are.
func (a *accessLog) hooks() *live.Hooks {
	if a == nil {
		return nil
	}
	return &live.Hooks{
		Connected: func(s *live.Session) {
			if a.has(s.ID()) {
				a.log.Info("session began", "session", s.ID(), "remote", s.Conn().RemoteAddr().String(), "address", s.Address())
			}
		},
		Disconnected: func(s *live.Session, err error) {
			if a.has(s.ID()) {
				a.log.Info("session ended", "session", s.ID(), "user", s.User(), "remote", s.Conn().RemoteAddr().String(), "address", s.Address(),
					"after", time.Since(s.Began()).Round(time.Millisecond).String(), "code", int(ws.CloseStatus(err)))
			}
		},
	}
}

// requests logs what h is asked. What fails by the server's fault is always logged.
func (a *accessLog) requests(h http.Handler) http.Handler {
	if a == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		o := &outcome{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(o, r)
		if o.status >= http.StatusInternalServerError || a.has(fmt.Sprint(r.RemoteAddr, begun.UnixNano())) {
			a.log.Info("request", "method", r.Method, "path", r.URL.Path, "status", o.status, "remote", r.RemoteAddr, "took", time.Since(begun).Round(time.Microsecond).String())
		}
	})
}

// outcome remembers an answer's status.
type outcome struct {
	http.ResponseWriter
	status int
}

func (o *outcome) WriteHeader(status int) {
	o.status = status
	o.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (o *outcome) Unwrap() http.ResponseWriter { return o.ResponseWriter }
