package client

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

var errSilent = errors.New("server has been silent for too long")

// watchSilence drops a connection whose server stays silent, where ws cannot notice: in
// browsers. The clock decides, not the number of ticks: timers of hidden pages are late. c.mu is held.
func (l *link) watchSilence() {
	every := pingEvery
	if every <= 0 {
		return
	}
	wait := every
	l.silence = l.c.after(wait, func() {
		if l.over {
			return
		}
		if silent := time.Since(l.heard); silent >= 2*every {
			l.drop(errSilent, false)
			return
		}
		l.watchSilence()
	})
}

// Ping asks the server for an answer and returns how long that took. It fails with [ErrOffline] where there
// is no connection, and with [ErrUnknown] where that is lost meanwhile.
func (c *Client) Ping(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	done := make(chan error, 1)
	c.mu.Lock()
	l := c.link
	if l == nil || !l.ready || l.over {
		c.mu.Unlock()
		return 0, ErrOffline
	}
	l.ask(protocol.TypePing, "", protocol.Position{}, nil, func(_ *protocol.Message, err error) {
		if err != nil {
			err = unknown(err)
		}
		done <- err
	})
	over := l.over
	c.mu.Unlock()
	if over {
		return 0, ErrOffline
	}
	select {
	case err := <-done:
		return time.Since(start), err
	case <-c.done:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, wrap("ping", cause(ctx))
	}
}
