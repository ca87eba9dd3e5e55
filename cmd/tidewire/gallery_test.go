package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/gallery"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

// shots is for looking at the pages: go test ./cmd/tidewire -run Gallery -shots /tmp/shots
var shots = flag.String("shots", "", "folder for screenshots of the gallery's pages in their states")

// A show serves the gallery on addr until the test, or stop, ends it.
type show struct {
	*gallery.Gallery
	t    *testing.T
	url  string // ends with a slash
	stop func()

	mu    sync.Mutex
	away  bool // nobody is let in
	conns []*ws.Conn
}

// followed is a session whose connection leave can cut.
type followed struct {
	*live.Session
	s *show
}

func (f followed) Opened(c *ws.Conn) {
	f.Session.Opened(c)
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.s.conns = append(f.s.conns, c)
}

// addr is where it serves: what newShow takes, to serve there again.
func (s *show) addr() string { return strings.Trim(strings.TrimPrefix(s.url, "http:"), "/") }

func newShow(t *testing.T, addr string) *show {
	t.Helper()
	var ln net.Listener
	eventually(t, "the port is free", func() (err error) { // of another program's outgoing connection, too
		ln, err = net.Listen("tcp", addr)
		return err
	})
	log := slog.New(slog.DiscardHandler)
	s := &show{Gallery: gallery.New(gallery.Options{Logger: log}), t: t, url: "http://" + ln.Addr().String() + "/"}
	ready := &readiness{}
	app := &application{hub: s.Hub, demos: s.Gallery}
	ready.open(func() string { return "" })
	server := newServer(app, ready, log)
	accept := server.Accept
	server.Accept = func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		h, o, err := accept(r)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.away {
			return nil, nil, &ws.Refusal{Status: http.StatusServiceUnavailable}
		}
		if session, ok := h.(*live.Session); ok {
			return followed{session, s}, o, err
		}
		return h, o, err
	}
	served, ran := make(chan error, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { served <- server.Serve(ln) }()
	go func() { defer close(ran); s.Run(ctx) }()
	stopped := false
	s.stop = func() {
		if !stopped {
			stopped = true
			s.Hub.Close()
			server.Close()
			<-served
			cancel()
			<-ran
		}
	}
	t.Cleanup(s.stop)
	return s
}

// leave cuts all connections without a word, and lets nobody in until comeBack.
func (s *show) leave() {
	s.t.Helper()
	s.mu.Lock()
	s.away = true
	s.mu.Unlock()
	eventually(s.t, "they are gone", func() error {
		s.mu.Lock()
		all := s.conns
		s.conns = nil
		s.mu.Unlock()
		for _, c := range all {
			c.CloseNow()
		}
		if n := s.Hub.Len(); n > 0 {
			return fmt.Errorf("%d are there", n)
		}
		return nil
	})
}

// comeBack lets everybody in again, and has these tabs try at once.
func (s *show) comeBack(tabs ...*tab) {
	s.t.Helper()
	s.mu.Lock()
	s.away = false
	s.mu.Unlock()
	for _, p := range tabs {
		p.run(`dispatchEvent(new Event("online"))`)
	}
}

// shot takes screenshots of a page in its present state, if -shots is given: at phone and desk width, light and dark.
func (p *tab) shot(name string) {
	p.t.Helper()
	if *shots == "" {
		return
	}
	if err := os.MkdirAll(*shots, 0o755); err != nil {
		p.t.Fatal(err)
	}
	for _, screen := range []struct {
		name          string
		width, height int64
	}{{"desk", 1280, 800}, {"phone", 390, 844}} {
		for _, scheme := range []string{"light", "dark"} {
			p.scheme(scheme)
			p.do(chromedp.EmulateViewport(screen.width, screen.height))
			p.until("innerWidth === %d", screen.width)
			png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				p.t.Fatal(err)
			}
			file := filepath.Join(*shots, fmt.Sprintf("%s-%s-%s.png", name, screen.name, scheme))
			if err := os.WriteFile(file, png, 0o644); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.scheme("")
	p.do(chromedp.EmulateViewport(1280, 800))
}

// scheme has the page shown as somebody sees it who prefers light or dark.
func (p *tab) scheme(name string) {
	p.t.Helper()
	p.do(func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}
		_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return none, err
	})
}

// before has every page that is loaded from now on run a script before its own.
func (p *tab) before(script string) {
	p.t.Helper()
	p.do(func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return none, err
	})
}

// fine looks whether the page complained.
func (p *tab) fine() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		p.t.Errorf("%s complained: %s", p.name, c)
	}
}
