package console

import (
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/live"
)

const (
	samplesRoom = "samples" // one a second, of type "sample"
	keptSamples = 600       // ten minutes
	hotRoom     = "hot"     // the rooms where most comes, of type "hot"
	maxHot      = 10

	walkShare = 250 // a walk over all sessions begins after this many times what the last one took: 0.4 % of a core
	hotShare  = 500 // and a list of the rooms: 0.2 %
)

// sample is what the hub has at a moment, and what happened in the second before it.
type sample struct {
	At         int64 `json:"at"` // ms since 1970
	Sessions   int   `json:"sessions"`
	Users      int   `json:"users"`
	Rooms      int   `json:"rooms"`
	Members    int   `json:"members"`
	Healing    int   `json:"healing,omitempty"`
	Publishing int   `json:"publishing"`
	Recent     int64 `json:"recent"`
	Degraded   bool  `json:"degraded,omitempty"`
	Draining   bool  `json:"draining,omitempty"`

	// A second.
	In       float64 `json:"in"`
	Out      float64 `json:"out"`
	BytesIn  float64 `json:"bytesIn"`
	BytesOut float64 `json:"bytesOut"`

	// Since the sample before.
	Panics int64          `json:"panics,omitempty"`
	Slow   int64          `json:"slow,omitempty"`
	Gaps   int64          `json:"gaps,omitempty"`
	Errors map[string]int `json:"errors,omitempty"`

	// The median and the 99th percentile, in ms; none where nothing came, or nobody looked.
	Handler  []float64 `json:"handler,omitempty"`
	Delivery []float64 `json:"delivery,omitempty"` // from the hub's reading a publish to its being queued for the members

	Queue *queue `json:"queue,omitempty"` // none where nobody looked
}

// queue is what waits, over all sessions.
type queue struct {
	Bytes    int `json:"bytes"`    // for their connections
	Greatest int `json:"greatest"` // of one
	Waiting  int `json:"waiting"`  // messages for their handlers
}

// counts is what the next sample is taken against.
type counts struct {
	at       time.Time
	state    live.State
	slow     int64
	gaps     int64
	queue    *queue
	nextWalk time.Time
	nextHot  time.Time
}

// looked reports whether somebody has joined one of the console's own rooms.
func (c *Console) looked(room string) bool {
	return slices.ContainsFunc(c.hub.States(), func(s live.RoomState) bool { return s.Name == room && s.Members > 0 })
}

// sample takes a sample and publishes it. Only Run calls it.
func (c *Console) sample(ctx context.Context, now time.Time) {
	looked := c.looked(samplesRoom)
	c.meter.looked.Store(looked)
	s, was := c.measure(now, looked), c.counts
	if !was.at.IsZero() {
		c.hub.Room(samplesRoom).Publish(ctx, "sample", s) // an error: the console has closed
	}
	if now.After(c.counts.nextHot) && c.looked(hotRoom) {
		begun := time.Now()
		hot := hottest(c.rooms.get(now))
		c.counts.nextHot = now.Add(max(2*time.Second-100*time.Millisecond, hotShare*time.Since(begun)))
		c.hub.Room(hotRoom).Publish(ctx, "hot", hot)
	}
}

// measure makes a sample, without what costs more than a little if nobody looks.
func (c *Console) measure(now time.Time, looked bool) sample {
	was, state := c.counts, c.shown.State()
	elapsed := max(now.Sub(was.at).Seconds(), 0.001)
	rate := func(now, before int64) float64 { return float64(now-before) / elapsed }
	s := sample{
		At: now.UnixMilli(), Sessions: state.Sessions, Users: state.Users, Rooms: state.Rooms, Members: state.Members,
		Healing: state.Healing, Publishing: state.Publishing, Recent: state.Recent, Degraded: state.Degraded, Draining: state.Draining,
		In: rate(state.MessagesIn, was.state.MessagesIn), Out: rate(state.MessagesOut, was.state.MessagesOut),
		BytesIn: rate(state.BytesIn, was.state.BytesIn), BytesOut: rate(state.BytesOut, was.state.BytesOut),
		Panics: state.Panics - was.state.Panics,
		Errors: c.meter.errors.take(),
	}
	c.counts.at, c.counts.state = now, state
	c.counts.slow, c.counts.gaps = c.meter.slow.Load(), c.meter.gaps.Load()
	s.Slow, s.Gaps = c.counts.slow-was.slow, c.counts.gaps-was.gaps
	s.Handler, s.Delivery = c.meter.handler.take(0.5, 0.99), c.meter.delivery.take(0.5, 0.99)
	c.meter.flights.forget(now)
	switch {
	case !looked:
		c.counts.queue = nil
	case now.After(was.nextWalk):
		begun := time.Now()
		c.counts.queue = c.walk()
		c.counts.nextWalk = now.Add(walkShare * time.Since(begun))
	}
	s.Queue = c.counts.queue
	return s
}

// walk asks each session what waits.
func (c *Console) walk() *queue {
	q := &queue{}
	for _, s := range c.shown.Sessions() {
		n := s.Queued()
		q.Bytes += n
		q.Greatest = max(q.Greatest, n)
		q.Waiting += s.Waiting()
	}
	return q
}
