package gallery

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
)

const (
	cursorRooms = "cursors:*"
	maxGames    = 100 // rooms that have one
	maxPlayers  = 50  // of a game
	lookEvery   = time.Second

	// Places are told from the upper left corner, 0 to 1 in both directions: so screens of all sizes agree.
	seaShape = 4.0 / 3 // width to height
	reach    = 0.07    // how far from the fish one can catch it, in widths of the sea
	leap     = 0.3     // how far the next fish is from the last one, at least
)

// pointer is where somebody's cursor is. Who that is, is the server's word.
type pointer struct {
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
	Who  string  `json:"who"` // the user, or, of a stranger, the session
	Name string  `json:"name"`
}

// fish is what everybody is after. The number tells it from the one before.
type fish struct {
	Number int     `json:"number"`
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
}

// board is how a game stands.
type board struct {
	Fish   fish           `json:"fish"`
	Points map[string]int `json:"points"` // by who has them
	Last   *prize         `json:"last"`
}

// prize is a fish that somebody has caught.
type prize struct {
	fish
	Who  string `json:"who"`
	Name string `json:"name"`
}

// A game is a room's, from the first one's coming until nobody is there.
type game struct {
	fish    fish
	last    *prize
	players map[string]*player // by session
	points  map[string]int     // by who has them: they stay when a user has another session
}

type player struct {
	who    string
	at     *pointer // nil: not said yet
	missed bool     // was not there when we last looked: perhaps not yet
}

// catch is a guest's claim to have a fish.
type catch struct {
	Room string `json:"room"`
	Fish int    `json:"fish"`
}

// verdict is what becomes of it.
type verdict struct {
	Caught bool   `json:"caught"`
	By     string `json:"by"` // who was faster
}

type cursorGames struct {
	hub   *live.Hub
	mu    sync.Mutex // held while a board is published, so that the last one is the right one
	games map[string]*game
}

// cursors is pointers that everybody sees, and a game for them. The pointers are casts: worth nothing a moment later.
// How the game stands is the one message that a room keeps.
func cursors(hub *live.Hub) func(context.Context) {
	c := &cursorGames{hub: hub, games: map[string]*game{}}
	hub.ConfigureRooms(cursorRooms, live.RoomOptions{
		Presence: true, Slow: live.Latest, MaxKeys: 1, HistoryAge: time.Minute, // each join publishes the board anew
		CanJoin: c.enter, CanPublish: c.mayPublish,
	})
	live.OnPublish(hub, cursorRooms, c.move, "at")
	live.Handle(hub, "cursors.catch", c.catch)
	return c.run
}

