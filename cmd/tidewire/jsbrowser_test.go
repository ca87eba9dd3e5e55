package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/js"
	"github.com/tidewire/tidewire/live"
)

// A liveServer has a hub, the browser client and a page that uses it. It can be stopped, and started on the same port.
type liveServer struct {
	t      *testing.T
	addr   string
	broker *live.Memory
	hub    *live.Hub
	server *http.Server
	served chan error

	mu       sync.Mutex
	sessions map[*live.Session]bool
}

func newLiveServer(t *testing.T) *liveServer {
	s := &liveServer{t: t, addr: "127.0.0.1:0", broker: live.NewMemory(nil), sessions: map[*live.Session]bool{}}
	s.start()
	t.Cleanup(func() {
		s.stop()
		s.broker.Close()
	})
	return s
}

// authenticate takes a token for the user's name. "bad" is refused, and "brief" lasts for three seconds.
func authenticate(_ context.Context, c live.Credentials) (live.Identity, error) {
	switch c.Token {
	case "bad":
		return live.Identity{}, &live.Error{Code: "unauthorized"}
	case "brief":
		return live.Identity{User: "ann", Expires: time.Now().Add(3 * time.Second)}, nil
	}
	return live.Identity{User: c.Token}, nil
}

func (s *liveServer) start() {
	note := func(c *live.Session, there bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.sessions, c); there {
			s.sessions[c] = true
		}
	}
	s.hub = live.NewHub(&live.Options{
		Broker: s.broker, BackoffMin: 50 * time.Millisecond, BackoffMax: 200 * time.Millisecond, Authenticate: authenticate,
		Limits: live.Limits{ExpiryGrace: time.Minute},
		Hooks: &live.Hooks{
			Connected:    func(c *live.Session) { note(c, true) },
			Disconnected: func(c *live.Session, _ error) { note(c, false) },
		},
	})
	s.hub.ConfigureRooms("room:*", live.RoomOptions{History: 100, Presence: true})
	live.Handle(s.hub, "sum", func(_ context.Context, _ *live.Session, n []int) (sum int, err error) {
		for _, x := range n {
			sum += x
		}
		return sum, nil
	})
	live.Handle(s.hub, "ask", func(ctx context.Context, c *live.Session, q string) (bool, error) {
		return live.Call[string, bool](ctx, c, "confirm", q)
	})
	mux := http.NewServeMux()
	mux.Handle("/live", s.hub)
	mux.Handle("/tidewire.js", js.Handler())
	mux.Handle("/tidewire/", js.Handler())
	files := http.FileServer(http.Dir("testdata/jsclient"))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; require-trusted-types-for 'script'")
		files.ServeHTTP(w, r)
	})
	var ln net.Listener
	for deadline := time.Now().Add(patience); ; { // another program's outgoing connection may have the port for a moment
		var err error
		if ln, err = net.Listen("tcp", s.addr); err == nil {
			break
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.addr = ln.Addr().String()
	s.server = &http.Server{Handler: mux}
	s.served = make(chan error, 1)
	go func() { s.served <- s.server.Serve(ln) }()
}

func (s *liveServer) stop() {
	s.server.Close()
	<-s.served
	s.hub.Close()
}

// publish stores numbers in the room.
func (s *liveServer) publish(numbers ...int) {
	s.t.Helper()
	for _, n := range numbers {
		if _, err := s.hub.Room("room:7").Publish(context.Background(), "n", n); err != nil {
			s.t.Fatal(err)
		}
	}
}

// cut ends all connections without a word.
func (s *liveServer) cut() {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.sessions))
	s.mu.Unlock()
	for _, c := range all {
		c.Conn().CloseNow()
	}
}

// connected waits until there are so many connections.
func (s *liveServer) connected(n int) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		there := len(s.sessions)
		s.mu.Unlock()
		if there == n {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d connections are there, want %d", there, n)
		}
	}
}

// run runs JavaScript.
func (p *tab) run(script string) {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](script))
}

// heard waits until the page's functions were told the last of these, forgets all, and looks whether these came, in this order.
func (p *tab) heard(want ...string) {
	p.t.Helper()
	p.until("heard.map(String).includes(%q)", want[len(want)-1])
	got, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]string]("heard.splice(0).map(String)"))
	if err != nil {
		p.t.Fatal(err)
	}
	rest := slices.Clone(got)
	for _, w := range want {
		i := slices.Index(rest, w)
		if i < 0 {
			p.t.Fatalf("heard %q, want %q", got, want)
		}
		rest = rest[i+1:]
	}
}

