package main

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

const (
	listed = 50                     // people of a room who are named; of the others there is only the number
	gather = 100 * time.Millisecond // for which comings and goings are told together
)

// people are who is in which room of the chat, by the names that they give
// themselves. A room is told when somebody comes, goes or takes another name, and at
// each heartbeat.
type people struct {
	mu     sync.Mutex
	guests map[*live.Session]guest
	last   int64
	stale  map[string]bool // rooms that are to be told
	woken  chan struct{}   // holds a token while there are some
}

// guest is somebody in a room.
type guest struct {
	room, name string
	number     int64 // who came first has the lowest
}

// person is a guest as the others see it.
type person struct {
	ID   string `json:"id"` // of the session
	Name string `json:"name"`
}

// crowd is the data of a "people" message: all who are in a room.
type crowd struct {
	Count  int      `json:"count"`
	People []person `json:"people"` // at most listed of them
}

func newPeople() *people {
	return &people{guests: map[*live.Session]guest{}, stale: map[string]bool{}, woken: make(chan struct{}, 1)}
}

// hereIs is the data of a "here" message.
type hereIs struct {
	Room string `json:"room"`
	Name string `json:"name"`
}

// here {room, name} names a guest to a room that it has joined. Said again it changes
// the name. Either way the room is told who is there, the guest too.
func (p *people) here(_ context.Context, s *live.Session, d hereIs) error {
	name, err := guestName(d.Name)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(s.Rooms(), d.Room) { // asked with mu held: a session that ends leaves its rooms first
		return protocol.Errorf(protocol.CodeNotJoined, "the session is not in %s", d.Room)
	}
	g, known := p.guests[s]
	if !known {
		p.last++
		g.number = p.last
	} else if g.room != d.Room {
		p.tell(g.room)
	}
	g.room, g.name = d.Room, name
	p.guests[s] = g
	p.tell(d.Room)
	return nil
}

// leave is for a session that has ended.
func (p *people) leave(s *live.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g, ok := p.guests[s]; ok {
		delete(p.guests, s)
		p.tell(g.room)
	}
}

// tell notes that a room is to be told. Called with mu held.
func (p *people) tell(room string) {
	p.stale[room] = true
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// run tells the rooms of the hub until ctx ends.
func (p *people) run(ctx context.Context, hub *live.Hub, heartbeat time.Duration) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.mu.Lock()
			for _, g := range p.guests {
				p.stale[g.room] = true
			}
			p.mu.Unlock()
		case <-p.woken:
			select {
			case <-time.After(gather):
			case <-ctx.Done():
				return
			}
		}
		for room, c := range p.crowds() {
			// Volatile: nobody wants to know later who was there. What fails is told again.
			_, _ = hub.Room(room).Publish(ctx, "people", c, live.Volatile())
		}
	}
}

// crowds returns who is in the rooms that are to be told.
func (p *people) crowds() map[string]crowd {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := map[string][]*live.Session{}
	for room := range p.stale {
		in[room] = nil
	}
	clear(p.stale)
	for s, g := range p.guests {
		if _, ok := in[g.room]; ok && slices.Contains(s.Rooms(), g.room) {
			in[g.room] = append(in[g.room], s)
		}
	}
	crowds := map[string]crowd{}
	for room, sessions := range in {
		slices.SortFunc(sessions, func(a, b *live.Session) int { return cmp.Compare(p.guests[a].number, p.guests[b].number) })
		c := crowd{len(sessions), []person{}}
		for _, s := range sessions[:min(listed, len(sessions))] {
			c.People = append(c.People, person{s.ID(), p.guests[s].name})
		}
		crowds[room] = c
	}
	return crowds
}
