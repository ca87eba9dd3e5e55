package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// named says that a token is the user's name, and what stands behind a "/" the Info.
func named(_ context.Context, c live.Credentials) (live.Identity, error) {
	user, info, ok := strings.Cut(c.Token, "/")
	who := live.Identity{User: user}
	if ok {
		who.Info = map[string]string{"is": info}
	}
	return who, nil
}

var present = rooms(live.RoomOptions{Presence: true})

// enter makes a peer who it is, in room:7, and returns its session.
func (p *peer) enter(token, more string) (session string) {
	p.t.Helper()
	p.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, token)
	m := p.want(`{"type":"$ok","re":1}`)
	var w protocol.Welcome
	m.Codec.Unmarshal(m.Data, &w)
	p.send(`{"type":"$join","id":2,"room":"room:7","data":{%s}}`, more)
	p.want(`{"type":"$ok","re":2}`)
	return w.Session
}

// onlooker is a peer that sees who is in room:7.
type onlooker struct {
	*peer
	crowd   map[string]string // user and info by session
	count   string
	version uint64
	heard   int // $presence messages
}

func (k *kit) look(token string) *onlooker {
	k.t.Helper()
	o := &onlooker{peer: k.dial()}
	o.enter(token, `"presence":true`)
	return o
}

// sees reads what comes within a time, and compares who is there with "user user/info …".
func (o *onlooker) sees(within time.Duration, want ...string) {
	o.t.Helper()
	o.watch(within)
	got := slices.Sorted(maps.Values(o.crowd))
	if o.crowd == nil {
		got = []string{o.count}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		o.t.Fatalf("version %d: sees %v, want %v", o.version, got, want)
	}
}

func (o *onlooker) watch(within time.Duration) {
	o.t.Helper()
	ctx, done := context.WithTimeout(o.t.Context(), within)
	defer done()
	for {
		_, raw, err := o.conn.Read(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			o.t.Fatal(err)
		}
		m, err := protocol.JSON.Parse(raw, 0)
		if err != nil {
			o.t.Fatal(err)
		}
		if m.Type == protocol.TypePresence {
			o.take(m.Data)
		}
	}
}

// take follows a $presence, and is strict: differences come without a hole.
func (o *onlooker) take(data []byte) {
	o.t.Helper()
	o.heard++
	var p protocol.Presence
	if err := json.Unmarshal(data, &p); err != nil {
		o.t.Fatal(err)
	}
	text := func(user string, info any) string {
		if info == nil {
			return user
		}
		return fmt.Sprint(user, "/", info.(map[string]any)["is"])
	}
	switch {
	case p.Users != nil:
		o.crowd = map[string]string{}
		for _, u := range *p.Users {
			for _, s := range u.Sessions {
				o.crowd[s.Session] = text(u.User, s.Info)
			}
		}
	case p.Count != nil:
		o.crowd, o.count = nil, fmt.Sprintf("%d users, %d sessions", p.Count.Users, p.Count.Sessions)
	case p.Version != o.version+1 || o.crowd == nil:
		o.t.Fatalf("version %d behind %d: %s", p.Version, o.version, data)
	default:
		for _, s := range p.Join {
			o.crowd[s.Session] = text(s.User, s.Info)
		}
		for _, s := range p.Leave {
			if _, ok := o.crowd[s.Session]; !ok {
				o.t.Fatalf("%s leaves, and never came: %s", s.Session, data)
			}
			delete(o.crowd, s.Session)
		}
	}
	if p.Version <= o.version {
		o.t.Fatalf("version %d behind %d: %s", p.Version, o.version, data)
	}
	o.version = p.Version
}

// Those who come and go within 250 ms are told of at once.
func TestPresenceGathers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: named}, present)
		ann := k.look("ann")
		ann.sees(time.Millisecond, "ann") // herself, without a wait
		ann.sees(time.Second, "ann")
		k.dial().enter("bob/red", "")
		ann.sees(time.Millisecond, "ann", "bob/red") // nor one for the first
		heard := ann.heard
		gone := k.dial()
		for i := range 50 {
			p := gone
			if i > 0 {
				p = k.dial()
			}
			p.enter(fmt.Sprintf("u%02d", i), "")
			time.Sleep(4 * time.Millisecond)
		}
		gone.send(`{"type":"$leave","room":"room:7"}`)
		ann.watch(249*time.Millisecond - 200*time.Millisecond - time.Millisecond)
		if ann.heard != heard {
			t.Errorf("%d messages before 250 ms were over", ann.heard-heard)
		}
		ann.watch(10 * time.Millisecond)
		if ann.heard != heard+1 || len(ann.crowd) != 51 {
			t.Errorf("%d messages, %d are there", ann.heard-heard, len(ann.crowd))
		}
	})
}