// text evaluates JavaScript.
func (p *tab) text(script string) string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](script))
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// count returns how often the page's functions were told that.
func (p *tab) count(what string) int {
	p.t.Helper()
	n, err := chromedp.Run(p.ctx, chromedp.Evaluate[int](fmt.Sprintf("heard.filter((h) => h === %q).length", what)))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

func (p *tab) begin(tokens string) {
	p.t.Helper()
	p.until("window.ready")
	p.run("begin(" + tokens + ")")
	p.until(`tw.state.phase === "open" && room.joined`)
}

// TestBrowserClient runs the client in Chromium against a hub.
func TestBrowserClient(t *testing.T) {
	s := newLiveServer(t)
	chromium := browser(t)
	url := "http://" + s.addr + "/"
	p := open(t, chromium, "the page", url)
	p.begin(`"ann"`)

	t.Run("messages and calls", func(t *testing.T) {
		s.publish(1, 2)
		p.heard("1", "2")
		p.run(`room.send("n", 3).then((pos) => heard.push("stored " + pos.seq), (e) => heard.push(e.code))`)
		p.until(`heard.some((h) => String(h).startsWith("stored ")) && heard.includes(3)`)
		p.run(`tw.call("sum", [1, 2, 4]).then((n) => heard.push("sum " + n))`)
		p.heard("sum 7")
		p.run(`tw.handle("confirm", async (q) => q === "sure?"); tw.call("ask", "sure?").then((yes) => heard.push("yes " + yes))`)
		p.heard("yes true")
		p.until(`room.present.users === 1 && room.present.members[0].user === "ann"`)
	})

	t.Run("the server is started anew", func(t *testing.T) {
		s.stop()
		p.until(`tw.state.phase !== "open"`)
		p.run(`room.send("n", 10).catch((e) => heard.push(e.code))`)
		s.start()
		s.publish(11)
		p.until(`heard.includes(10) && heard.includes(11)`)
		p.heard("waiting", "connecting", "open", "11")
		s.connected(1)
	})

	t.Run("offline and online", func(t *testing.T) {
		conditions := cdp.Command[network.OverrideNetworkStateParams, cdp.Empty]{Method: "Network.emulateNetworkConditions"}
		set := func(offline bool) {
			p.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
				_, err := cdp.Call(ctx, t, conditions, network.OverrideNetworkStateParams{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1})
				return chromedp.Void{}, err
			})
		}
		set(true)
		p.until("!navigator.onLine")
		s.cut() // the emulation leaves the connection that is there alone
		p.until(`heard.filter((h) => h === "connecting").length > 2`)
		s.publish(20, 21)
		p.until(`!heard.includes("open")`)
		set(false)
		p.heard("waiting", "open", "20", "21")
	})

	t.Run("the back/forward cache", func(t *testing.T) {
		p.do(chromedp.Navigate(url + "page.js"))
		s.connected(0)
		s.publish(30, 31)
		p.do(chromedp.Evaluate[chromedp.Void]("history.back()"))
		p.until("window.ready")
		p.heard("waiting", "persisted", "open", "30", "31")
	})

	t.Run("frozen", func(t *testing.T) {
		life := func(state page.SetWebLifecycleStateState) {
			p.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
				_, err := cdp.Call(ctx, t, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
				return chromedp.Void{}, err
			})
		}
		life("frozen")
		s.connected(0)
		s.publish(40)
		life("active")
		p.heard("waiting", "open", "40")
	})

	t.Run("closed", func(t *testing.T) {
		p.run("tw.close()")
		s.connected(0)
		p.until(`tw.state.phase === "closed"`)
	})

	t.Run("tokens", func(t *testing.T) {
		q := open(t, chromium, "a refused page", url)
		q.begin(`"bad", "bob"`)
		q.heard("token hello", "waiting", "token refused", "open")
		q.until(`tw.state.user === "bob"`)
		q.run("tw.close()")
		q = open(t, chromium, "a brief page", url)
		q.begin(`"brief", "ann"`)
		q.heard("token hello", "open", "token expiry")
		// Nothing is lost, and the connection stays: it is no longer one that expires.
		time.Sleep(time.Second)
		s.publish(50)
		q.heard("50")
		q.until(`!heard.includes("waiting") && tw.state.phase === "open"`)
	})

	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		if !strings.Contains(c, "net::ERR_INTERNET_DISCONNECTED") {
			t.Errorf("the page complained: %s", c)
		}
	}
}
