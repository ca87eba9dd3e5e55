package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/console"
	"github.com/tidewire/tidewire/web"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

const consoleKey, consoleReadKey = "a-key-for-the-tests", "another-one-to-look"

// A bureau serves the console of a hub that many sessions use, in memory, until the test ends.
type bureau struct {
	t      *testing.T
	hub    *live.Hub
	broker *moody
	url    string
	ln     *wstest.Listener
	engine *ws.Engine
	stop   func() // what the hub and the console serve
}

// moody is a broker of which a test says whether it can store messages.
type moody struct {
	live.Broker
	tell func(available bool)
}

func (m *moody) Watch(f func(available bool)) (cancel func()) {
	m.tell = f
	return func() {}
}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b := &bureau{t: t, ln: wstest.Listen(wstest.PipeOptions{Buffer: 4096}), engine: ws.NewEngine(), broker: &moody{Broker: live.NewMemory(nil)}}
	meter := &console.Meter{}
	b.hub = live.NewHub(&live.Options{
		Broker: b.broker,
		Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
			return live.Identity{User: c.Token, Info: map[string]string{"name": "<b>" + c.Token}}, nil
		},
		Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{Engine: b.engine}},
		Limits: live.Limits{AddressSessions: -1, AddressRate: -1},
		Hooks:  meter.Hooks(nil), Logger: log,
	})
	b.hub.ConfigureRooms("chat:*", live.RoomOptions{History: 100, Presence: true})
	b.hub.ConfigureRooms("own:*", live.RoomOptions{})
	desk, err := console.New(console.Options{Hub: b.hub, Keys: []string{consoleKey}, ReadKeys: []string{consoleReadKey}, Meter: meter, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.url = "http://" + ln.Addr().String() + "/console/"
	pages := http.NewServeMux()
	pages.Handle("/", web.Handler())
	pages.HandleFunc("GET /console/live", noSocket)
	server := &ws.Server{HTTP: pages, Logger: log, Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		if r.Path() == "/console/live" {
			return desk.Accept(r)
		}
		return nil, nil, nil
	}}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { server.Serve(ln) })
	all.Go(func() { b.hub.Serve(b.ln) })
	all.Go(func() { desk.Run(ctx) })
	b.stop = sync.OnceFunc(func() {
		b.hub.Close()
		desk.Close()
		server.Close()
		cancel()
		all.Wait()
	})
	t.Cleanup(b.stop)
	return b
}

// guest is a session that reads and does nothing by itself.
type guest struct{ *ws.Conn }

func (guest) Opened(*ws.Conn)                          {}
func (guest) Message(*ws.Conn, ws.MessageType, []byte) {}
func (guest) Closed(*ws.Conn, error)                   {}

func (b *bureau) seat(user string, rooms ...string) guest {
	c, _, err := ws.Dial(context.Background(), "ws://hub/", &ws.DialOptions{
		NetDial: b.ln.DialContext, ConnOptions: ws.ConnOptions{Engine: b.engine},
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	})
	if err != nil {
		b.t.Error(err)
		return guest{}
	}
	m := guest{c}
	c.Attach(m)
	m.say(b.t, `{"type":"$hello","data":{"token":%q}}`, user)
	for _, room := range rooms {
		m.say(b.t, `{"type":"$join","room":%q}`, room)
	}
	return m
}

func (m guest) say(t *testing.T, format string, args ...any) {
	if err := m.Write(context.Background(), ws.Text, fmt.Appendf(nil, format, args...)); err != nil {
		t.Error(err)
	}
}

// crowd has so many sessions come, each into a room of its own and one of a hundred others.
func (b *bureau) crowd(n int) (members []guest) {
	b.t.Helper()
	members = make([]guest, n)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := g; i < n; i += 8 {
				members[i] = b.seat(fmt.Sprintf("user-%05d", i), fmt.Sprintf("own:%d", i), fmt.Sprintf("chat:%d", i%100))
			}
		})
	}
	all.Wait()
	b.t.Cleanup(func() {
		b.stop()
		for _, m := range members {
			if m.Conn != nil {
				m.CloseNow()
			}
		}
	})
	eventually(b.t, "all have joined", func() error {
		if s := b.hub.State(); s.Members != 2*n {
			return fmt.Errorf("%d sessions, %d members", s.Sessions, s.Members)
		}
		return nil
	})
	return members
}

// enter types the key.
func (p *tab) enter(key string) {
	p.t.Helper()
	p.until(`document.querySelector("#door")?.hidden === false`)
	p.do(selectAll("#key"), chromedp.SendKeys(chromedp.CSS("#key"), key), chromedp.Click(chromedp.CSS("#door button")))
}

// goes opens a view of the console.
func (p *tab) goes(hash string) {
	p.t.Helper()
	p.run(fmt.Sprintf(`location.hash = %q`, hash))
}

// look takes screenshots of the console at three widths, light and dark, if -shots is given, and wants it to fit.
func (p *tab) look(name string) {
	p.t.Helper()
	for _, width := range []int64{360, 900, 1600} {
		for _, scheme := range []string{"light", "dark"} {
			if *shots == "" && scheme == "dark" {
				continue // nothing is of another size
			}
			p.scheme(scheme)
			p.do(chromedp.EmulateViewport(width, 900))
			p.until(`innerWidth === %d && document.documentElement.scrollWidth <= innerWidth`, width)
			if *shots == "" {
				continue
			}
			p.until(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
			png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				p.t.Fatal(err)
			}
			file := filepath.Join(*shots, fmt.Sprintf("console-%s-%d-%s.png", name, width, scheme))
			if err := os.WriteFile(file, png, 0o644); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.scheme("")
	p.do(chromedp.EmulateViewport(1280, 800))
}
