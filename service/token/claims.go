package token

import (
	"encoding/json"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/internal/object"
)

// maxDepth is how deep the JSON of a token may be nested.
const maxDepth = 16

// maxInfo is how long the claim "info" may be, which live bounds as well.
const maxInfo = 1 << 10

// Claims are what a token that was checked says, or what NewClaims was given. Nobody may change them: a session's handlers share them.
type Claims struct {
	User    string          // of "sub"; "" in a room token that is for anybody
	Expires time.Time       // of "exp", with the leeway; zero: never
	Info    json.RawMessage // of "info"; nil if there is none
	Rooms   []Grant         // of "rooms", or Options.Rooms where there is none
	Room    string          // of "room": the only one that a room token is for
	Can     []Permission    // of "can": what a room token allows there
	Raw     json.RawMessage // all of them, for claims of your own; nil from NewClaims

	standing bool // Rooms is Options.Rooms
}

// ClaimsOf returns what the token of a session said; never nil. Without a token it has Options.Rooms alone, and before
// anybody has said who the session is, nothing.
func ClaimsOf(s *live.Session) *Claims {
	if c, ok := s.Identity().Claims.(*Claims); ok {
		return c
	}
	return &Claims{}
}

// MayJoin reports whether "rooms" lets the session be in a room, which is no wildcard.
func (c *Claims) MayJoin(room string) bool { return c.may(Join, room) }

// MayPublish reports whether "rooms" lets the session publish to a room, which is no wildcard.
func (c *Claims) MayPublish(room string) bool { return c.may(Publish, room) }

// MayWatch reports whether "rooms" lets the session join a wildcard: whether one grant covers all of it.
func (c *Claims) MayWatch(wildcard string) bool {
	return protocol.CheckRoom(wildcard) == nil && c.lets(Watch, wildcard)
}

func (c *Claims) may(p Permission, room string) bool {
	return protocol.CheckRoom(room) == nil && !protocol.IsWildcard(room) && c.lets(p, room)
}

// claims reads what a token says, whose signature was checked, and checks it for a session, or for a room.
func (v *Verifier) claims(raw []byte, forRoom bool) (*Claims, error) {
	bad := func(err error) (*Claims, error) { return nil, refuse(BadClaims, err.Error()) }
	o, err := object.Parse(raw, maxDepth)
	if err != nil {
		return bad(err)
	}
	var std jwt.RegisteredClaims
	for name, to := range map[string]**jwt.NumericDate{"exp": &std.ExpiresAt, "nbf": &std.NotBefore, "iat": &std.IssuedAt} {
		t, err := o.Date(name)
		if err != nil {
			return bad(err)
		}
		if t != nil {
			*to = &jwt.NumericDate{Time: *t}
		}
	}
	if std.Issuer, err = o.Text("iss"); err != nil {
		return bad(err)
	}
	if std.Audience, err = o.Texts("aud", true); err != nil {
		return bad(err)
	}
	if err := v.validator.Validate(std); err != nil {
		return nil, refusalOf(err)
	}
	if _, has := o["aud"]; has && v.audience == "" {
		return nil, refuse(BadAudience, "it is for somebody: see Options.Audience")
	}
	use, err := o.Text("use")
	if err != nil {
		return bad(err)
	}
	_, hasRoom := o["room"]
	if isRoom := use == useRoom; isRoom != forRoom || isRoom != hasRoom || use != "" && use != useRoom && use != useSession {
		return nil, refuse(WrongUse, "")
	}
	c := &Claims{Raw: raw}
	if std.ExpiresAt != nil {
		c.Expires = std.ExpiresAt.Add(v.leeway)
	}
	if c.User, err = o.Text("sub"); err != nil {
		return bad(err)
	}
	if _, has := o["sub"]; has || !forRoom {
		if err := protocol.CheckUser(c.User); err != nil {
			return nil, refuse(BadClaims, "sub is missing, too long, or has characters that may not be there")
		}
	}
	if forRoom {
		return c, roomClaims(o, c)
	}
	if c.Info = o["info"]; len(c.Info) > maxInfo {
		return nil, refuse(BadClaims, "info is longer than 1 KiB")
	}
	if c.Rooms, err = grantsOf(o); err != nil {
		return bad(err)
	}
	if c.Rooms == nil {
		c.Rooms, c.standing = v.rooms, true
	}
	return c, nil
}

// The values of the claim "use".
const (
	useRoom    = "room"
	useSession = "session"
)

// roomClaims reads what only a room token has.
func roomClaims(o object.Object, c *Claims) (err error) {
	if c.Room, err = o.Text("room"); err != nil {
		return refuse(BadClaims, err.Error())
	}
	if protocol.CheckRoom(c.Room) != nil || protocol.IsWildcard(c.Room) {
		return refuse(BadClaims, "room is no room's name")
	}
	if _, has := o["rooms"]; has {
		return refuse(BadClaims, "rooms is for tokens of sessions")
	}
	if c.Can, err = permissionsOf(o); err != nil {
		return refuse(BadClaims, err.Error())
	}
	if c.Can == nil {
		c.Can = []Permission{Join}
	}
	for _, p := range c.Can {
		if p != Join && p != Publish {
			return refuse(BadClaims, "can has something else than join and publish")
		}
	}
	return nil
}
