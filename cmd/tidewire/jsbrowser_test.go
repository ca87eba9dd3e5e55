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
	set    live.Options // Backoff and DrainWindow; start fills in the rest
	broker *live.Memory
	hub    *live.Hub
	server *http.Server
	served chan error

	mu       sync.Mutex
	sessions map[*live.Session]bool
}

func newLiveServer(t *testing.T, set live.Options) *liveServer {
	s := &liveServer{t: t, set: set, addr: "127.0.0.1:0", broker: live.NewMemory(nil), sessions: map[*live.Session]bool{}}
	s.start()
	t.Cleanup(func() {
		s.stop()
		s.broker.Close()
	})
	return s
}

// quick has clients come back soon.
var quick = live.Options{BackoffMin: 50 * time.Millisecond, BackoffMax: 200 * time.Millisecond}

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
	set := s.set
	set.Broker, set.Authenticate, set.Limits.ExpiryGrace = s.broker, authenticate, time.Minute
	set.Hooks = &live.Hooks{
		Connected:    func(c *live.Session) { note(c, true) },
		Disconnected: func(c *live.Session, _ error) { note(c, false) },
	}
	s.hub = live.NewHub(&set)
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

// jumps lets a page's clock be set.
const jumps = `const now = Date.now; window.skew = 0; Date.now = () => now() + skew`

// TestBrowserClient runs the client in Chromium against a hub.
func TestBrowserClient(t *testing.T) {
	s := newLiveServer(t, quick)
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

	// The application keeps the position.
	t.Run("loaded anew", func(t *testing.T) {
		p.do(chromedp.Navigate("about:blank"))
		s.connected(0)
		s.publish(50, 51)
		p.do(chromedp.Navigate(url))
		p.begin(`"ann"`)
		p.heard("open", "50", "51")
		p.until(`!heard.length`)
		p.do(chromedp.Reload())
		s.publish(52)
		p.begin(`"ann"`)
		p.heard("52")
		p.until(`!heard.length`)
	})

	// What is under way has its answer, and a connection that is well is kept.
	t.Run("a clock that jumps", func(t *testing.T) {
		p.run(jumps)
		for i, jump := range []string{"+", "-"} {
			n := 60 + i
			p.run(fmt.Sprintf(`Promise.all([%d, 90, 91].map((n) => room.send("n", n))).then(() => heard.push("stored"), (e) => heard.push(e.code));
				tw.call("sum", [7]).then((n) => heard.push("sum " + n), (e) => heard.push(e.code));
				skew %s= 3_600_000`, n, jump))
			p.until(`["stored", "sum 7", %d].every((h) => heard.includes(h))`, n)
			p.run(`document.dispatchEvent(new Event("visibilitychange"));
				tw.call("sum", [1, 1]).then((n) => heard.push("sum " + n))`) // behind the question whether the server lives
			p.heard("sum 2")
			s.connected(1)
			p.until(`!heard.length && tw.state.phase === "open"`)
		}
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

	// A connection that died while the machine slept is opened anew when the page is seen again, however long the page
	// was told to wait.
	t.Run("asleep for an hour", func(t *testing.T) {
		s := newLiveServer(t, live.Options{BackoffMin: time.Hour, BackoffMax: time.Hour})
		q := open(t, chromium, "a page that sleeps", "http://"+s.addr+"/")
		q.begin(`"ann"`)
		q.run(jumps)
		s.cut()
		q.until(`tw.state.wait === 3_600_000`)
		s.publish(70, 71)
		q.run(`skew += 3_600_000; document.dispatchEvent(new Event("visibilitychange"))`)
		q.heard("waiting", "connecting", "open", "70", "71")
		q.fine()
	})

	t.Run("drained", func(t *testing.T) { testDrained(t, chromium) })

	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		if !strings.Contains(c, "net::ERR_INTERNET_DISCONNECTED") {
			t.Errorf("the page complained: %s", c)
		}
	}
}

// testDrained has 200 clients whose server goes, while another one comes on the same port. They are closed one by one, and come
// back one by one. They are in four pages that come through ports of their own: Chromium opens one WebSocket to a port at a
// time, and makes a page that opens many wait.
func testDrained(t *testing.T, chromium context.Context) {
	const pages, each = 4, 50
	const window, least, greatest = 1200.0, 100.0, 1200.0 // milliseconds
	s := newLiveServer(t, live.Options{
		BackoffMin: least * time.Millisecond, BackoffMax: greatest * time.Millisecond, DrainWindow: window * time.Millisecond,
	})
	var all []*tab
	for n := range pages {
		door := newBadNetwork(t, s.addr, 0)
		door.mu.Lock()
		door.well = true // it is none
		door.mu.Unlock()
		p := open(t, chromium, fmt.Sprint("page ", n), "http://"+door.ln.Addr().String()+"/")
		p.until("window.ready")
		p.run(fmt.Sprintf("crowd(%d)", each))
		all = append(all, p)
	}
	for _, p := range all {
		p.until("clients.length === %d", each)
	}
	s.publish(1)

	hub, server := s.hub, s.server
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil { // the port is free, and the connections stay
		t.Fatal(err)
	}
	<-s.served
	s.start()
	s.publish(2)
	if err := hub.Shutdown(ctx); err != nil {
		t.Errorf("it drained: %v", err)
	}
	s.publish(3)
	var lost, waits, opened []float64
	for _, p := range all {
		p.until("clients.every((c) => c.heard.at(-1) === 3)")
		clients, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]struct {
			Opened, Lost, Waits []float64
			Heard               []any
		}]("clients"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range clients {
			if len(c.Lost) != 1 || len(c.Opened) != 2 || fmt.Sprint(c.Heard) != "[1 2 3]" {
				t.Fatalf("a client was told %+v", c)
			}
			lost, waits, opened = append(lost, c.Lost[0]), append(waits, c.Waits[0]), append(opened, c.Opened[1])
		}
		p.fine()
	}
	spread(t, "they were closed", lost, window)
	spread(t, "they waited", waits, greatest-least)
	spread(t, "they came back", opened, window+greatest-least)
	if slices.Min(waits) < least || slices.Max(waits) > greatest {
		t.Errorf("they waited %v to %v ms", slices.Min(waits), slices.Max(waits))
	}
}

// spread looks whether times are spread over most of a span, and not gathered in a fifth of it.
func spread(t *testing.T, what string, times []float64, span float64) {
	t.Helper()
	slices.Sort(times)
	most := 0
	for i, from := range times {
		n, _ := slices.BinarySearch(times, from+span/5)
		most = max(most, n-i)
	}
	width := times[len(times)-1] - times[0]
	if width < span*0.6 || most > len(times)*2/3 {
		t.Errorf("%s over %.0f of %.0f ms, %d of %d within a fifth of that", what, width, span, most, len(times))
	}
}