// enter lets a guest into a room, and begins its game if need be.
func (c *cursorGames) enter(ctx context.Context, s *live.Session, room, _ string) error {
	for _, other := range s.Rooms() {
		if other != room && strings.HasPrefix(other, "cursors:") {
			return &live.Error{Code: "cursors.one", Message: "you are in another sea"}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.games {
		if other != room {
			c.remove(s.ID(), other) // now, or one guest could take all seas by going from one to another
		}
	}
	g := c.games[room]
	if g == nil {
		if len(c.games) == maxGames {
			return &live.Error{Code: "cursors.full", Message: "all seas are taken"}
		}
		g = &game{players: map[string]*player{}, points: map[string]int{}}
		g.putFish()
		c.games[room] = g
	}
	p := g.players[s.ID()]
	if p == nil {
		if len(g.players) == maxPlayers {
			return &live.Error{Code: "cursors.full", Message: "this sea is full: try another one"}
		}
		p = &player{who: whoIs(s)}
		g.players[s.ID()] = p
	}
	p.missed = false
	return c.publish(ctx, room, g)
}

// remove takes a session out of a game, and ends one that nobody plays. Called with mu held.
func (c *cursorGames) remove(session, room string) {
	g := c.games[room]
	delete(g.players, session)
	if len(g.players) == 0 {
		delete(c.games, room)
	}
}

// whoIs returns by what a guest is known again, if by anything.
func whoIs(s *live.Session) string { return cmp.Or(s.User(), s.ID()) }

func (c *cursorGames) mayPublish(ctx context.Context, s *live.Session, room, typ string) error {
	if !isIn(s, room) {
		return errors.New("only those in the room") // the client is told "forbidden"
	}
	return only("at")(ctx, s, room, typ)
}

func isIn(s *live.Session, room string) bool { return slices.Contains(s.Rooms(), room) }

// move takes note of where a cursor is, and passes it on.
func (c *cursorGames) move(_ context.Context, p *live.Publication[pointer]) error {
	x, y := p.Data.X, p.Data.Y
	if !(x >= 0 && x <= 1 && y >= 0 && y <= 1) { // nor what is no number
		return &live.Error{Code: "cursors.place", Message: "a place is two numbers from 0 to 1"}
	}
	at := pointer{round(x), round(y), whoIs(p.Session), nameOf(p.Session)}
	p.Data, p.Key, p.Volatile = at, "", true
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.player(p.Session, p.Room)
	if one == nil {
		return errors.New("no player has that session") // a member is one
	}
	one.at = &at
	return nil
}

// round leaves so much of a coordinate as screens can show.
func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// player returns who a session is in a room's game, or nil. Called with mu held.
func (c *cursorGames) player(s *live.Session, room string) *player {
	if g := c.games[room]; g != nil {
		return g.players[s.ID()]
	}
	return nil
}

// catch decides who has a fish: the first one whose cursor is there. What counts is where the session's own messages
// have put it, and they come in order.
func (c *cursorGames) catch(ctx context.Context, s *live.Session, claim catch) (verdict, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.player(s, claim.Room)
	if p == nil || p.at == nil || !isIn(s, claim.Room) {
		return verdict{}, &live.Error{Code: "cursors.outside", Message: "you have no cursor in that sea"}
	}
	g := c.games[claim.Room]
	if claim.Fish > 0 && claim.Fish < g.fish.Number {
		return verdict{By: g.last.Name}, nil
	}
	if claim.Fish != g.fish.Number {
		return verdict{}, &live.Error{Code: "cursors.fish", Message: "there is no such fish"}
	}
	if g.fish.distance(p.at.X, p.at.Y) > reach {
		return verdict{}, &live.Error{Code: "cursors.far", Message: "your cursor is not at the fish"}
	}
	g.points[p.who]++
	g.last = &prize{g.fish, p.who, nameOf(s)}
	g.putFish()
	return verdict{Caught: true}, c.publish(ctx, claim.Room, g)
}

// distance is how far a place is from the fish, in widths of the sea.
func (f fish) distance(x, y float64) float64 { return math.Hypot(x-f.X, (y-f.Y)/seaShape) }

// putFish has the next fish come up, away from the edges and from the last one.
func (g *game) putFish() {
	next := fish{Number: g.fish.Number + 1}
	for {
		next.X, next.Y = round(0.1+0.8*rand.Float64()), round(0.12+0.76*rand.Float64())
		if g.fish.distance(next.X, next.Y) >= leap {
			break
		}
	}
	g.fish = next
}

// publish tells a room how its game stands. Called with mu held.
func (c *cursorGames) publish(ctx context.Context, room string, g *game) error {
	_, err := c.hub.Room(room).Publish(ctx, "board", board{g.fish, g.points, g.last})
	return err
}

// run looks now and then who has gone.
func (c *cursorGames) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.mu.Lock()
			rooms := slices.Collect(maps.Keys(c.games))
			c.mu.Unlock()
			for _, room := range rooms {
				if crowd, err := c.hub.Room(room).Present(ctx); err == nil {
					c.forget(room, crowd)
				}
			}
		}
	}
}

// forget takes those out of a game who have been missed twice.
func (c *cursorGames) forget(room string, crowd live.Crowd) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.games[room]
	if g == nil {
		return // meanwhile
	}
	here := map[string]bool{}
	for _, m := range crowd.Members {
		here[m.Session] = true
	}
	known := map[string]bool{}
	for session, p := range g.players {
		if !here[session] && p.missed {
			c.remove(session, room)
			continue
		}
		p.missed = !here[session] // it may be about to come in
		known[p.who] = true
	}
	maps.DeleteFunc(g.points, func(who string, _ int) bool { return !known[who] })
}
