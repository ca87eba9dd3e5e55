// Package console is the server's half of a page that shows what a hub does, and lets who has a key act on it. The page is
// web/pages/console; docs/console.md says how to use it.
//
// A Console is a [live.Hub] of its own. Its sessions say a key as their token. They join the room of the samples, made once
// a second, and call what follows in this package: the rooms, the sessions, a room, a session, publish, disconnect, remove. They
// never become sessions of the hub that is shown, and nothing of that hub answers to a key.
package console

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// Everything that a viewer can ask has a limit.
const (
	maxViewers  = 64  // sessions
	maxPerKey   = 32  // of these
	keyRate     = 40  // messages of a key's viewers a second
	maxRows     = 100 // of a page of a table
	maxSearch   = 128 // bytes
	maxListed   = 200 // rooms of a session, members of a room
	maxMessages = 30  // of a room, that are shown at first
	maxData     = 1024
	patience    = 5 * time.Second // of a call
)

// Options configures a Console. The zero value of each field but Hub and Keys is its default.
type Options struct {
	// Hub is the one that is shown. It must be there.
	Hub *live.Hub

	// Keys are those of who may do everything, and ReadKeys of who may only look. There must be one at least; each has
	// MinKey bytes or more of printable ASCII. In logs a key is named by its index: "key 1", "read key 1".
	Keys, ReadKeys []string

	// Meter hears the Hub's hooks. nil means that latencies, errors, drops and the messages of rooms as they come are not
	// shown.
	Meter *Meter

	// BackoffMax is the Hub's Options.BackoffMax: clients may be away for that long by themselves. 0 means its default, 20 s.
	BackoffMax time.Duration

	// Address tells whose wrong keys and whose limits a connection counts against, as in [live.Options]: give it where a proxy stands in
	// front, or all who come through it are one. nil means the connection's remote address.
	Address func(r *ws.Request) netip.Addr

	// Accept configures the console's own connections, as in [live.Options]. The page's origin is checked unless that is
	// switched off here.
	Accept ws.AcceptOptions

	// Logger hears of keys that were refused, at level info, and of each change with whose key made it and from where.
	// nil means slog.Default().
	Logger *slog.Logger
}

// Console shows a hub. It is safe for concurrent use. It is an http.Handler for its WebSocket endpoint, and [Console.Accept] is
// the door for a ws.Server of one's own. It wants its Shutdown or Close.
type Console struct {
	hub      *live.Hub // the console's own
	shown    *live.Hub
	meter    *Meter
	set      Options
	log      *slog.Logger
	door     door
	feeds    feeds
	rooms    cache[[]live.RoomState]
	sessions cache[[]sessionRow]
	work     sync.Mutex // held while a table is searched and sorted
	counts   counts     // Run's
	opened   chan struct{}
}

// New returns a Console. An error says what is wrong with the options, and never repeats a key.
func New(o Options) (*Console, error) {
	if o.Hub == nil {
		return nil, errors.New("console: there is no Hub")
	}
	o.BackoffMax = cmp.Or(o.BackoffMax, 20*time.Second)
	c := &Console{set: o, shown: o.Hub, meter: o.Meter, log: o.Logger, opened: make(chan struct{}, 1)}
	if c.log == nil {
		c.log = slog.Default()
	}
	if c.meter == nil {
		c.meter = &Meter{}
	}
	if err := c.door.open(o.Keys, o.ReadKeys); err != nil {
		return nil, err
	}
	c.rooms.make, c.sessions.make = c.shown.States, c.listSessions
	c.feeds.meter = c.meter
	c.hub = live.NewHub(&live.Options{
		Authenticate: c.authenticate,
		Address:      o.Address,
		Accept:       o.Accept,
		Limits: live.Limits{
			Sessions: maxViewers, UserSessions: maxPerKey, Rate: keyRate, Burst: 2 * keyRate, UserRate: keyRate, UserBurst: 2 * keyRate,
			Rooms: 8, SessionPublishes: 1, Inbox: 16, Calls: 1,
		},
		BackoffMax:  5 * time.Second,
		DrainWindow: -1,
		RecentBytes: 4 << 20,
		NoTunnel:    true,
		Logger:      c.log,
	})
	nobody := func(context.Context, *live.Session, string, string) error {
		return protocol.Errorf(protocol.CodeForbidden, "nobody publishes in the console's rooms")
	}
	c.hub.ConfigureRooms(samplesRoom, live.RoomOptions{History: keptSamples, CanPublish: nobody})
	c.hub.ConfigureRooms(hotRoom, live.RoomOptions{Slow: live.Latest, MaxKeys: 1, CanPublish: nobody})
	c.hub.ConfigureRooms(feedRooms, live.RoomOptions{Slow: live.DropOldest, CanPublish: nobody, CanJoin: c.feeds.mayJoin})
	c.handle()
	return c, nil
}

// Accept is the Console as ws.Server.Accept wants it.
func (c *Console) Accept(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
	return c.hub.Accept(r)
}

// ServeHTTP accepts a WebSocket connection.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.hub.ServeHTTP(w, r) }

// Run takes the samples, until ctx ends. While nobody looks it takes what costs next to nothing.
func (c *Console) Run(ctx context.Context) {
	samples, relay := time.NewTicker(time.Second), time.NewTicker(relayEvery)
	defer samples.Stop()
	defer relay.Stop()
	relay.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.opened:
			relay.Reset(relayEvery)
		case now := <-samples.C:
			c.sample(ctx, now)
			if c.tendFeeds(now) == 0 {
				relay.Stop()
			}
		case <-relay.C:
			c.relay(ctx)
		}
	}
}

// Shutdown ends the Console gently, as [live.Hub.Shutdown] does. End Run's context behind it.
func (c *Console) Shutdown(ctx context.Context) error { return c.hub.Shutdown(ctx) }

// Close ends the Console at once.
func (c *Console) Close() error { return c.hub.Close() }

// handle registers what a viewer can ask.
func (c *Console) handle() {
	live.Handle(c.hub, "console.about", c.about)
	live.Handle(c.hub, "console.rooms", c.searchRooms)
	live.Handle(c.hub, "console.sessions", c.searchSessions)
	live.Handle(c.hub, "console.room", c.room)
	live.Handle(c.hub, "console.session", c.session)
	live.Handle(c.hub, "console.publish", change(c, "published", (*Console).publish))
	live.Handle(c.hub, "console.disconnect", change(c, "disconnected", (*Console).disconnect))
	live.Handle(c.hub, "console.remove", change(c, "removed", (*Console).remove))
}

// About is what a page needs to know at first.
type about struct {
	Key        string `json:"key"` // its name
	ReadOnly   bool   `json:"readOnly"`
	BackoffMax int64  `json:"backoffMax"` // ms
	Metered    bool   `json:"metered"`    // there is a Meter
}

func (c *Console) about(_ context.Context, s *live.Session, _ struct{}) (about, error) {
	v := viewerOf(s)
	return about{v.name, v.readOnly, c.set.BackoffMax.Milliseconds(), c.set.Meter != nil}, nil
}
