package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/token"
)

// FuzzClaims signs whatever claims there are. What is taken must be as it was promised.
func FuzzClaims(f *testing.F) {
	for _, seed := range []any{claims(nil), roomClaims(nil),
		claims(m{"rooms": []m{{"room": "chat:*", "can": []string{"join", "watch"}}}, "info": m{"a": []int{1}}, "aud": []string{"hub"}, "nbf": 1.5}),
	} {
		f.Add(string(must(json.Marshal(seed))))
	}
	f.Add(`{"sub":"ann","sub":"bob","exp":1e300,"iss":"us","aud":"hub"}`)
	f.Add(` {"rooms":[{"room":"\u0000","can":[null]}],"iss":"us","aud":"hub","exp":99999999999 } `)
	v, err := token.New(token.Options{Keys: []token.Key{{Secret: secret}}, Issuer: "us", Audience: "hub"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		raw := hs(body)
		if c, err := v.Verify(t.Context(), raw); err == nil {
			var plain struct {
				Sub string `json:"sub"`
			}
			var names map[string]json.RawMessage
			if json.Unmarshal([]byte(body), &names) != nil || json.Unmarshal(names["sub"], &plain.Sub) != nil || plain.Sub != c.User {
				t.Errorf("the user is %q, and encoding/json reads %q", c.User, plain.Sub)
			}
			if protocol.CheckUser(c.User) != nil || c.Expires.IsZero() || len(c.Info) > 1024 || c.Room != "" {
				t.Errorf("taken: %+v", c)
			}
			for _, g := range c.Rooms {
				if protocol.CheckRoom(g.Room) != nil || len(g.Can) == 0 {
					t.Errorf("taken: %+v", g)
				}
			}
		} else if reasonOf(t, err) == "" {
			t.Error("no reason")
		}
		if c, err := v.VerifyRoom(t.Context(), raw, "ann", "chat:1"); err == nil && (c.Room != "chat:1" || c.User != "ann" && c.User != "" || len(c.Rooms) > 0) {
			t.Errorf("taken: %+v", c)
		}
	})
}

// FuzzToken takes anything for a token: only what we signed is good.
func FuzzToken(f *testing.F) {
	good := hs(claims(nil))
	for _, seed := range []string{good, good + "=", "..", strings.ToUpper(good), strings.Replace(good, ".", "..", 1)} {
		f.Add(seed)
	}
	v, err := token.New(token.Options{Keys: []token.Key{{Secret: secret}, {ID: "p", PEM: publicPEM(p256)}}, Issuer: "us", Audience: "hub"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		// Seeds of an earlier run were signed with this secret too: what is good is so by its signature.
		_, err := v.Verify(t.Context(), raw)
		if err == nil && !strings.HasPrefix(raw, "ey") {
			t.Errorf("%q is good", raw)
		}
		if reasonOf(t, err) == token.BadAlgorithm && strings.HasPrefix(raw, strings.Split(good, ".")[0]+".") {
			t.Error("the header is ours")
		}
	})
}

// FuzzKeySet takes anything for a key set.
func FuzzKeySet(f *testing.F) {
	f.Add(must(json.Marshal(m{"keys": []m{jwk(p256, "1", nil), jwk(edKey, "2", m{"use": "enc"}), jwk(rsaKey(), "3", m{"alg": "PS256"})}})))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AA"},{"kty":"EC","crv":"P-256","x":"","y":""},{"kty":"RSA","n":"","e":""},7]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := token.New(token.Options{JWKS: "https://issuer.example/", Transport: answers(body), Logger: new(logbook).logger()})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		if _, err := v.Verify(context.Background(), es("1", unpublished)); err == nil {
			t.Error("a key that nobody published")
		}
	})
}

// unpublished is a key on P-256 that is in no key set.
var unpublished = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))

type answers []byte

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Write(a)
	return w.Result(), nil
}
