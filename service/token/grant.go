package token

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/internal/object"
)

// Permission is what a token may let a session do in a room. What RoomOptions has no hook for, history and
// presence, goes with joining.
type Permission string

// The permissions.
const (
	Join    Permission = "join"    // be in it, get what is published, read its history, see who is there
	Publish Permission = "publish" // publish to it
	Watch   Permission = "watch"   // join a wildcard that the grant's room covers
)

// Grant lets a session do something in the rooms that a pattern matches: a room's name, or a wildcard, in which
// "*" stands for one segment and a last ">" for one or more.
type Grant struct {
	Room string       `json:"room"`
	Can  []Permission `json:"can"`
}

// maxGrants bounds the grants of a token.
const maxGrants = 100

// check returns what is wrong with a grant, or nil.
func (g *Grant) check() error {
	if len(g.Can) == 0 {
		return errors.New("rooms has a room without can")
	}
	return g.checkStanding()
}

// checkStanding is check for Options.Rooms, where a grant may allow nothing.
func (g *Grant) checkStanding() error {
	if protocol.CheckRoom(g.Room) != nil {
		return errors.New("rooms has a room that is neither a name nor a wildcard")
	}
	for _, p := range g.Can {
		if p != Join && p != Publish && p != Watch {
			return errors.New("can has something else than join, publish and watch")
		}
	}
	return nil
}

// grants returns the claim "rooms"; nil if there is none.
func grantsOf(o object.Object) ([]Grant, error) {
	raw, ok := o["rooms"]
	if !ok {
		return nil, nil
	}
	var all []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &all) != nil {
		return nil, errors.New("rooms is no array")
	}
	if len(all) > maxGrants {
		return nil, errors.New("rooms has more than 100 elements")
	}
	grants := make([]Grant, 0, len(all)) // not nil: an empty list is one
	for _, one := range all {
		var m object.Object
		if one[0] != '{' || json.Unmarshal(one, &m) != nil {
			return nil, errors.New("rooms has an element that is no object")
		}
		for name := range m {
			if name != "room" && name != "can" { // it may be a restriction
				return nil, errors.New("rooms has an element with other members than room and can")
			}
		}
		g := Grant{}
		var err error
		if g.Room, err = m.Text("room"); err != nil {
			return nil, err
		}
		if g.Can, err = permissionsOf(m); err != nil {
			return nil, err
		}
		if err := g.check(); err != nil {
			return nil, err
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// permissions returns the member "can".
func permissionsOf(o object.Object) ([]Permission, error) {
	list, err := o.Texts("can", false)
	var can []Permission
	for _, p := range list {
		can = append(can, Permission(p))
	}
	return can, err
}

// lets reports whether the grants allow something in a room or a wildcard: one of those that cover it does. Of Options.Rooms the one that covers
// least decides alone, as with live.Hub.ConfigureRooms.
func (c *Claims) lets(p Permission, room string) bool {
	if !c.standing {
		return slices.ContainsFunc(c.Rooms, func(g Grant) bool { return slices.Contains(g.Can, p) && protocol.Covers(g.Room, room) })
	}
	var least *Grant
	for i := range c.Rooms {
		if g := &c.Rooms[i]; protocol.Covers(g.Room, room) && (least == nil || protocol.Covers(least.Room, g.Room)) {
			least = g
		}
	}
	return least != nil && slices.Contains(least.Can, p)
}
