package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/token"
	"github.com/tidewire/tidewire/service/webhook"
	"github.com/tidewire/tidewire/ws"
)

// got returns what came within a minute.
func got[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Error("nothing came")
	}
	return v
}

// TestEvents has clients of both codecs do everything there is to ask about.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(time.Hour).Unix()
		a := newApp(func(_ context.Context, q m) (int, string) {
			data, _ := json.Marshal(q["data"])
			switch {
			case q["event"] == "connect" && strings.Contains(fmt.Sprint(q["headers"]), "id=7"):
				return 200, fmt.Sprintf(`{"user":"ann","expires":%d,"info":{"name":"Ann"},"rooms":[{"room":"room:*","can":["join"]}]}`, end)
			case q["event"] == "connect" && q["token"] == "again" && q["refresh"] == true:
				return 200, `{"user":"ann"}`
			case q["event"] == "connect" && q["token"] == "sesame":
				return 200, `{"user":"bob"}`
			case q["event"] == "connect":
				return 200, `{"error":{"code":"unauthorized","message":"who are you?"}}`
			case q["event"] == "join" && q["room"] == "room:secret" && q["token"] != "sesame":
				return 200, `{"error":{"code":"shop.members-only","message":"become a member"}}`
			case q["event"] == "publish" && strings.Contains(string(data), "damn"):
				return 200, `{"allow":true,"data":{"text":"d**n","n":[1,2.5,"\u00fc"]}}`
			case q["event"] == "publish" && strings.Contains(string(data), "spam"):
				return 200, `{"allow":false}`
			}
			return 200, `{"allow":true}`
		})
		k := open(t, webhook.Options{}, a, nil)
		began := time.Now()

		ann := k.client("again", client.Options{DialOptions: k.header("Cookie", "id=7", "X-Other", "x")})
		q := a.asked("connect")[0]
		if want := (m{"cookie": "id=7"}); !reflect.DeepEqual(q["headers"], want) || q["refresh"] != false || q["remote"] == "" || q["address"] == nil || q["token"] != "again" || q["user"] != nil {
			t.Errorf("asked %v", q)
		}
		if at, err := time.Parse(time.RFC3339, q["at"].(string)); err != nil || at.Before(began.Add(-time.Second)) || time.Since(at) > time.Minute {
			t.Errorf("asked at %v: %v", q["at"], err)
		}
		bob := k.client("sesame", client.Options{Codec: client.CBOR})
		if q := a.asked("connect")[1]; q["token"] != "sesame" {
			t.Errorf("asked %v", q)
		}

		// Join: both, the second by CBOR; then the room with a token of its own.
		ra, rb := must(ann.Room("room:1", nil)), must(bob.Room("room:1", nil))
		toAnn, toBob := make(chan any, 10), make(chan any, 10)
		client.OnMessage(ra, "text", func(_ context.Context, v any, _ client.Meta) { toAnn <- v })
		client.OnMessage(rb, "text", func(_ context.Context, v any, _ client.Meta) { toBob <- v })
		for _, r := range []*client.Room{ra, rb} {
			if err := r.Join(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if all := a.asked("join"); all[0]["user"] != "ann" || all[1]["user"] != "bob" || all[0]["room"] != "room:1" || all[0]["session"] == "" || all[0]["session"] == all[1]["session"] {
			t.Errorf("asked %v", all)
		}
		var e *live.Error
		if err := must(ann.Room("room:secret", nil)).Join(t.Context()); !errors.As(err, &e) || *e != (live.Error{Code: "shop.members-only", Message: "become a member"}) {
			t.Errorf("joined the secret room: %v", err)
		}
		inside := must(bob.Room("room:secret", &client.RoomOptions{Token: func(context.Context) (string, error) { return "sesame", nil }}))
		if err := inside.Join(t.Context()); err != nil {
			t.Error(err)
		}

		// Publish: as it is, replaced, refused. What passes is the same to the byte: JSON has no byte strings.
		if _, err := rb.Send(t.Context(), "text", m{"b": []byte{1, 2, 255}, "n": 7}); err != nil {
			t.Fatal(err)
		}
		if v := got(t, toBob); !reflect.DeepEqual(v, m{"b": []byte{1, 2, 255}, "n": int64(7)}) {
			t.Errorf("bob got %#v", v)
		}
		if v := got(t, toAnn); !reflect.DeepEqual(v, m{"b": "AQL_", "n": 7.0}) {
			t.Errorf("ann got %#v", v)
		}
		if q := a.asked("publish")[0]; !reflect.DeepEqual(q["data"], m{"b": "AQL_", "n": 7.0}) || q["type"] != "text" || q["room"] != "room:1" || q["user"] != "bob" || q["mid"] == "" {
			t.Errorf("asked %v", q)
		}
		for i, r := range []*client.Room{ra, rb} {
			if _, err := r.Send(t.Context(), "text", "damn"); err != nil {
				t.Fatal(err)
			}
			if v := got(t, toBob); !reflect.DeepEqual(v, m{"text": "d**n", "n": []any{int64(1), 2.5, "ü"}}) {
				t.Errorf("bob got %#v, message %d", v, i)
			}
			if v := got(t, toAnn); !reflect.DeepEqual(v, m{"text": "d**n", "n": []any{1.0, 2.5, "ü"}}) {
				t.Errorf("ann got %#v, message %d", v, i)
			}
			if _, err := r.Send(t.Context(), "text", "spam"); !errors.As(err, &e) || e.Code != "forbidden" {
				t.Errorf("spam: %v", err)
			}
		}
		// Refresh: the identity ends in an hour, and the cookies are not there any more.
		time.Sleep(time.Until(time.Unix(end, 0)) - time.Minute)
		if all := a.asked("connect"); len(all) != 3 || all[2]["refresh"] != true || all[2]["headers"] != nil {
			t.Errorf("asked %v", all)
		}
		if all := a.asked("join"); all[len(all)-1]["user"] != "ann" || all[len(all)-1]["room"] != "room:1" {
			t.Errorf("the refresh did not ask again about the room: %v", all)
		}

		bob.Close(context.Background())
		if q := got(t, a.news); q["user"] != "bob" || q["session"] != a.asked("join")[1]["session"] || q["code"] != 1000.0 {
			t.Errorf("told %v", q)
		}
		for event, want := range map[string]string{
			"connect": "address at attempt event headers id refresh remote token", "join": "at attempt event id room session user",
			"publish": "at attempt data event id mid room session type user", "disconnect": "at attempt code event id session user",
		} {
			if got := strings.Join(names(a.asked(event)[0]), " "); got != want {
				t.Errorf("%s has %s, want %s", event, got, want)
			}
		}
		s := k.hook.Stats()
		if s.Publish.Asked != 5 || s.Publish.Refused != 2 || s.Publish.Failed != 0 || s.Join.Refused == 0 || s.BreakerOpen || s.UnderWay != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func (k *kit) header(pairs ...string) (o ws.DialOptions) {
	o.Header = http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		o.Header.Set(pairs[i], pairs[i+1])
	}
	return o
}

// TestBeside has a verifier say who a client is, and the application what that means.
func TestBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		say := `{}`
		a := newApp(func(ctx context.Context, q m) (int, string) {
			if q["event"] == "connect" {
				return 200, say
			}
			return kind(ctx, q)
		})
		v := newVerifier(t)
		k := open(t, webhook.Options{Events: []webhook.Event{webhook.Connect}}, a, v)
		k.hello(sign("ann", "room:1")).want("$ok", "$join", "room:1", `{}`)
		if q := a.asked("connect")[0]; q["user"] != "ann" {
			t.Errorf("asked %v", q)
		}
		k.hello(sign("ann", "room:1")).want("forbidden: not allowed to join room:2", "$join", "room:2", `{}`)
		k.hello(sign("ann", "")).want("$ok", "$join", "room:standing", `{}`)
		say = `{"rooms":[{"room":"room:2","can":["join"]}],"user":"ann"}`
		p := k.hello(sign("ann", "room:1"))
		p.want("$ok", "$join", "room:2", `{}`)
		p.want("forbidden: not allowed to join room:1", "$join", "room:1", `{}`)
		say = `{"error":{"code":"forbidden","message":"banned"}}`
		k.peer().want("forbidden: banned", "$hello", "", `{"token":"`+sign("ann", "room:1")+`"}`)
		say = `{"user":"bob"}`
		k.peer().want(down, "$hello", "", `{"token":"`+sign("ann", "room:1")+`"}`)
		asked := len(a.asked("connect"))
		k.peer().want("unauthorized: the token was refused", "$hello", "", `{"token":"nonsense"}`)
		if len(a.asked("connect")) != asked {
			t.Error("asked about whom the verifier has refused")
		}
		say = fmt.Sprintf(`{"expires":%d}`, time.Now().Add(-time.Minute).Unix())
		k.peer().want("unauthorized: the token has expired", "$hello", "", `{"token":"`+sign("ann", "room:1")+`"}`)
	})
}