// Who reloads is not seen to go; who stays away is, and who says so is at once.
func TestPresenceGrace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: named}, present)
		ann := k.look("ann")
		bob := k.dial()
		bob.enter("bob/1", "")
		ann.sees(time.Second, "ann", "bob/1")

		bob.conn.CloseNow()
		ann.sees(4*time.Second, "ann", "bob/1")
		bob = k.dial()
		bob.enter("bob/2", "")
		heard := ann.heard
		ann.sees(time.Second, "ann", "bob/2")
		if ann.heard != heard+1 {
			t.Errorf("a reload was told by %d messages", ann.heard-heard)
		}
		ann.sees(10*time.Second, "ann", "bob/2") // and not forgotten 5 s after the first

		bob.send(`{"type":"$join","id":3,"room":"room:7"}`) // again, which nobody else notices
		heard = ann.heard
		ann.sees(time.Second, "ann", "bob/2")
		if ann.heard != heard {
			t.Errorf("who joins twice is told by %d messages", ann.heard-heard)
		}

		bob.conn.Close(ws.StatusGoingAway, "") // as browsers do
		ann.sees(4900*time.Millisecond, "ann", "bob/2")
		ann.sees(200*time.Millisecond, "ann")

		bob = k.dial()
		bob.enter("bob", "")
		tab := k.dial()
		tab.enter("bob/tab", "")
		ann.sees(time.Second, "ann", "bob", "bob/tab")
		bob.conn.CloseNow() // he is still here
		ann.sees(300*time.Millisecond, "ann", "bob/tab")
		tab.send(`{"type":"$leave","id":5,"room":"room:7"}`)
		ann.sees(300*time.Millisecond, "ann")

		for i, bye := range []func(*peer){
			func(p *peer) { p.conn.Close(ws.StatusNormalClosure, "") },
			func(*peer) { k.hub.User("cy").Disconnect(t.Context(), "away") },
			func(*peer) { k.hub.Room("room:7").Remove(t.Context(), "cy") },
		} {
			p := k.dial()
			p.enter("cy", "")
			ann.sees(300*time.Millisecond, "ann", "cy")
			bye(p)
			if i == 1 {
				p.closed()
			}
			ann.sees(300*time.Millisecond, "ann")
		}

		stranger := k.dial()
		stranger.enter("", "")
		ann.sees(time.Second, "", "ann")
		stranger.conn.CloseNow()
		ann.sees(4*time.Second, "", "ann")
		ann.sees(2*time.Second, "ann")
	})
}

// A stranger that keeps its secret is known again, too.
func TestPresenceOfStrangers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, present)
		join := func(secret string) *peer {
			p := k.dial()
			p.send(`{"type":"$hello","data":{"client":%q,"join":[{"room":"room:7"}]}}`, secret)
			p.want(`{"type":"$ok","room":"room:7"}`)
			return p
		}
		o := &onlooker{peer: k.dial()}
		o.send(`{"type":"$join","room":"room:7","data":{"presence":true}}`)
		a := join("secret-secret-secret-1")
		join("secret-secret-secret-2")
		o.sees(time.Second, "", "", "")
		a.conn.CloseNow()
		o.sees(time.Second, "", "", "")
		join("secret-secret-secret-1")
		o.sees(time.Second, "", "", "")
		crowd, err := k.hub.Room("room:7").Present(t.Context())
		if err != nil || crowd.Users != 3 || crowd.Sessions != 3 || len(crowd.Members) != 3 {
			t.Errorf("%+v, %v", crowd, err)
		}
	})
}

// A crowd past PresenceMax is counted, until it is small again.
func TestPresenceCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: named}, rooms(live.RoomOptions{Presence: true, PresenceMax: 8}))
		ann := k.look("ann")
		var all []*peer
		for i := range 8 {
			p := k.dial()
			p.enter(fmt.Sprint("u", i/2), "")
			all = append(all, p)
		}
		ann.sees(time.Second, "5 users, 9 sessions")
		bob := k.look("bob")
		bob.sees(time.Second, "6 users, 10 sessions")
		ann.sees(time.Second, "6 users, 10 sessions")
		crowd, err := k.hub.Room("room:7").Present(t.Context())
		if err != nil || crowd.Members != nil || crowd.Users != 6 || crowd.Sessions != 10 {
			t.Errorf("%+v, %v", crowd, err)
		}
		for _, p := range all[:3] {
			p.send(`{"type":"$leave","room":"room:7"}`)
		}
		ann.sees(time.Second, "5 users, 7 sessions") // not listed yet: it could be 9 again
		all[3].send(`{"type":"$leave","room":"room:7"}`)
		ann.sees(time.Second, "ann", "bob", "u2", "u2", "u3", "u3")
		bob.sees(time.Second, "ann", "bob", "u2", "u2", "u3", "u3")
	})
}

