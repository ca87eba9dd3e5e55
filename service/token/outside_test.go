package token_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/token"
)

// What something else than a token says is bounded as a token is.
func TestNewClaims(t *testing.T) {
	standing := []token.Grant{{Room: "chat:*", Can: []token.Permission{token.Join}}}
	v := newVerifier(t, token.Options{Rooms: standing})
	end := time.Now().Add(time.Hour)
	c, err := v.NewClaims("ann", end, json.RawMessage(`{"a":1}`), nil)
	if err != nil || !c.MayJoin("chat:1") || c.MayPublish("chat:1") {
		t.Errorf("%+v, %v", c, err)
	}
	want := live.Identity{User: "ann", Expires: end, Claims: c, Info: json.RawMessage(`{"a":1}`)}
	if got := c.Identity(); !reflect.DeepEqual(got, want) {
		t.Errorf("the identity is %+v, want %+v", got, want)
	}
	if c, err := v.NewClaims("", time.Time{}, nil, []token.Grant{}); err != nil || c.MayJoin("chat:1") || c.Identity().Info != nil {
		t.Errorf("with an empty list: %+v, %v", c, err)
	}
	many := make([]token.Grant, 101)
	for i := range many {
		many[i] = standing[0]
	}
	for name, f := range map[string]func() (*token.Claims, error){
		"user":      func() (*token.Claims, error) { return v.NewClaims("a\r\nb", end, nil, nil) },
		"long user": func() (*token.Claims, error) { return v.NewClaims(strings.Repeat("a", 129), end, nil, nil) },
		"long info": func() (*token.Claims, error) {
			return v.NewClaims("ann", end, []byte(`"`+strings.Repeat("a", 1024)+`"`), nil)
		},
		"bad info": func() (*token.Claims, error) { return v.NewClaims("ann", end, []byte(`{`), nil) },
		"bad room": func() (*token.Claims, error) {
			return v.NewClaims("ann", end, nil, []token.Grant{{Room: "a::b", Can: []token.Permission{token.Join}}})
		},
		"no can":     func() (*token.Claims, error) { return v.NewClaims("ann", end, nil, []token.Grant{{Room: "a"}}) },
		"many rooms": func() (*token.Claims, error) { return v.NewClaims("ann", end, nil, many) },
	} {
		if c, err := f(); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestParseGrants(t *testing.T) {
	got, err := token.ParseGrants([]byte(` [{"room":"chat:*","can":["join","watch"]}] `))
	if want := []token.Grant{{Room: "chat:*", Can: []token.Permission{token.Join, token.Watch}}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := token.ParseGrants([]byte(`[]`)); err != nil || got == nil {
		t.Errorf("an empty list: %v, %v", got, err)
	}
	for _, bad := range []string{``, `{}`, `null`, `[null]`, `[{"room":"a"}]`, `[{"room":"a","can":["fly"]}]`, `[{"room":"a","can":["join"],"until":1}]`,
		`[{"room":"a","room":"b","can":["join"]}]`, `[{"room":"a:*b","can":["join"]}]`, `[] []`, strings.Repeat("[", 17) + strings.Repeat("]", 17)} {
		if got, err := token.ParseGrants([]byte(bad)); err == nil {
			t.Errorf("%s: %v", bad, got)
		}
	}
}

// A Verifier without keys refuses every token, and has its Rooms for those without one.
func TestWithoutKeys(t *testing.T) {
	o := token.Options{Strangers: true, Rooms: []token.Grant{{Room: "chat:*", Can: []token.Permission{token.Join}}}}
	v := newVerifier(t, o)
	if err := v.Ready(); err != nil {
		t.Error(err)
	}
	for _, raw := range []string{hs(claims(nil)), sign("HS256", []byte{}, m{"alg": "HS256"}, claims(nil)), sign("HS256", secret, m{"alg": "none"}, claims(nil)), "x"} {
		if _, err := v.Authenticate(context.Background(), live.Credentials{Token: raw}); reasonOf(t, err) == "" {
			t.Errorf("%q was taken", raw)
		}
		if _, err := v.VerifyRoom(context.Background(), raw, "ann", "chat:1"); reasonOf(t, err) == "" {
			t.Errorf("%q was taken for a room", raw)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p := newKit(t, o).hello("")
		p.want("$ok", "$join", "chat:1", `{}`)
		p.want("forbidden: not allowed to join chat:1", "$join", "chat:1", `{"token":"`+hs(roomClaims(nil))+`"}`)
	})
}

// Of Options.Rooms the one that covers least decides alone; of a token's own each one counts.
func TestStandingRoomsTheLeastCounts(t *testing.T) {
	all := []token.Permission{token.Join, token.Publish, token.Watch}
	rooms := []token.Grant{{Room: ">", Can: all}, {Room: "chat:>", Can: []token.Permission{token.Join}}, {Room: "chat:secret:*"}}
	v := newVerifier(t, token.Options{Rooms: rooms})
	standing, err := v.NewClaims("ann", time.Time{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := v.NewClaims("ann", time.Time{}, nil, rooms[:2])
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		room                           string
		join, publish, watch, ownJoins bool
	}{
		{"news", true, true, true, true},
		{"chat:7", true, false, false, true},
		{"chat:secret:7", false, false, false, true},
		{"news:*", false, false, true, false},
		{"chat:*", false, false, false, false},
		{"chat:secret:*", false, false, false, false},
	} {
		if standing.MayJoin(tc.room) != tc.join || standing.MayPublish(tc.room) != tc.publish || standing.MayWatch(tc.room) != tc.watch {
			t.Errorf("%s: join %v, publish %v, watch %v", tc.room, standing.MayJoin(tc.room), standing.MayPublish(tc.room), standing.MayWatch(tc.room))
		}
		if own.MayJoin(tc.room) != tc.ownJoins {
			t.Errorf("%s by a token's own rooms: join %v", tc.room, own.MayJoin(tc.room))
		}
	}
}
