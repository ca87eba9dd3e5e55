package interop_test

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	devpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/interop/npmws"
)

// consoleKey opens the console of the server.
const consoleKey = "the-key-of-the-console-that-axe-looks-at"

// lively brings pages into states that have more to look at than the first one. What it returns must become true.
var lively = map[string]func(p *galleryPage) (done string){
	"chat": func(p *galleryPage) string {
		p.publish("chat:lobby", "chat", map[string]string{"text": strings.Repeat("a long message ", 40)}, 40)
		p.load()
		p.run(`const say = (text) => { document.querySelector("#text").value = text; document.querySelector("#composer").requestSubmit(); };
			say("mine"); say("x".repeat(2001))`)
		return `document.querySelector(".refused button") && document.querySelector("#messages .mine") && !document.querySelector("#older").hidden`
	},
	"cursors": func(p *galleryPage) string {
		p.until(`document.querySelector("#fish").style.length`)
		p.run(`const sea = document.querySelector("#sea"), { left, top, width, height } = sea.getBoundingClientRect();
			const [x, y] = ["--x", "--y"].map((axis) => document.querySelector("#fish").style.getPropertyValue(axis));
			sea.dispatchEvent(new PointerEvent("pointerdown", { clientX: left + x * width, clientY: top + y * height }))`)
		return `document.querySelector("#points .me b")?.textContent === "1" && !document.querySelector("#splash").getAnimations().length`
	},
	"console": func(p *galleryPage) string {
		p.run(`document.querySelector("#key").value = "` + consoleKey + `"; document.querySelector("#door").requestSubmit()`)
		return `!document.querySelector("#inside").hidden && document.querySelectorAll("#charts canvas").length === 8`
	},
	"recovery": func(p *galleryPage) string {
		p.until(`document.querySelector("#long li") && !document.querySelector("#hang-up").disabled`)
		p.run(`document.querySelector("#hang-up").click()`)
		return `document.querySelectorAll(".verdict.all").length === 2`
	},
}

// TestGalleryPages holds all pages of "tidewire serve" against axe-core, an accessibility checker that nobody here wrote, and
// against what every page has to be: its own, complete by keyboard, and as wide as the screen. It is here, and not
// beside the command, as axe comes from npm.
func TestGalleryPages(t *testing.T) {
	leakCheck(t)
	folder, err := npmws.Folder()
	must(t, err)
	axe, err := os.ReadFile(filepath.Join(folder, "node_modules", "axe-core", "axe.min.js"))
	must(t, err)
	url := serveTidewire(t)
	chromium := startChromium(t)
	files, err := filepath.Glob("../web/pages/*/index.html")
	must(t, err)
	names := []string{""}
	for _, file := range files {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	if len(names) < 2 {
		t.Fatal("there are no pages")
	}
	for _, name := range names {
		t.Run("page="+name, func(t *testing.T) {
			p := openPage(t, chromium, url, name)
			p.axe = string(axe)
			p.load()
			for look := 0; look < 2; look++ {
				for _, width := range []int64{390, 1280} {
					for _, scheme := range []string{"light", "dark"} {
						p.screen(width, scheme)
						p.accessible(fmt.Sprintf("%d px, %s, look %d", width, scheme, look))
					}
				}
				for _, width := range []int64{320, 390, 768, 1280} {
					p.screen(width, "light")
					if got := ask[int64](p, "document.documentElement.scrollWidth"); got > width {
						t.Errorf("on a screen of %d px it is %d px wide", width, got)
					}
				}
				p.tabStops()
				more := lively[name]
				if more == nil {
					break
				}
				if look == 0 {
					p.until(more(p))
				}
			}
			p.wellMade()
		})
	}
}

// serveTidewire runs "tidewire serve" until the test ends, and returns its URL.
func serveTidewire(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "tidewire.exe")
	build := exec.Command("go", "build", "-o", binary, "./cmd/tidewire")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	key := filepath.Join(t.TempDir(), "console.key")
	must(t, os.WriteFile(key, []byte(consoleKey), 0o600))
	cmd := exec.Command(binary, "serve", "--addr", "127.0.0.1:0", "--log-level", "warn", "--console-key-file", key)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	_, url, ok := strings.Cut(strings.TrimSpace(line), "serving on ")
	if !ok {
		t.Fatalf("it printed %q, %v", line, err)
	}
	return url
}

