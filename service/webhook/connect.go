package webhook

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/token"
)

// connectQuestion asks who a client is.
type connectQuestion struct {
	head
	Token   string            `json:"token,omitempty"`
	Headers map[string]string `json:"headers,omitempty"` // by names in small letters
	Remote  string            `json:"remote"`
	Address netip.Addr        `json:"address"`
	Refresh bool              `json:"refresh"`
	User    string            `json:"user,omitempty"` // whom next has named
}

func (q *connectQuestion) misfit(a *answer) *failure {
	switch {
	case a.refusal != nil:
	case q.User == "" && !a.named:
		return odd("there is neither user nor error")
	case q.User != "" && a.named && a.user != q.User:
		return odd("user is another one than the token's")
	}
	return nil
}

// Authenticate returns what live.Options takes. next is asked first, a token.Verifier's Authenticate as a rule: whom it refuses is
// refused. Then the application is asked (Connect): about the token, the handshake's Options.Headers, and the user whom next has named, who
// stays that user; an identity ends when the first of both says so, and the application's info and rooms take the place of next's. nil
// means that the application alone says who a client is. Without Connect among Options.Events it returns next.
//
// Identity.Claims is a *token.Claims. The error is what next says, an *live.Error of the application's, or "unavailable".
func (w *Webhook) Authenticate(next func(context.Context, live.Credentials) (live.Identity, error)) func(context.Context, live.Credentials) (live.Identity, error) {
	if !w.has(Connect) {
		return next
	}
	return func(ctx context.Context, c live.Credentials) (id live.Identity, err error) {
		if next != nil {
			if id, err = next(ctx, c); err != nil {
				return live.Identity{}, err
			}
		}
		a, err := w.ask(ctx, &connectQuestion{head: newHead(Connect), Token: c.Token, Headers: w.chosen(c.Header), Remote: c.RemoteAddr, Address: c.Address, Refresh: c.Refresh, User: id.User})
		switch {
		case err != nil && id.User != "" && w.allows(err):
			return id, nil
		case err != nil:
			return live.Identity{}, told(err)
		case a.refusal != nil:
			return live.Identity{}, a.refusal
		}
		return w.identity(id, a)
	}
}

// chosen returns the headers that the application wants.
func (w *Webhook) chosen(all http.Header) map[string]string {
	some := map[string]string{}
	for _, name := range w.set.Headers {
		separator := ", " // RFC 9110, section 5.3
		if strings.EqualFold(name, "Cookie") {
			separator = "; " // RFC 6265, section 5.4
		}
		if values := all.Values(name); len(values) > 0 {
			some[strings.ToLower(name)] = strings.Join(values, separator)
		}
	}
	return some
}

// identity joins what next and the application have said.
func (w *Webhook) identity(id live.Identity, a *answer) (live.Identity, error) {
	if a.named {
		id.User = a.user
	}
	id.Expires = sooner(id.Expires, a.expires)
	claims, err := w.verifier.NewClaims(id.User, id.Expires, a.info, a.rooms)
	if err != nil { // parseAnswer has checked all of it
		return live.Identity{}, err
	}
	if old, ok := id.Claims.(*token.Claims); ok && old != nil {
		both := *old
		both.User, both.Expires = id.User, id.Expires
		if a.info != nil {
			both.Info = a.info
		}
		if a.rooms != nil {
			both.Rooms = claims.Rooms
		}
		claims = &both
	}
	if a.info != nil {
		id.Info = a.info
	}
	id.Claims = claims
	return id, nil
}

// sooner returns the earlier of two times; zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
