package main

import (
	"context"
	"errors"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// shares connects as one of several tabs.
func (p *tab) shares(token string) {
	p.t.Helper()
	p.until("window.ready")
	p.run(`beginWith({ shareTabs: true }, "` + token + `")`)
	p.until(`tw.state.phase === "open" && room.joined`)
}

// endWorkers ends the workers that tabs share.
func (p *tab) endWorkers() {
	p.t.Helper()
	p.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		all, err := cdp.Call(ctx, t, target.GetTargets, target.GetTargetsParams{})
		if err != nil {
			return chromedp.Void{}, err
		}
		n := 0
		for _, one := range all.TargetInfos {
			if one.Type == "shared_worker" {
				n++
				if _, err := cdp.Call(ctx, chromedp.FromContext(ctx).Browser, target.CloseTarget, target.CloseTargetParams{TargetID: one.TargetID}); err != nil {
					return chromedp.Void{}, err
				}
			}
		}
		if n == 0 {
			return chromedp.Void{}, errors.New("there are no workers")
		}
		return chromedp.Void{}, nil
	})
}

// TestTabsShareAConnection runs the client in tabs of Chromium that share one.
func TestTabsShareAConnection(t *testing.T) {
	s := newLiveServer(t, quick)
	chromium := browser(t)
	url := "http://" + s.addr + "/"
	one := open(t, chromium, "the first tab", url)
	one.shares("ann")
	s.publish(1)
	one.heard("1")
	two := open(t, chromium, "the second tab", url)
	two.shares("ann")
	s.connected(1)
	two.until(`tw.state.session === %q`, one.text("tw.state.session"))
	s.publish(2)
	one.heard("2")
	two.heard("open", "2")
	two.run(`room.send("n", 3)`)
	one.heard("3")
	two.heard("3")

	// Another user shares nothing with them.
	bob := open(t, chromium, "Bob's tab", url)
	bob.shares("bob")
	s.connected(2)
	bob.until(`tw.state.user === "bob"`)
	one.until(`tw.state.user === "ann"`)

	// The server's call reaches one tab.
	for _, p := range []*tab{one, two} {
		p.run(`tw.handle("confirm", () => { heard.push("asked"); return true; })`)
	}
	two.run(`tw.call("ask", "sure?").then((yes) => heard.push("yes " + yes))`)
	two.until(`heard.includes("yes true")`)
	if n := one.count("asked") + two.count("asked"); n != 1 {
		t.Errorf("%d tabs were asked", n)
	}
	two.run("heard.length = 0")

	// The connection is cut: both are back, over one, and have missed nothing.
	s.cut()
	s.publish(4)
	one.until(`heard.includes(4)`)
	two.until(`heard.includes(4)`)
	bob.until(`heard.includes(4)`)
	s.connected(2)

	// One tab logs out, and in as somebody else.
	two.run(`tw.close(); heard.length = 0`)
	two.until(`tw.state.phase === "closed"`)
	two.run(`tokens.length = 0; beginWith({ shareTabs: true }, "cy")`)
	two.until(`tw.state.phase === "open" && tw.state.user === "cy" && room.joined`)
	s.connected(3)
	one.until(`tw.state.phase === "open" && tw.state.user === "ann"`)
	two.run(`tw.close(); tokens.length = 0; heard.length = 0; beginWith({ shareTabs: true }, "ann")`)
	two.until(`tw.state.phase === "open" && tw.state.user === "ann" && room.joined`)
	s.connected(2)

	// The tab that had opened the connection closes.
	session := one.text("tw.state.session")
	one.run("heard.length = 0")
	one.end()
	s.publish(5)
	two.heard("5")
	two.until(`tw.state.session === %q`, session)

	// The worker dies, and another one starts.
	s.connected(2)
	session = two.text("tw.state.session")
	two.run("heard.length = 0")
	two.endWorkers()
	s.publish(50)
	two.heard("waiting", "open", "50")
	two.until(`tw.state.session !== %q`, session)
	s.connected(2)

	// A page that is put away, and comes back.
	two.do(chromedp.Navigate(url + "page.js"))
	s.connected(1)
	s.publish(6)
	two.do(chromedp.Evaluate[chromedp.Void]("history.back()"))
	two.until("window.ready")
	two.heard("persisted", "open", "6")
	for _, p := range []*tab{two, bob} {
		p.fine()
	}
}