// galleryPage is a page of the gallery in a tab, and what it did.
type galleryPage struct {
	t    *testing.T
	ctx  context.Context
	url  string // the server's
	name string
	axe  string // the script

	mu       sync.Mutex
	faults   []string
	requests []string
}

// openPage opens a tab for a page.
func openPage(t *testing.T, chromium context.Context, url, name string) *galleryPage {
	t.Helper()
	ctx, _ := chromedp.NewContext(chromium)
	p := &galleryPage{t: t, ctx: ctx, url: url, name: name}
	must(t, chromedp.Do(ctx))
	t.Cleanup(func() { chromedp.Cancel(ctx) })
	follow(p, chromedp.Console(ctx), func(m chromedp.ConsoleMessage) {
		if m.Type != "log" {
			p.faults = append(p.faults, "it complained: "+m.Text)
		}
	})
	follow(p, chromedp.Events(ctx, network.RequestWillBeSent), func(e network.EventRequestWillBeSent) {
		p.requests = append(p.requests, e.Request.URL)
	})
	follow(p, chromedp.Events(ctx, network.WebSocketCreated), func(e network.EventWebSocketCreated) {
		p.requests = append(p.requests, "http"+strings.TrimPrefix(e.URL, "ws"))
	})
	follow(p, chromedp.Events(ctx, network.ResponseReceived), func(e network.EventResponseReceived) {
		if e.Response.Status >= 400 {
			p.faults = append(p.faults, fmt.Sprintf("%s: %d", e.Response.URL, e.Response.Status))
		}
	})
	do(p, network.Enable, network.EnableParams{})
	do(p, devpage.AddScriptToEvaluateOnNewDocument, devpage.AddScriptToEvaluateOnNewDocumentParams{
		Source: `addEventListener("securitypolicyviolation", (e) => console.error("violates " + e.violatedDirective + " by " + e.blockedURI))`,
	})
	return p
}

// load loads the page, and waits until it is connected, or asks for a key.
func (p *galleryPage) load() {
	p.t.Helper()
	path := p.name
	if path != "" {
		path += "/"
	}
	must(p.t, chromedp.Do(p.ctx, chromedp.Navigate(p.url+path)))
	p.until(`!document.querySelector("#state") || document.querySelector("#state.open") || document.querySelector("#door")?.hidden === false`)
	p.run(p.axe)
}

// follow has f called, one call at a time, with what comes while the tab is open.
func follow[E any](p *galleryPage, events iter.Seq2[E, error], f func(E)) {
	go func() {
		for e, err := range events {
			if err != nil {
				return
			}
			p.mu.Lock()
			f(e)
			p.mu.Unlock()
		}
	}()
}

// do sends a command to the tab.
func do[P, R any](p *galleryPage, command cdp.Command[P, R], params P) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	_, err := chromedp.Call(ctx, command, params)
	must(p.t, err)
}

// ask returns the value of an expression, or what it promises.
func ask[T any](p *galleryPage, js string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%v: %.300s", err, js)
	}
	return v
}

// run runs a script.
func (p *galleryPage) run(js string) {
	p.t.Helper()
	ask[bool](p, "(() => {\n"+js+"\nreturn true; })()")
}

// until waits for an expression to become true.
func (p *galleryPage) until(js string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !ask[bool](p, "!!("+js+")"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("this did not come true: %s\nThe page shows:\n%.2000s", js, ask[string](p, "document.body.innerText"))
		}
	}
}

// publish has another guest publish something to a room of the server, so many times.
func (p *galleryPage) publish(room, typ string, data any, times int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, p.url+"live", nil)
	must(p.t, err)
	r, err := c.Room(room, nil)
	must(p.t, err)
	for range times {
		_, err := r.Send(ctx, typ, data)
		must(p.t, err)
	}
	must(p.t, c.Close(ctx))
}

