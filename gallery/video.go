package gallery

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/live"
)

const (
	videoRooms   = "video:*"
	maxSDP       = 12 << 10 // bytes of a description; those of browsers have 3 to 8 KiB
	maxCandidate = 1 << 10  // bytes of a candidate
	maxSDPWord   = 256      // bytes of what names a part of a description
)

// A hello is from somebody who has come in. All of it is the server's.
type hello struct {
	From string `json:"from"` // a session
	Name string `json:"name"`
}

// A signal is what the browsers of a call must tell each other before the pictures can go straight from one to the
// other: a description of what one sends and takes, or an address where it may be reached. Both pass as they are.
type signal struct {
	hello
	To          string       `json:"to"` // the other session
	Description *description `json:"description,omitempty"`
	Candidate   *candidate   `json:"candidate,omitempty"`
}

type description struct { // RTCSessionDescriptionInit
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

type candidate struct { // RTCIceCandidateInit
	Candidate        string  `json:"candidate"`
	SDPMid           *string `json:"sdpMid"`
	SDPMLineIndex    *uint16 `json:"sdpMLineIndex"`
	UsernameFragment *string `json:"usernameFragment"`
}

// video is rooms for two, without history.
func video(hub *live.Hub) func(context.Context) {
	newCalls().serve(hub)
	return nil
}

// check looks at the sizes, and leaves the rest to the browser at the other end: it trusts nobody.
func (s *signal) check() error {
	d, c := s.Description, s.Candidate
	if (d == nil) == (c == nil) {
		return fmt.Errorf("a signal has a description or a candidate")
	}
	if d != nil {
		if d.Type != "offer" && d.Type != "answer" {
			return fmt.Errorf("a description is an offer or an answer")
		}
		if n := len(d.SDP); n == 0 || n > maxSDP {
			return fmt.Errorf("a description has 1 to %d bytes", maxSDP)
		}
		return nil
	}
	if len(c.Candidate) > maxCandidate {
		return fmt.Errorf("a candidate has %d bytes at most", maxCandidate)
	}
	for _, word := range []*string{c.SDPMid, c.UsernameFragment} {
		if word != nil && len(*word) > maxSDPWord {
			return fmt.Errorf("a name in a candidate has %d bytes at most", maxSDPWord)
		}
	}
	return nil
}

// calls knows who has a seat in which call. Presence would not do for that: it shows a session whose connection broke
// for some seconds more, and whoever reloads a page must not find his own seat taken. A session has one seat in its
// life, and gives it back when it ends: so there are never more seats than sessions.
type calls struct {
	mu    sync.Mutex
	seats map[string][]*live.Session // by room; two at most
	rooms map[*live.Session]string
}

func newCalls() *calls {
	return &calls{seats: map[string][]*live.Session{}, rooms: map[*live.Session]string{}}
}

func (c *calls) serve(hub *live.Hub) {
	known := only("hello", "signal")
	hub.ConfigureRooms(videoRooms, live.RoomOptions{
		Presence: true,
		CanJoin: func(_ context.Context, s *live.Session, room, _ string) error {
			return c.seat(s, room)
		},
		CanPublish: func(ctx context.Context, s *live.Session, room, typ string) error {
			if !c.has(room, s.ID()) {
				return &live.Error{Code: "video.outside", Message: "only who is in a call says something in it"}
			}
			return known(ctx, s, room, typ)
		},
	})
	from := func(s *live.Session) hello { return hello{s.ID(), nameOf(s)} }
	live.OnPublish(hub, videoRooms, func(_ context.Context, p *live.Publication[hello]) error {
		p.Data = from(p.Session)
		return nil
	}, "hello")
	live.OnPublish(hub, videoRooms, func(_ context.Context, p *live.Publication[signal]) error {
		if err := p.Data.check(); err != nil {
			return &live.Error{Code: "video.signal", Message: err.Error()}
		}
		if p.Data.To == p.Session.ID() || !c.has(p.Room, p.Data.To) {
			return &live.Error{Code: "video.gone", Message: "the other one is not in this call"}
		}
		p.Data.hello = from(p.Session)
		return nil
	}, "signal")
}

func (c *calls) seat(s *live.Session, room string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if has, ok := c.rooms[s]; ok {
		if has != room {
			return &live.Error{Code: "video.once", Message: "a session is in one call: connect again for another"}
		}
		return nil
	}
	if len(c.seats[room]) >= 2 {
		return &live.Error{Code: "video.full", Message: "there are two in this call already"}
	}
	c.seats[room] = append(c.seats[room], s)
	c.rooms[s] = room
	context.AfterFunc(s.Context(), func() { c.leave(s) })
	return nil
}

func (c *calls) leave(s *live.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := c.rooms[s]
	delete(c.rooms, s)
	c.seats[room] = slices.DeleteFunc(c.seats[room], func(other *live.Session) bool { return other == s })
	if len(c.seats[room]) == 0 {
		delete(c.seats, room)
	}
}

// has reports whether that session has a seat in the call.
func (c *calls) has(room, session string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.seats[room], func(s *live.Session) bool { return s.ID() == session })
}
