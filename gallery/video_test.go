package gallery

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
)

var mute = slog.New(slog.DiscardHandler)

// caller is a program that calls others.
type caller struct {
	*client.Client
	t    *testing.T
	room *client.Room
	live chan struct{}
	told chan string // the hellos and signals that come, as JSON
}

// phone serves a hub, and returns what connects to it.
func phone(t *testing.T, hub *live.Hub) (connect func(name, room string) *caller) {
	t.Helper()
	server := httptest.NewServer(hub)
	t.Cleanup(func() {
		hub.Close()
		server.Close()
	})
	return func(name, room string) *caller {
		t.Helper()
		c, err := client.Dial(t.Context(), server.URL, &client.Options{
			Token: func(context.Context, client.Reason) (string, error) { return name, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		p := &caller{Client: c, t: t, live: make(chan struct{}, 1), told: make(chan string, 100)}
		if p.room, err = c.Room(room, nil); err != nil {
			t.Fatal(err)
		}
		for _, typ := range []string{"hello", "signal"} {
			client.OnMessage(p.room, typ, func(_ context.Context, v json.RawMessage, _ client.Meta) { p.told <- string(v) })
		}
		p.room.OnLive(func(context.Context) { p.live <- struct{}{} })
		return p
	}
}

func (p *caller) id() string { return p.State().Session }

// join joins, as soon as there is a seat.
func (p *caller) join() {
	p.t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		err := p.room.Join(p.t.Context())
		if err == nil {
			<-p.live
			return
		}
		if codeOf(err) != "video.full" || time.Now().After(until) {
			p.t.Fatal(err)
		}
	}
}

// say sends JSON, and returns the code of the refusal, or "".
func (p *caller) say(typ, text string) string {
	p.t.Helper()
	_, err := p.room.Send(p.t.Context(), typ, json.RawMessage(text))
	return codeOf(err)
}

// hears waits for a message.
func (p *caller) hears(want string) {
	p.t.Helper()
	select {
	case got := <-p.told:
		if got != want {
			p.t.Fatalf("came %s, want %s", got, want)
		}
	case <-time.After(20 * time.Second):
		p.t.Fatalf("nothing came, want %s", want)
	}
}

// codeOf returns the code of what a hub refused.
func codeOf(err error) string {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestVideo(t *testing.T) {
	connect := phone(t, New(Options{Logger: mute}).Hub)
	ada, grace := connect("Ada", "video:tea"), connect("Grace", "video:tea")
	ada.join()
	grace.join()

	// Who says something is what the server says.
	if code := grace.say("hello", `{"from":"x","name":"y","more":1}`); code != "" {
		t.Fatal(code)
	}
	hello := `{"from":"` + grace.id() + `","name":"Grace"}`
	ada.hears(hello)
	grace.hears(hello)
	offer := `"description":{"type":"offer","sdp":"v=0\r\n"}`
	if code := ada.say("signal", `{"from":"x","to":"`+grace.id()+`",`+offer+`,"more":1}`); code != "" {
		t.Fatal(code)
	}
	grace.hears(`{"from":"` + ada.id() + `","name":"Ada","to":"` + grace.id() + `",` + offer + `}`)
	address := `"candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":null}`
	if code := grace.say("signal", `{"to":"`+ada.id()+`",`+address+`}`); code != "" {
		t.Fatal(code)
	}
	ada.hears(`{"from":"` + ada.id() + `","name":"Ada","to":"` + grace.id() + `",` + offer + `}`) // its own
	ada.hears(`{"from":"` + grace.id() + `","name":"Grace","to":"` + ada.id() + `",` + address + `}`)

	// A third one waits until somebody goes.
	alan := connect("Alan", "video:tea")
	if code := codeOf(alan.room.Join(t.Context())); code != "video.full" {
		t.Errorf("a third one came in: %s", code)
	}
	if code := alan.say("hello", `{}`); code != "video.outside" {
		t.Errorf("from outside: %q", code)
	}
	if code := ada.say("signal", `{"to":"`+alan.id()+`",`+offer+`}`); code != "video.gone" {
		t.Errorf("to the outside: %q", code)
	}
	grace.Close(t.Context())
	alan.join()
	if code := ada.say("signal", `{"to":"`+alan.id()+`",`+offer+`}`); code != "" {
		t.Errorf("to who came in: %q", code)
	}

	// A session is in one call, and may come into that again.
	other, _ := ada.Room("video:coffee", nil)
	if code := codeOf(other.Join(t.Context())); code != "video.once" {
		t.Errorf("a second call: %q", code)
	}
	ada.room.Leave(t.Context())
	again, _ := ada.Room("video:tea", nil)
	if err := again.Join(t.Context()); err != nil {
		t.Error(err)
	}
	all, _ := ada.Room("video:*", nil)
	if code := codeOf(all.Join(t.Context())); code != "forbidden" {
		t.Errorf("listening to all calls: %q", code)
	}
}

func TestVideoRefuses(t *testing.T) {
	connect := phone(t, New(Options{Logger: mute}).Hub)
	ada, grace := connect("Ada", "video:tea"), connect("Grace", "video:tea")
	ada.join()
	grace.join()
	line := func(n int) string { return strings.Repeat("a=x:y;\\r\\n", n/8+1)[:n/8*10] } // n bytes, as JSON
	for name, tc := range map[string]struct{ typ, data, code string }{
		"another type":       {"chat", `{}`, "guest.type"},
		"nothing":            {"signal", `{"to":"TO"}`, "video.signal"},
		"both":               {"signal", `{"to":"TO","description":{"type":"offer","sdp":"v"},"candidate":{"candidate":""}}`, "video.signal"},
		"a rollback":         {"signal", `{"to":"TO","description":{"type":"rollback","sdp":"v"}}`, "video.signal"},
		"an empty one":       {"signal", `{"to":"TO","description":{"type":"offer","sdp":""}}`, "video.signal"},
		"a long one":         {"signal", `{"to":"TO","description":{"type":"offer","sdp":"` + line(maxSDP+8) + `"}}`, "video.signal"},
		"the longest":        {"signal", `{"to":"TO","description":{"type":"offer","sdp":"` + line(maxSDP) + `"}}`, ""},
		"a long candidate":   {"signal", `{"to":"TO","candidate":{"candidate":"` + strings.Repeat("x", maxCandidate+1) + `"}}`, "video.signal"},
		"a long mid":         {"signal", `{"to":"TO","candidate":{"candidate":"","sdpMid":"` + strings.Repeat("x", maxSDPWord+1) + `"}}`, "video.signal"},
		"a long fragment":    {"signal", `{"to":"TO","candidate":{"candidate":"","usernameFragment":"` + strings.Repeat("x", maxSDPWord+1) + `"}}`, "video.signal"},
		"a strange index":    {"signal", `{"to":"TO","candidate":{"candidate":"","sdpMLineIndex":65536}}`, "invalid"},
		"the last candidate": {"signal", `{"to":"TO","candidate":{"candidate":"","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"x"}}`, ""},
		"to nobody":          {"signal", `{"description":{"type":"offer","sdp":"v"}}`, "video.gone"},
		"to itself":          {"signal", `{"to":"ME","description":{"type":"offer","sdp":"v"}}`, "video.gone"},
		"no object":          {"signal", `[]`, "invalid"},
	} {
		data := strings.NewReplacer(`"TO"`, `"`+grace.id()+`"`, `"ME"`, `"`+ada.id()+`"`).Replace(tc.data)
		if code := ada.say(tc.typ, data); code != tc.code {
			t.Errorf("%s: %q, want %q", name, code, tc.code)
		}
	}
}

// Seats end with their sessions.
func TestVideoKeepsNoSeats(t *testing.T) {
	hub := live.NewHub(&live.Options{Authenticate: introduce, Logger: mute})
	c := newCalls()
	c.serve(hub)
	connect := phone(t, hub)
	for _, room := range []string{"video:a", "video:a", "video:b"} {
		connect("Ada", room).join()
	}
	count := func() (seats, rooms int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.seats), len(c.rooms)
	}
	if seats, rooms := count(); seats != 2 || rooms != 3 {
		t.Errorf("%d calls with %d seats", seats, rooms)
	}
	hub.Close()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		seats, rooms := count()
		if seats+rooms == 0 {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%d calls with %d seats are left", seats, rooms)
		}
	}
}
