package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/internal/object"
)

// NewClaims returns the claims of a session that something else than a token has let in, so that CanJoin, CanPublish and
// CanWatch work with them. user "" is a stranger, expires zero is never, info nil is none, and rooms nil is
// Options.Rooms. The error says which of them a token could not have said either.
func (v *Verifier) NewClaims(user string, expires time.Time, info json.RawMessage, rooms []Grant) (*Claims, error) {
	if user != "" && protocol.CheckUser(user) != nil {
		return nil, errors.New("token: NewClaims: the user is too long, or has characters that may not be there")
	}
	if len(info) > maxInfo || info != nil && !json.Valid(info) {
		return nil, errors.New("token: NewClaims: info is no JSON, or longer than 1 KiB")
	}
	if len(rooms) > maxGrants {
		return nil, fmt.Errorf("token: NewClaims: more than %d rooms", maxGrants)
	}
	for i := range rooms {
		if err := rooms[i].check(); err != nil {
			return nil, fmt.Errorf("token: NewClaims: %w", err)
		}
	}
	c := &Claims{User: user, Expires: expires, Info: info, Rooms: slices.Clone(rooms)}
	if rooms == nil {
		c.Rooms, c.standing = v.rooms, true
	}
	return c, nil
}

// ParseGrants reads a JSON array of the form that the claim "rooms" has, as strictly. The error repeats nothing of data. An
// empty array gives an empty list that is not nil.
func ParseGrants(data []byte) ([]Grant, error) {
	if err := object.CheckNames(data, maxDepth); err != nil {
		return nil, fmt.Errorf("token: ParseGrants: %w", err)
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil { // without the space around it
		return nil, errors.New("token: ParseGrants: no JSON")
	}
	grants, err := grantsOf(object.Object{"rooms": raw})
	if err != nil {
		return nil, fmt.Errorf("token: ParseGrants: %w", err)
	}
	return grants, nil
}

// Identity returns who has these claims, for live.
func (c *Claims) Identity() live.Identity {
	id := live.Identity{User: c.User, Expires: c.Expires, Claims: c}
	if c.Info != nil { // a nil RawMessage would be the JSON null
		id.Info = c.Info
	}
	return id
}
