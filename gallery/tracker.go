package gallery

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
)

const (
	trackerRoom  = "tracker:sea"
	trackerEvery = 500 * time.Millisecond // between two positions of a boat
	trackerPace  = 120                    // how much faster time goes at sea
	trackerGone  = 3 * time.Second        // of which nothing was heard so long, is gone
	maxGuestBoat = 40
	guestAway    = 10 * time.Second // how long the boat of a guest waits who is cut off
)

// boat is what a boat's position report says.
type boat struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Guest bool   `json:"guest"`
	point
	Course int     `json:"course"` // degrees from north, clockwise
	Speed  float64 `json:"speed"`  // knots
	At     int64   `json:"at"`     // milliseconds since 1970
}

// A vessel is a boat and where it goes.
type vessel struct {
	boat
	most  float64 // knots
	route []point

	// Of a guest:
	session *live.Session
	key     string    // with which the guest can claim it from another session
	seen    time.Time // when the guest was there
}

// A fleet is all boats. Some sail by themselves, those of guests where these send them.
type fleet struct {
	mu     sync.Mutex
	random *rand.Rand
	sea    *sea
	own    []*vessel
	guests []*vessel
	ids    int
	at     time.Time // of the last positions
}

func newFleet() *fleet {
	f := &fleet{random: rand.New(rand.NewPCG(3, 357)), sea: newSea()} // a seed by which they begin apart
	for _, name := range []string{"Kittiwake", "Northern Diver", "Molly Brown", "Albacore", "Saltmarsh", "Petrel", "Wanderer", "Grey Seal"} {
		v := f.launch(name, f.somewhere())
		v.route = f.sea.route(v.point, f.somewhere())
		f.own = append(f.own, v)
	}
	return f
}

func (f *fleet) launch(name string, at point) *vessel {
	f.ids++
	return &vessel{boat: boat{ID: fmt.Sprint("boat-", f.ids), Name: name, point: at}, most: 6 + 3*f.random.Float64()}
}

// somewhere returns a place at sea.
func (f *fleet) somewhere() point {
	for {
		if p := (point{f.random.Float64() * seaWidth, f.random.Float64() * seaHeight}); f.sea.water(p) {
			return p
		}
	}
}

// step moves all boats, and returns what is to be told of them.
func (f *fleet) step(now time.Time) (told []boat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	past := min(now.Sub(f.at), time.Second) // nothing moves while nobody looks
	f.at = now
	for _, v := range f.own {
		if len(v.route) == 0 {
			v.route = f.sea.route(v.point, f.somewhere())
		}
		v.sail(past, now)
		told = append(told, v.report())
	}
	var stay []*vessel
	for _, v := range f.guests {
		if v.session.Context().Err() == nil {
			v.seen = now
		}
		if now.Sub(v.seen) > guestAway {
			continue
		}
		stay = append(stay, v)
		v.sail(past, now)
		told = append(told, v.report())
	}
	f.guests = stay
	return told
}

// sail moves a boat along its route for a while.
func (v *vessel) sail(d time.Duration, now time.Time) {
	v.At, v.Speed = now.UnixMilli(), 0
	for left := d.Seconds(); left > 0 && len(v.route) > 0; {
		to := v.route[0]
		east, north := to.X-v.X, v.Y-to.Y
		way := math.Hypot(east, north)
		if way > 0 {
			v.Course = int(math.Atan2(east, north)*180/math.Pi+360) % 360
		}
		// The wind is from the west: across it boats are fastest.
		v.Speed = math.Round(10*v.most*(0.75+0.25*math.Abs(math.Cos(float64(v.Course)*math.Pi/180)))) / 10
		pace := v.Speed * 10 / 3600 * trackerPace // cables a second
		if way > pace*left {
			v.point = point{v.X + east/way*pace*left, v.Y - north/way*pace*left}
			break
		}
		v.point, v.route = to, v.route[1:]
		left -= way / pace
	}
}

// report returns what is told of a boat, without the digits that nobody sees.
func (v *vessel) report() boat {
	b := v.boat
	b.X, b.Y = math.Round(b.X*100)/100, math.Round(b.Y*100)/100
	return b
}

// An order is where a guest sends its boat.
type order struct {
	Key string `json:"key"` // a secret of the guest's, who is known by it when the connection was lost
	point
}

type ordered struct {
	ID string `json:"id"`
}

// send sends a guest's boat somewhere; it puts to sea if there is none.
func (f *fleet) send(s *live.Session, o order) (ordered, error) {
	if n := len(o.Key); n < 16 || n > 64 {
		return ordered{}, &live.Error{Code: "tracker.key", Message: "a key has 16 to 64 bytes"}
	}
	if !f.sea.water(o.point) {
		return ordered{}, &live.Error{Code: "tracker.land", Message: "There is no deep water."}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var v *vessel
	for _, one := range f.guests {
		if one.session == s { // a session has one boat, whatever its key is
			v = one
			break
		}
		if one.key == o.Key {
			v = one
		}
	}
	if v == nil {
		if len(f.guests) >= maxGuestBoat {
			return ordered{}, &live.Error{Code: "tracker.full", Message: fmt.Sprintf("All %d boats are at sea.", maxGuestBoat)}
		}
		v = f.launch("", f.somewhere())
		v.Guest, v.key = true, o.Key
		f.guests = append(f.guests, v)
	}
	v.Name, v.session, v.seen = nameOf(s), s, time.Now()
	v.route = f.sea.route(v.point, o.point)
	return ordered{v.ID}, nil
}

// tracker is a room that keeps the latest position of each boat: who comes gets all boats at once. A guest says where its
// boat should go, never where it is.
func tracker(hub *live.Hub) func(context.Context) {
	f, watchers := newFleet(), newAudience()
	hub.ConfigureRooms(trackerRoom, live.RoomOptions{
		Slow:       live.Latest,
		MaxKeys:    2 * (len(f.own) + maxGuestBoat), // those that are gone count
		HistoryAge: trackerGone,
		CanJoin:    watchers.enter,
		CanPublish: serverOnly,
	})
	live.Handle(hub, "tracker.sail", func(_ context.Context, s *live.Session, o order) (ordered, error) {
		return f.send(s, o)
	})
	return func(ctx context.Context) {
		watchers.entertain(ctx, trackerEvery, func(now time.Time) {
			for _, b := range f.step(now) {
				hub.Room(trackerRoom).Publish(ctx, "boat", b, live.WithKey(b.ID)) // an error: the hub has closed
			}
		})
	}
}