// TestRooms has the application let in strangers and users without "rooms": those of the Verifier count.
func TestRooms(t *testing.T) {
	a := newApp(func(context.Context, m) (int, string) { return 200, `{"user":""}` })
	v := must(token.New(token.Options{Rooms: []token.Grant{{Room: "room:open", Can: []token.Permission{token.Join}}}}))
	w := must(webhook.New(webhook.Options{URL: "http://127.0.0.1/", Secrets: []string{secret}, Events: everything[:1], Transport: a, Verifier: v, Logger: new(logbook).logger()}))
	defer w.Close(context.Background())
	id, err := w.Authenticate(nil)(t.Context(), live.Credentials{})
	if c, ok := id.Claims.(*token.Claims); err != nil || !ok || !c.MayJoin("room:open") || c.MayJoin("room:other") || id.User != "" {
		t.Errorf("%+v, %v", id, err)
	}
	a.says = func(context.Context, m) (int, string) { return 200, `{"user":"ann","rooms":[]}` }
	id, err = w.Authenticate(nil)(t.Context(), live.Credentials{})
	if c, ok := id.Claims.(*token.Claims); err != nil || !ok || c.MayJoin("room:open") || id.User != "ann" {
		t.Errorf("%+v, %v", id, err)
	}
	a.says = func(context.Context, m) (int, string) { return 200, `{}` } // who?
	if id, err := w.Authenticate(nil)(t.Context(), live.Credentials{}); err == nil {
		t.Errorf("%+v", id)
	}
	none := must(webhook.New(webhook.Options{URL: "http://127.0.0.1/", Secrets: []string{secret}, Events: everything[1:2], Transport: a}))
	defer none.Close(context.Background())
	if none.Authenticate(nil) != nil {
		t.Error("without Connect it asks nevertheless")
	}
}

// TestHeaders brings those that were chosen, and no others.
func TestHeaders(t *testing.T) {
	header := http.Header{"Cookie": {"a=1", "b=2"}, "Authorization": {"Bearer sesame"}, "X-Tenant": {"one", "two"}, "X-Other": {"x"}}
	for _, tc := range []struct {
		names []string
		want  any
	}{
		{nil, m{"cookie": "a=1; b=2", "authorization": "Bearer sesame"}},
		{[]string{"x-TENANT", "X-Missing"}, m{"x-tenant": "one, two"}},
		{[]string{}, nil},
	} {
		a := newApp(kind)
		w := must(webhook.New(webhook.Options{URL: "http://127.0.0.1/", Secrets: []string{webhook.NewSecret(), secret}, Events: everything, Headers: tc.names, Transport: a}))
		if _, err := w.Authenticate(nil)(t.Context(), live.Credentials{Token: "ann", Header: header}); err != nil {
			t.Error(err)
		}
		w.Close(context.Background())
		if got := a.asked("connect")[0]["headers"]; !reflect.DeepEqual(got, tc.want) {
			t.Errorf("of %q it brings %v, want %v", tc.names, got, tc.want)
		}
	}
}
