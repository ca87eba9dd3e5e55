package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/gallery"
)

// shots is for looking at the pages: go test ./cmd/tidewire -run Gallery -shots /tmp/shots
var shots = flag.String("shots", "", "folder for screenshots of the gallery's pages in their states")

// A show serves the gallery on addr until the test, or stop, ends it.
type show struct {
	*gallery.Gallery
	url  string // ends with a slash
	stop func()
}

func newShow(t *testing.T, addr string) *show {
	t.Helper()
	var ln net.Listener
	eventually(t, "the port is free", func() (err error) { // of another program's outgoing connection, too
		ln, err = net.Listen("tcp", addr)
		return err
	})
	log := slog.New(slog.DiscardHandler)
	s := &show{Gallery: gallery.New(log), url: "http://" + ln.Addr().String() + "/"}
	server := newServer(s.Hub, log)
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

// fine looks whether the page complained.
func (p *tab) fine() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		p.t.Errorf("%s complained: %s", p.name, c)
	}
}
