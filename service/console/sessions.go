package console

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// sessionRow is a session as it was a moment ago.
type sessionRow struct {
	id, user, address string
	began             time.Time
	queued, waiting   int
	rooms             []string
}

// listSessions asks each session.
func (c *Console) listSessions() []sessionRow {
	all := c.shown.Sessions()
	rows := make([]sessionRow, len(all))
	for i, s := range all {
		rows[i] = rowOf(s)
	}
	return rows
}

func rowOf(s *live.Session) sessionRow {
	return sessionRow{s.ID(), s.User(), placeOf(s), s.Began(), s.Queued(), s.Waiting(), s.Rooms()}
}

// placeOf returns where a session's connection comes from, and behind a proxy also where the proxy says that the client is.
func placeOf(s *live.Session) string {
	remote, addr := s.Conn().RemoteAddr().String(), s.Address()
	if !addr.IsValid() {
		return remote
	}
	bits := 32
	if addr.Is6() {
		bits = 64 // what limits count
	}
	at, err := netip.ParseAddrPort(remote)
	if net := netip.PrefixFrom(addr, bits); err == nil && net.Contains(at.Addr().Unmap().WithZone("")) {
		return remote
	}
	return addr.String() + " by " + remote
}

// shownSession is a session in a table, and alone with its rooms.
type shownSession struct {
	ID      string   `json:"id"`
	User    string   `json:"user,omitempty"`
	Address string   `json:"address"`
	Age     int64    `json:"age"`     // ms
	Queued  int      `json:"queued"`  // bytes
	Waiting int      `json:"waiting"` // messages for its handlers
	Rooms   int      `json:"rooms"`
	Names   []string `json:"names,omitempty"` // of the rooms, sorted: the first of them
}

func showSession(r *sessionRow) shownSession {
	return shownSession{r.id, r.user, r.address, time.Since(r.began).Milliseconds(), r.queued, r.waiting, len(r.rooms), nil}
}

var sessionOrders = map[string]func(a, b *sessionRow) int{
	"":        func(a, b *sessionRow) int { return strings.Compare(a.id, b.id) },
	"user":    func(a, b *sessionRow) int { return strings.Compare(a.user, b.user) },
	"address": func(a, b *sessionRow) int { return strings.Compare(a.address, b.address) },
	"age":     func(a, b *sessionRow) int { return b.began.Compare(a.began) },
	"queued":  func(a, b *sessionRow) int { return cmp.Compare(a.queued, b.queued) },
	"rooms":   func(a, b *sessionRow) int { return cmp.Compare(len(a.rooms), len(b.rooms)) },
}

// searchSessions returns a page of this node's sessions.
func (c *Console) searchSessions(_ context.Context, _ *live.Session, q search) (page[shownSession], error) {
	text := strings.ToLower(q.Text)
	matches := func(r *sessionRow) bool {
		if q.Room != "" {
			if _, in := slices.BinarySearch(r.rooms, q.Room); !in {
				return false
			}
		}
		return contains(r.user, text) || contains(r.id, text) || contains(r.address, text) ||
			slices.ContainsFunc(r.rooms, func(room string) bool { return contains(room, text) })
	}
	return find(c, c.sessions.get(time.Now()), q, matches, sessionOrders, showSession)
}

// sessionBy returns one by its id.
func (c *Console) sessionBy(id string) (*live.Session, error) {
	for _, s := range c.shown.Sessions() {
		if s.ID() == id {
			return s, nil
		}
	}
	return nil, protocol.Errorf("console.gone", "this session is not on this node, or not any more")
}

// session returns one with its rooms.
func (c *Console) session(_ context.Context, _ *live.Session, q struct {
	ID string `json:"id"`
}) (shownSession, error) {
	s, err := c.sessionBy(q.ID)
	if err != nil {
		return shownSession{}, err
	}
	row := rowOf(s)
	shown := showSession(&row)
	shown.Names = row.rooms[:min(len(row.rooms), maxListed)]
	return shown, nil
}
