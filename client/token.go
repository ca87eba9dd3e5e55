package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// maxRenewals is how many attempts at a $refresh may fail before the connection is given up for a new one.
const maxRenewals = 5

var errTokenPanicked = errors.New("Options.Token panicked")

// askToken asks the application for a token, if it has them. c.mu is not held.
func (c *Client) askToken(why Reason) (token string, err error) {
	if c.o.Token == nil {
		return "", nil
	}
	select {
	case c.token <- struct{}{}:
		defer func() { <-c.token }()
	case <-c.ctx.Done():
		return "", c.ctx.Err()
	}
	return c.tokenFrom(func(ctx context.Context) (string, error) { return c.o.Token(ctx, why) })
}

// tokenFrom calls a function of the application's that returns a token.
func (c *Client) tokenFrom(f func(context.Context) (string, error)) (token string, err error) {
	ctx, cancel := c.timeout(c.callbackCtx)
	defer cancel()
	err = errTokenPanicked
	c.guard(func() { token, err = f(ctx) })
	if err == nil && token != "" {
		if e := protocol.CheckToken(token); e != nil {
			err = e
		}
	}
	return token, err
}

// planRenewal plans the next $refresh, when 80 % of the identity's time have passed. c.mu is held.
func (c *Client) planRenewal(l *link, ttl int64) {
	stop(c.renew)
	if ttl <= 0 || c.o.Token == nil {
		return
	}
	d := time.Duration(min(ttl, 1<<40)) * time.Millisecond
	c.renew = c.after(d/5*4, func() { c.refresh(l, Expiry) })
}

// refresh brings a new token. c.mu is held.
func (c *Client) refresh(l *link, why Reason) {
	if c.refreshing || c.link != l || l.over {
		return
	}
	c.refreshing = true
	stop(c.renew)
	c.spawn(func() {
		token, err := c.askToken(why)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.link != l || l.over {
			return
		}
		if err != nil {
			c.renewalFailed(l, why, fmt.Errorf("token: %w", err))
			return
		}
		l.ask(protocol.TypeRefresh, "", protocol.Position{}, protocol.Refresh{Token: token}, func(m *protocol.Message, err error) {
			if err == nil {
				c.refreshed(l, m)
			}
		})
	})
}

// refreshed takes the answer to $refresh. c.mu is held.
func (c *Client) refreshed(l *link, m *protocol.Message) {
	if m.Type == protocol.TypeError {
		e := failure(m)
		err := fmt.Errorf("$refresh: %w", e)
		if e.Code == protocol.CodeForbidden { // another user: that takes another session
			l.drop(err, false)
			return
		}
		c.renewalFailed(l, Refused, err)
		return
	}
	var w protocol.Welcome
	if err := m.Codec.Unmarshal(m.Data, &w); err != nil {
		c.renewalFailed(l, Refused, err)
		return
	}
	c.refreshing, c.expired, c.renewals = false, false, 0
	if w.User != "" && w.User != c.state.User {
		s := c.state
		s.User = w.User
		c.setState(s)
	}
	c.planRenewal(l, w.TTL)
	c.pump()
}

// renewalFailed tries again a little later, and in the end with a new connection. c.mu is held.
func (c *Client) renewalFailed(l *link, why Reason, err error) {
	c.refreshing = false
	c.renewals++
	c.o.Logger.Warn("client: token was not renewed", "error", err)
	if c.renewals >= maxRenewals {
		c.why = why
		l.drop(err, false)
		return
	}
	c.renew = c.after(c.span.wait(c.renewals), func() { c.refresh(l, why) })
}

// hasExpired has a new token brought before anything else is sent; false if nobody has one. c.mu is held.
func (c *Client) hasExpired(l *link) bool {
	if c.o.Token == nil {
		return false
	}
	c.expired = true
	c.refresh(l, Refused)
	return true
}

// timeout is ctx, and CallTimeout.
func (c *Client) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.o.CallTimeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.o.CallTimeout)
}
