package console

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

const (
	feedRooms  = "feed:*"
	relayEvery = 200 * time.Millisecond
	maxFeeds   = 64
	maxBatch   = 20 // messages of a room that are shown of those of one relayEvery: the newest
	feedGrace  = 10 * time.Second
)

// feed takes what is published to a room of the shown hub, while somebody looks.
type feed struct {
	room string // of the shown hub
	used time.Time

	mu      sync.Mutex
	last    []*live.Message
	skipped int
}

// push is called with a room's lock held: it waits for nobody.
func (f *feed) push(m *live.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.last) == maxBatch {
		copy(f.last, f.last[1:])
		f.last = f.last[:maxBatch-1]
		f.skipped++
	}
	f.last = append(f.last, m)
}

// batch is what a feed's viewers get at once, of type "batch".
type batch struct {
	Messages []shownStored `json:"messages"`
	Skipped  int           `json:"skipped,omitempty"` // before them
}

func (f *feed) take() (b batch) {
	f.mu.Lock()
	last := f.last
	b.Skipped = f.skipped
	f.last, f.skipped = nil, 0
	f.mu.Unlock()
	for _, m := range last {
		b.Messages = append(b.Messages, showMessage(m))
	}
	return b
}

// feeds are those that are open, by the console's room.
type feeds struct {
	meter *Meter
	mu    sync.Mutex
	all   map[string]*feed
}

// feedOf is a name of the console's for a room of any name.
func feedOf(room string) string {
	sum := sha256.Sum256([]byte(room))
	return "feed:" + base64.RawURLEncoding.EncodeToString(sum[:15])
}

// open opens the feed of a room. Unless somebody joins it soon it is closed again.
func (fs *feeds) open(room string) (name string, err error) {
	name = feedOf(room)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.all[name]; f != nil {
		f.used = time.Now()
		return name, nil
	}
	if len(fs.all) >= maxFeeds {
		return "", protocol.Errorf(protocol.CodeLimit, "too many rooms are looked at")
	}
	if fs.all == nil {
		fs.all = map[string]*feed{}
	}
	fs.all[name] = &feed{room: room, used: time.Now()}
	fs.changed()
	return name, nil
}

// changed tells the meter. Called with mu held.
func (fs *feeds) changed() {
	if len(fs.all) == 0 {
		fs.meter.feeds.Store(nil)
		return
	}
	byRoom := map[string]*feed{}
	for _, f := range fs.all {
		byRoom[f.room] = f
	}
	fs.meter.feeds.Store(&byRoom)
}

// mayJoin is the feeds' CanJoin: only those that are open can be joined.
func (fs *feeds) mayJoin(_ context.Context, _ *live.Session, name, _ string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.all[name]
	if f == nil {
		return protocol.Errorf(protocol.CodeForbidden, "ask for the room first")
	}
	f.used = time.Now()
	return nil
}

// tendFeeds closes the feeds that nobody is in any more, and returns how many are left.
func (c *Console) tendFeeds(now time.Time) int {
	fs := &c.feeds
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.all) == 0 {
		return 0
	}
	for _, s := range c.hub.States() {
		if f := fs.all[s.Name]; f != nil && s.Members > 0 {
			f.used = now
		}
	}
	before := len(fs.all)
	maps.DeleteFunc(fs.all, func(_ string, f *feed) bool { return now.Sub(f.used) > feedGrace })
	if len(fs.all) != before {
		fs.changed()
	}
	return len(fs.all)
}

// relay publishes what has come.
func (c *Console) relay(ctx context.Context) {
	c.feeds.mu.Lock()
	all := maps.Clone(c.feeds.all)
	c.feeds.mu.Unlock()
	for name, f := range all {
		if b := f.take(); len(b.Messages) > 0 {
			c.hub.Room(name).Publish(ctx, "batch", b) // an error: the console has closed
		}
	}
}
