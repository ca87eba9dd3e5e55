package conformance

import (
	"context"
	"errors"
	"strings"
)

// Probe makes one plain handshake with the server at a ws, wss, http or https
// URL, so that a wrong address is told at once and not by every case. It returns
// nil if the server switches protocols, whatever else is wrong with its answer; that is
// what the cases are for.
func (r *Runner) Probe(ctx context.Context, target string) error {
	run := r.newRun()
	if err := run.aim(target); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	res, _ := run.play(ctx, &Case{ID: "-", manual: true, play: func(s *session) {
		s.dial()
		d := s.draft()
		s.request = head{raw: d.bytes()}
		s.raw(s.request.raw, "handshake")
		err := s.readAnswer()
		switch code := s.response.status(); {
		case code == 101:
		case len(s.response.raw) > 0:
			s.failf("it answered the handshake with %q%s", firstLine(s.response.raw), statusHint(code))
		case isTimeout(err), s.ctx.Err() != nil:
			s.failf("it did not answer the handshake within %v", r.patience())
		default:
			s.failf("it did not answer the handshake: %s", reading(err))
		}
	}}, Server, nil)
	if res.Verdict != Pass {
		return errors.New("conformance: " + target + ": " + strings.TrimSpace(res.Reason))
	}
	return nil
}

// statusHint says what a status tends to mean for a WebSocket endpoint.
func statusHint(code int) string {
	switch code {
	case 200, 404:
		return ": is the path right?"
	case 301, 302, 303, 307, 308:
		return ": is the scheme (ws, wss) right?"
	case 401, 403:
		return ": it may want a header (a token, an Origin)"
	}
	return ""
}
