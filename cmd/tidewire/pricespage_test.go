package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tidewire/tidewire/live"
)

// reads has the page read every price, or wait so many seconds between two looks.
func (p *tab) reads(pace string) {
	p.t.Helper()
	p.do(chromedp.SetValue(chromedp.CSS("#pace"), pace),
		chromedp.Evaluate[chromedp.Void](`document.querySelector("#pace").dispatchEvent(new Event("change")) && undefined`))
}

// charts waits until the page shows all prices and the last minute of a symbol.
func (p *tab) charts(symbol string) {
	p.t.Helper()
	p.until(`document.querySelector("#state").textContent === "Connected" && document.querySelectorAll("#quotes tbody tr").length >= 8 &&
		document.querySelector("#title").textContent.startsWith("%s: ") && document.querySelector("#chart canvas").width > 100`, symbol)
}

// number returns what one of the page's counters shows.
func (p *tab) number(id string) (n int) {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q).textContent", id)))
	if err == nil {
		_, err = fmt.Sscan(strings.ReplaceAll(text, ",", ""), &n)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// comeBack has the page try at once, as it does when the network is back.
func (p *tab) comeBack() {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](`dispatchEvent(new Event("online")) && undefined`))
}

func TestPricesPage(t *testing.T) {
	s := newShow(t, "127.0.0.1:0")
	chromium := browser(t)
	ann := open(t, chromium, "Ann's tab", s.url+"prices/")
	bob := open(t, chromium, "Bob's tab", s.url+"prices/")
	ann.charts("TIDE")
	bob.charts("TIDE")
	ann.shot("prices")

	// Both see the same prices.
	eventually(t, "both show the same range", func() error {
		var titles [2]string
		for i, p := range []*tab{ann, bob} {
			titles[i], _ = chromedp.Run(p.ctx, chromedp.Evaluate[string](`document.querySelector("#title").textContent`))
		}
		if titles[0] != titles[1] {
			return fmt.Errorf("%q", titles)
		}
		return nil
	})

	// A symbol is chosen by mouse and by keyboard, and stays chosen.
	bob.do(chromedp.Click(chromedp.CSS("#ANKR td")))
	bob.charts("ANKR")
	bob.do(chromedp.SendKeys(chromedp.CSS("#ANKR input"), kb.ArrowDown))
	bob.charts("BUOY")
	bob.do(chromedp.Reload())
	bob.charts("BUOY")

	// Who reads everything is spared nothing; who reads at times has the newest then.
	bob.until(`Number(document.querySelector("#read").textContent) > 10`)
	if n := bob.number("#spared"); n != 0 {
		t.Errorf("Bob was spared %d prices", n)
	}
	ann.reads("1")
	read := ann.number("#read")
	ann.until(`Number(document.querySelector("#spared").textContent) > 30`)
	ann.shot("prices-slow")
	if n := ann.number("#read") - read; n > 30 {
		t.Errorf("Ann looked at times, and read %d prices while she was spared %d", n, ann.number("#spared"))
	}
	ann.reads("0")
	reads := func(more int) {
		t.Helper()
		ann.until(`Number(document.querySelector("#read").textContent.replaceAll(",", "")) > %d`, ann.number("#read")+more)
	}
	reads(10)
	spared := ann.number("#spared")
	reads(10)
	if n := ann.number("#spared"); n != spared {
		t.Errorf("Ann reads everything again, and was spared %d prices since", n-spared)
	}

	// Prices flash, unless somebody wants no motion.
	ann.until(`document.getAnimations().length`)
	ann.do(func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		features := []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}
		_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return none, err
	})
	reads(10)
	ann.until(`!document.getAnimations().length`)

	// What is published is text.
	hostile := map[string]any{"symbol": "ZZ<b>", "name": `<img src=x onerror="document.title=1">`, "last": 1, "open": 2, "n": 1, "at": 1}
	if _, err := s.Hub.Room("prices:market").Publish(t.Context(), "quote", hostile, live.WithKey("ZZ")); err != nil {
		t.Fatal(err)
	}
	ann.until(`document.querySelector("#quotes tbody tr:last-child").textContent.includes("<img src=x onerror") && !document.querySelector("#quotes img")`)

	// A new server has new prices.
	s.stop()
	ann.until(`document.querySelector("#state").textContent === "Reconnecting…"`)
	ann.shot("prices-away")
	newShow(t, strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/"))
	ann.comeBack()
	bob.comeBack()
	ann.until(`document.querySelector("#state").textContent === "Connected" && Number(document.querySelector("#read").textContent) > 5 &&
		document.querySelector("#published").textContent === document.querySelector("#read").textContent`)
	bob.charts("BUOY")
	ann.fine()
	bob.fine()
}
