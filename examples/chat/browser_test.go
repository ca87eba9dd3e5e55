package main

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const patience = 30 * time.Second

// TestBrowser opens the page twice in Chromium: both chat, the server is stopped and
// started again, both come back by themselves, and chat again.
func TestBrowser(t *testing.T) {
	host, stop, err := launch("-addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { stop() }()

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU)
	if path, err := exec.LookPath("chromium"); err == nil {
		options = append(options, chromedp.ExecPath(path))
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	ctx, _ = chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	defer func() {
		bound, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := chromedp.Cancel(bound); err != nil {
			t.Errorf("chromium does not end: %v", err)
		}
	}()
	tabs := []tab{open(t, ctx, "http://"+host+"/"), open(t, ctx, "http://"+host+"/")}
	connected := func() {
		for _, p := range tabs {
			p.until(`document.querySelector("#state").textContent === "connected"`)
		}
	}
	connected()
	// The first has been told that the second is there: then both are members.
	tabs[0].until(`document.querySelectorAll("#log .note").length === 2`)

	const text = `<b>"hello"</b> & more`
	tabs[1].say(text)
	for _, p := range tabs {
		p.until(`[...document.querySelectorAll("#log div")].at(-1).textContent.endsWith(%q)`, ": "+text)
		p.until(`!document.querySelector("#log b")`)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, p := range tabs {
		p.until(`document.querySelector("#state").textContent.startsWith("disconnected (100")`)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ; <-ticker.C {
		// For a moment another program's outgoing connection may have the port.
		var again func() error
		if _, again, err = launch("-addr", host); err == nil {
			stop = again
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	connected()
	// Each is a member again when it is told that it is there; the last one knows of itself.
	for _, p := range tabs {
		p.until(`(() => {
			const name = document.querySelector("#name").textContent;
			return [...document.querySelectorAll("#log .note")].filter((n) => n.textContent === name + " is here").length === 2;
		})()`)
	}
	tabs[0].say("back again")
	for _, p := range tabs {
		p.until(`[...document.querySelectorAll("#log div")].at(-1).textContent.endsWith(": back again")`)
	}
}

// tab is one page.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func open(t *testing.T, browser context.Context, url string) tab {
	t.Helper()
	ctx, _ := chromedp.NewContext(browser)
	p := tab{t, ctx}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.Navigate(url))
	return p
}

func (p tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// say types a message and sends it, as a person does.
func (p tab) say(text string) {
	p.t.Helper()
	p.do(chromedp.SendKeys(chromedp.CSS("#text"), text), chromedp.Click(chromedp.CSS("#form button")))
	p.until(`document.querySelector("#text").value === ""`)
}

// until waits for the JavaScript expression to become true.
func (p tab) until(expression string, args ...any) {
	p.t.Helper()
	if len(args) > 0 {
		expression = fmt.Sprintf(expression, args...)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if ok {
			return
		}
		if err != nil {
			text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			p.t.Fatalf("%v: this did not come true: %s\nThe page shows:\n%s", err, expression, text)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}