// Infos that do not fit half of a queue are not told, and one that is too long is the
// application's fault.
func TestPresenceInfoBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &live.Options{Authenticate: named, Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 16 << 10}}}
		k := newKit(t, o, present)
		ann := k.look("ann")
		for i := range 8 {
			k.dial().enter(fmt.Sprintf("u%d/%s", i, long(1000)), "")
		}
		ann.sees(time.Second, "9 users, 9 sessions")
		p := k.dial()
		p.send(`{"type":"$hello","id":1,"data":{"token":"bob/%s"}}`, long(1024))
		p.want(`{"type":"$error","re":1,"data":{"code":"internal"}}`)
	})
}

// Asking for who is there.
func TestPresenceRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: named}, func(h *live.Hub) {
			present(h)
			h.ConfigureRooms("dark:*", live.RoomOptions{})
		})
		p := k.dial()
		p.enter("ann/1", "")
		p.want(`{"type":"$live"}`) // no $presence: it was not asked for
		p.send(`{"type":"$presence","id":3,"room":"room:7"}`)
		m := p.want(`{"type":"$ok","re":3,"data":{"version":1}}`)
		var got protocol.Presence
		if m.Codec.Unmarshal(m.Data, &got); got.Users == nil || len(*got.Users) != 1 || (*got.Users)[0].User != "ann" {
			t.Errorf("got %s", m.Data)
		}
		p.send(`{"type":"$presence","id":4,"room":"room:8"}`)
		p.want(`{"type":"$error","re":4,"data":{"code":"not-joined"}}`)
		p.send(`{"type":"$presence","id":5,"room":"dark:8"}`)
		p.want(`{"type":"$error","re":5,"data":{"code":"unsupported"}}`)
		p.send(`{"type":"$join","id":6,"room":"dark:8","data":{"presence":true}}`)
		p.want(`{"type":"$ok","re":6}`)
		p.want(`{"type":"$live","room":"dark:8"}`)
		p.send(`{"type":"$refresh","id":7,"data":{"token":"ann/2"}}`)
		p.want(`{"type":"$ok","re":7}`)
		time.Sleep(time.Second)
		crowd, err := k.hub.Room("room:7").Present(t.Context())
		if err != nil || fmt.Sprint(crowd.Members[0].Info) != "map[is:2]" {
			t.Errorf("behind a refresh: %+v, %v", crowd, err)
		}
		if crowd, err = k.hub.Room("room:8").Present(t.Context()); err != nil || crowd.Members == nil || len(crowd.Members) > 0 {
			t.Errorf("of an empty room: %+v, %v", crowd, err)
		}
		for _, name := range []string{"dark:8", "room:*", "none", ""} {
			if _, err := k.hub.Room(name).Present(t.Context()); err == nil {
				t.Errorf("presence in %q", name)
			}
		}
		if n := k.hub.Rooms(); n != 2 {
			t.Errorf("%d rooms", n)
		}
	})
}

// A member that does not read is told later, by all of it at once; nothing is lost.
func TestPresenceOfSlowMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &live.Options{Authenticate: named, Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 16 << 10, WriteTimeout: -1, PingInterval: -1}}}
		k := newKit(t, o, rooms(live.RoomOptions{History: 10, Presence: true}))
		slow := k.look("slow")
		p := k.dial()
		p.enter("x", "")
		for i := range 2000 {
			p.send(`{"type":"$refresh","data":{"token":"x/%d%s"}}`, i, long(500))
			time.Sleep(300 * time.Millisecond)
		}
		synctest.Wait()
		slow.sees(time.Second, "slow", "x/1999"+long(500))
		if slow.heard > 500 {
			t.Errorf("%d of 2000 were told", slow.heard)
		}
		p.send(`{"type":"$leave","room":"room:7"}`)
		slow.sees(time.Second, "slow")
		slow.send(`{"type":"$leave","id":9,"room":"room:7"}`)
		slow.want(`{"type":"$ok","re":9}`)
		p.send(`{"type":"$join","room":"room:7"}`)
		slow.silent() // it is no longer its business
	})
}
