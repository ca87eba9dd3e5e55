package live

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// Options configures a Hub. The zero value of each field is its default; nil stands
// for the zero value of them all. A Hub reads them once.
type Options struct {
	// Authenticate says who a session is. It is called once before the first
	// message that needs to know, and again for each $refresh. An error is told to
	// the client as "unauthorized", or, if it is an *Error, as it is. nil means that
	// everybody is let in as a stranger.
	Authenticate func(ctx context.Context, c Credentials) (Identity, error)

	// Broker stores and carries the messages of rooms. nil means a Memory of the
	// Hub's own, which Shutdown and Close close.
	Broker Broker

	// Accept configures the handshake and the connections. Subprotocols are set by
	// the Hub; MaxMessage is 64 KiB and WriteQueue 256 KiB unless given, and
	// QueuePolicy is the rooms' concern.
	Accept ws.AcceptOptions

	// Limits bounds what a client may do.
	Limits Limits

	// Backoff is the range of waits that clients are told to keep before they come
	// back. 0 means 500 ms to 20 s.
	BackoffMin, BackoffMax time.Duration

	// DrainWindow is over how long Shutdown spreads the closing of sessions. 0
	// means 10 s; negative means at once.
	DrainWindow time.Duration

	// RecentBytes bounds what the Hub keeps of recent messages, encoded, for those
	// who come back, as long as somebody is in their room: also past the room's
	// History and HistoryAge. 0 means 64 MiB.
	RecentBytes int64

	// NoTunnel lets WebSockets in alone. false means that clients may come through HTTP
	// POSTs, where something between lets no WebSocket pass: by the same rules.
	NoTunnel bool

	// Address tells whose limits a connection counts against. nil means the remote
	// address; behind a proxy, say how to find the client's.
	Address func(r *ws.Request) netip.Addr

	// Hooks hear of what happens. nil means nobody.
	Hooks *Hooks

	// Logger hears of panics, of errors of handlers, and of rooms that had to be
	// healed. nil means slog.Default().
	Logger *slog.Logger
}

// Limits bounds what a client may do. The zero value of each field is its default,
// which docs/protocol.md lists too; negative means no bound, except for Depth. Each Hub
// counts what it has itself: with several nodes, an address and a user have these bounds on each. What
// a room keeps and shows (RoomOptions) is the same on all.
type Limits struct {
	Depth             int           // of nesting in a message; 32
	Rooms             int           // of a session, wildcards included; 128
	Rate, Burst       int           // messages of a session a second, and at once; 100, 200
	AddressRate       int           // messages of an address a second; 10,000
	AddressBurst      int           // and at once; 20,000
	AddressSessions   int           // sessions of an address; 10,000
	UserRate          int           // messages of a user a second, over all sessions; 10,000
	UserBurst         int           // and at once; 20,000
	UserSessions      int           // sessions of a user; 10,000
	Sessions          int           // sessions of the Hub; 1,000,000
	Inbox             int           // messages of a session that wait for a handler; 64
	InboxBytes        int           // bytes of these; 256 KiB
	SessionPublishes  int           // publishes of a session under way; 64
	RoomPublishes     int           // publishes of clients to a room under way; 8,192
	Publishes         int           // publishes of clients under way; 65,536
	Calls             int           // calls to a session under way; 64
	FaultRate, Faults int           // faults of a session forgiven a second, and at once; 1, 100
	ReplyBytes        int           // of replies that wait beside the write queue, unless one alone has more; 64 KiB
	IdentityTimeout   time.Duration // until a session has an identity, where Authenticate is set; 10 s
	ExpiryGrace       time.Duration // from the end of an identity to that of its session; 10 s
}

func (l Limits) withDefaults() Limits {
	set := func(p *int, def int) {
		if *p = cmp.Or(*p, def); *p < 0 {
			*p = 1 << 30
		}
	}
	set(&l.Depth, protocol.DefaultDepth)
	set(&l.Rooms, 128)
	set(&l.Rate, 100)
	set(&l.Burst, 200)
	set(&l.AddressRate, 10_000)
	set(&l.AddressBurst, 20_000)
	set(&l.AddressSessions, 10_000)
	set(&l.UserRate, 10_000)
	set(&l.UserBurst, 20_000)
	set(&l.UserSessions, 10_000)
	set(&l.Sessions, 1_000_000)
	set(&l.Inbox, 64)
	set(&l.InboxBytes, 256<<10)
	set(&l.SessionPublishes, 64)
	set(&l.RoomPublishes, 8_192)
	set(&l.Publishes, 65_536)
	set(&l.Calls, 64)
	set(&l.FaultRate, 1)
	set(&l.Faults, 100)
	set(&l.ReplyBytes, 64<<10)
	l.IdentityTimeout = cmp.Or(l.IdentityTimeout, 10*time.Second)
	l.ExpiryGrace = cmp.Or(l.ExpiryGrace, 10*time.Second)
	return l
}

func (o *Options) withDefaults() Options {
	var set Options
	if o != nil {
		set = *o
	}
	set.Limits = set.Limits.withDefaults()
	set.BackoffMin = cmp.Or(set.BackoffMin, time.Duration(protocol.Backoff[0])*time.Millisecond)
	set.BackoffMax = cmp.Or(set.BackoffMax, time.Duration(protocol.Backoff[1])*time.Millisecond)
	set.DrainWindow = cmp.Or(set.DrainWindow, 10*time.Second)
	set.RecentBytes = cmp.Or(set.RecentBytes, 64<<20)
	set.Accept.Subprotocols = protocol.Subprotocols
	set.Accept.MaxMessage = cmp.Or(set.Accept.MaxMessage, 64<<10)
	set.Accept.WriteQueue = cmp.Or(set.Accept.WriteQueue, 256<<10)
	set.Accept.QueuePolicy = ws.RefuseWrite
	if set.Hooks == nil {
		set.Hooks = &Hooks{}
	}
	return set
}

// Credentials are what a client brings to prove who it is.
type Credentials struct {
	Token      string      // of $hello or $refresh; "" if there is none
	Refresh    bool        // it comes with a $refresh
	Header     http.Header // of the handshake: Cookie, Authorization and the like; nil for a $refresh
	RemoteAddr string      // of the connection, whose other end may be a proxy
	Address    netip.Addr  // the client's, as Session.Address has it
}

// Identity is who a session is.
type Identity struct {
	User    string    // "" is a stranger
	Expires time.Time // zero: never
	Claims  any       // the application's own: Session.Identity returns it

	// Info is told to everybody who sees who is in a room (RoomOptions.Presence):
	// a name to show, a colour. It is encoded as JSON, once, and may have 1 KiB
	// and be nested 26 deep.
	Info any
}