// screen shows the page as a screen of that width does, to somebody who prefers light or dark.
func (p *galleryPage) screen(width int64, scheme string) {
	p.t.Helper()
	do(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	must(p.t, chromedp.Do(p.ctx, chromedp.EmulateViewport(width, 844)))
	p.until(fmt.Sprintf(`innerWidth === %d && matchMedia("(prefers-color-scheme: %s)").matches`, width, scheme))
}

// accessible has axe-core look at the page.
func (p *galleryPage) accessible(when string) {
	p.t.Helper()
	found := ask[[]string](p, `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations
		.filter(({ impact }) => impact === "serious" || impact === "critical")
		.flatMap(({ id, impact, nodes }) => nodes.map((n) => [impact, id, n.target.join(" "), n.failureSummary].join(": "))))`)
	for _, fault := range found {
		p.t.Errorf("%s: %s", when, fault)
	}
}

// tabStops presses Tab until it has been everywhere: each thing that can have the focus must get it, and look as if it had.
func (p *galleryPage) tabStops() {
	p.t.Helper()
	p.run(`
		window.look = (node) => {
			const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor, backgroundColor } = getComputedStyle(node);
			return [outlineStyle === "none" ? "" : outlineWidth + outlineColor, boxShadow, borderColor, backgroundColor].join();
		};
		document.activeElement.blur();
		window.stops = new Map();
		for (const node of document.querySelectorAll("a[href], button, input, select, textarea, summary, video[controls], audio[controls], [tabindex], [contenteditable]")) {
			const inGroup = node.type === "radio" && node !== (document.querySelector("[name=" + node.name + "]:checked") ?? document.querySelector("[name=" + node.name + "]"));
			if (node.checkVisibility({ visibilityProperty: true }) && !node.disabled && node.tabIndex >= 0 && !inGroup) stops.set(node, look(node));
		}`)
	n := ask[int](p, "stops.size")
	if n == 0 {
		p.t.Error("nothing can have the focus")
	}
	for range 2*n + 20 {
		for _, typ := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
			do(p, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: typ, Key: "Tab", Code: "Tab", WindowsVirtualKeyCode: 9, NativeVirtualKeyCode: 9})
		}
		fault := ask[string](p, `(() => {
			const node = document.activeElement;
			const before = stops.get(node);
			stops.delete(node);
			return before === undefined || look(node) !== before ? "" : node.outerHTML.slice(0, 120);
		})()`)
		if fault != "" {
			p.t.Errorf("it does not look as if it had the focus: %s", fault)
		}
		if ask[bool](p, `[...stops.keys()].every((node) => !node.isConnected)`) {
			return
		}
	}
	p.t.Errorf("Tab does not come to %s", ask[[]string](p, `[...stops.keys()].filter((node) => node.isConnected).map((node) => node.outerHTML.slice(0, 120))`))
}

// wellMade looks at what the page says of itself, and at what it did all the time.
func (p *galleryPage) wellMade() {
	p.t.Helper()
	for _, tc := range []string{
		`document.documentElement.lang === "en"`,
		`document.title.includes("Tidewire")`,
		`document.querySelectorAll("h1").length === 1`,
		`document.querySelectorAll("main").length === 1`,
		`document.querySelector("meta[name=description]").content.length > 10`,
		`document.querySelector("meta[name=viewport]").content.includes("width=device-width")`,
	} {
		if !ask[bool](p, tc) {
			p.t.Errorf("not so: %s", tc)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fault := range p.faults {
		p.t.Error(fault)
	}
	for _, url := range p.requests {
		if !strings.HasPrefix(url, p.url) && !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "blob:"+p.url) {
			p.t.Errorf("it asks for %s", url)
		}
	}
	if len(p.requests) < 3 {
		p.t.Errorf("only %d requests were seen", len(p.requests))
	}
}
