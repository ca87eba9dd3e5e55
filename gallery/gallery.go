// Package gallery is the server's half of the demos that "tidewire serve" shows: one hub for all of them, and a
// file for each. The pages are in web/pages.
package gallery

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

// BackoffMax is for how long guests wait at most before they come back.
const BackoffMax = 5 * time.Second

// Everything that a guest can make grow has a limit.
const (
	maxName = 32 // characters
)

var maxGuests = 10_000

// A demo prepares the hub for itself, and returns what publishes by itself until ctx ends, or nil.
type demo func(hub *live.Hub) (run func(ctx context.Context))

var demos = []demo{chat, cursors, prices, tracker, video, recovery}

// A Gallery is the demos on their hub.
type Gallery struct {
	Hub    *live.Hub
	Frames *Frames // of the echo, for its page
	own    *live.Memory
	runs   []func(ctx context.Context)
}

// Options are of a Gallery's Hub. nil fields mean live's defaults.
type Options struct {
	Broker  live.Broker // keeps the rooms, but for those of ownRooms; nil means the process's memory
	Address func(*ws.Request) netip.Addr
	Hooks   *live.Hooks
	Logger  *slog.Logger
}

// New makes a gallery, whose Hub wants its Shutdown or Close. Other sites' pages stay outside: Origin is checked.
func New(o Options) *Gallery {
	own := live.NewMemory(nil)
	broker := o.Broker
	if broker != nil {
		broker = split{broker, own}
	}
	g := &Gallery{own: own, Hub: live.NewHub(&live.Options{
		Authenticate: introduce,
		Broker:       broker,
		Accept:       ws.AcceptOptions{ConnOptions: ws.ConnOptions{MaxMessage: 16 << 10}},
		Limits:       live.Limits{Sessions: maxGuests, Rate: 60, Burst: 200},
		BackoffMax:   BackoffMax,
		DrainWindow:  time.Second,
		RecentBytes:  1, // so that a room gives out what its History says, and nothing that is just still there: see recovery
		Address:      o.Address,
		Hooks:        o.Hooks,
		Logger:       o.Logger,
	})}
	g.Frames = newFrames(g.Hub)
	for _, d := range demos {
		if run := d(g.Hub); run != nil {
			g.runs = append(g.runs, run)
		}
	}
	return g
}

// Run publishes what the demos publish by themselves, until ctx ends. The Hub should have ended by then.
func (g *Gallery) Run(ctx context.Context) {
	var group sync.WaitGroup
	for _, run := range g.runs {
		group.Go(func() { run(ctx) })
	}
	group.Wait()
	g.own.Close()
}

// A guest is what everybody sees of a session. There are no accounts: a guest's token is the name that it likes,
// percent-encoded. Behind a colon there may be a secret, of which everybody sees the hash: under it a guest is the same
// user after a reload, and with another name.
type guest struct {
	Name string `json:"name"`
}

func introduce(_ context.Context, c live.Credentials) (live.Identity, error) {
	name, secret, _ := strings.Cut(c.Token, ":")
	name, err := url.PathUnescape(name)
	name = strings.TrimSpace(name)
	if err != nil || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		return live.Identity{}, &live.Error{Code: "guest.name", Message: fmt.Sprintf("a name has %d characters at most, none of them a control character", maxName)}
	}
	if name == "" {
		name = "Somebody"
	}
	identity := live.Identity{Info: guest{name}}
	if secret != "" {
		sum := sha256.Sum256([]byte(secret))
		identity.User = base64.RawURLEncoding.EncodeToString(sum[:12])
	}
	return identity, nil
}

// nameOf returns the name of a session of the gallery.
func nameOf(s *live.Session) string { return s.Identity().Info.(guest).Name }

// only lets guests publish messages of these types, and no others.
func only(types ...string) func(context.Context, *live.Session, string, string) error {
	return func(_ context.Context, _ *live.Session, _, typ string) error {
		if slices.Contains(types, typ) {
			return nil
		}
		return &live.Error{Code: "guest.type", Message: fmt.Sprintf("guests publish here: %s", strings.Join(types, ", "))}
	}
}

// serverOnly refuses what guests publish.
func serverOnly(context.Context, *live.Session, string, string) error {
	return &live.Error{Code: "guest.read-only", Message: "here only the server publishes"}
}
