package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// build makes the binary, as a user would.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "tidewire.exe")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// process is a tidewire binary that serves.
type process struct {
	cmd *exec.Cmd
	url string
}

// start runs the binary on addr and waits until it serves. On a given port it
// keeps trying: for a moment another program's outgoing connection may have it.
// A page gives the server up after three heartbeats and a second: more than a busy
// machine keeps a process waiting.
func start(t *testing.T, binary, addr string) *process {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		p := &process{cmd: exec.Command(binary, "serve", "--addr", addr, "--heartbeat", "2s")}
		p.cmd.Stderr = t.Output()
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.kill() })
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if _, url, ok := strings.Cut(lines.Text(), "serving on "); ok {
				p.url = url
			}
			if strings.HasPrefix(lines.Text(), "Press Ctrl-C") {
				return p
			}
		}
		p.kill()
		if time.Now().After(deadline) {
			t.Fatalf("nothing serves on %s", addr)
		}
	}
}

// kill ends the process as a crash would.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	}
}

// browser starts Chromium, and ends it with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], // a fresh user-data-dir is its default
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	if path, err := exec.LookPath("chromium"); err == nil {
		options = append(options, chromedp.ExecPath(path))
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	first, _ := chromedp.NewContext(ctx)
	if err := chromedp.Do(first); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	t.Cleanup(func() {
		bound, cancel := context.WithTimeout(first, patience)
		defer cancel()
		if err := chromedp.Cancel(bound); err != nil {
			t.Errorf("chromium does not end: %v", err)
		}
	})
	return first
}

// tab is one page, and what it complained about.
type tab struct {
	t    *testing.T
	name string
	ctx  context.Context

	mu         sync.Mutex
	complaints []string
}

func open(t *testing.T, browser context.Context, name, url string) *tab {
	t.Helper()
	ctx, _ := chromedp.NewContext(browser)
	p := &tab{t: t, name: name, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			// That the server is away is no fault of the page.
			if m.Type != "log" && !strings.Contains(m.Text, "WebSocket connection to") {
				p.mu.Lock()
				p.complaints = append(p.complaints, m.Text)
				p.mu.Unlock()
			}
		}
	}()
	p.do(chromedp.Navigate(url))
	return p
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// until waits for the JavaScript expression to become true.
func (p *tab) until(expression string, args ...any) {
	p.t.Helper()
	expression = fmt.Sprintf(expression, args...)
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
			p.t.Fatalf("%s: %v: this did not come true: %s\nThe page shows:\n%s", p.name, err, expression, text)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// pressEnter presses the key as a keyboard does. (SendKeys would also type the
// character, which a page that handles the key has prevented.)
func pressEnter(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
	for _, typ := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
		_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{
			Type: typ, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, NativeVirtualKeyCode: 13,
		})
		if err != nil {
			return chromedp.Void{}, err
		}
	}
	return chromedp.Void{}, nil
}

// selectAll marks what is in a text box, so that typing replaces it.
func selectAll(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).select()", selector))
}

// say types a message into the chat and sends it.
func (p *tab) say(text string) {
	p.t.Helper()
	p.do(chromedp.SendKeys(chromedp.CSS("#text"), text), pressEnter)
	p.until(`document.querySelector("#text").value === ""`)
}

// rename types a name.
func (p *tab) rename(name string) {
	p.t.Helper()
	p.do(selectAll("#name"), chromedp.SendKeys(chromedp.CSS("#name"), name+"\n"))
}

// here waits until the chat is open and shows these people.
func (p *tab) here(people string) {
	p.t.Helper()
	p.until(`document.querySelector("#chat .connection").dataset.state === "open" &&
		[...document.querySelectorAll(".people li")].map((li) => li.textContent).sort().join() === %q`, people)
}

// sees waits for a chat message, shown once, by another or (name "") confirmed as ours.
func (p *tab) sees(name, text string) {
	p.t.Helper()
	p.until(`(() => {
		const rows = [...document.querySelectorAll("#chat .said")].filter((row) => row.querySelector(".bubble").textContent === %q);
		return rows.length === 1 && rows[0].dataset.from === %q && !rows[0].dataset.pending && rows[0].querySelector("time");
	})()`, text, name)
}

// state waits for the state that a panel shows.
func (p *tab) state(panel, state, words string) {
	p.t.Helper()
	p.until(`document.querySelector("#%[1]s .connection").dataset.state === %[2]q &&
		document.querySelector("#%[1]s .pill").textContent === %[3]q`, panel, state, words)
}

// TestTwoTabs is the main job on real input: two tabs chat, the server is killed
// and comes back, and so do both tabs, by themselves; and they chat again.
func TestTwoTabs(t *testing.T) {
	binary := build(t)
	server := start(t, binary, "127.0.0.1:0")
	chromium := browser(t)
	ada := open(t, chromium, "Ada's tab", server.url)
	grace := open(t, chromium, "Grace's tab", server.url)
	tabs := []*tab{ada, grace}
	for _, p := range tabs {
		// If this is gone, the page was loaded anew.
		p.do(chromedp.Evaluate[chromedp.Void]("window.sameAsBefore = true"))
		p.until(`document.querySelectorAll(".people li").length === 2`)
	}
	ada.rename("Ada")
	grace.rename("Grace")
	ada.here("Ada (you),Grace")
	grace.here("Ada,Grace (you)")

	chat := func(round string) {
		t.Helper()
		hello := "Hello from Ada, " + round
		back := `<b>&amp; "hello" back</b>, ` + round
		ada.say(hello)
		for _, p := range tabs {
			p.sees(map[*tab]string{ada: "", grace: "Ada"}[p], hello)
		}
		grace.say(back)
		for _, p := range tabs {
			p.sees(map[*tab]string{ada: "Grace", grace: ""}[p], back)
			p.until(`!document.querySelector("#chat .log b")`)
		}
	}
	chat("before")
	ada.until(`document.querySelector("#chat .beats").textContent.startsWith("heartbeat ") &&
		document.querySelector("#chat .heart").classList.contains("beat")`)
	ada.echo()

	server.kill()
	for _, p := range tabs {
		p.state("chat", "waiting", "Waiting")
		p.state("echo", "waiting", "Waiting")
	}
	// What is typed now waits, visibly, and is not lost.
	ada.say("typed in the dark")
	ada.until(`document.querySelector("#chat [data-pending=queued] .bubble").textContent === "typed in the dark"`)
	// The echo console has no queue: it refuses, and keeps the text.
	ada.do(chromedp.SendKeys(chromedp.CSS("#payload"), "kept"), pressEnter)
	ada.until(`document.querySelector("#echo .note").textContent.startsWith("Not sent") &&
		document.querySelector("#payload").value.endsWith("kept")`)

	server = start(t, binary, strings.Trim(strings.TrimPrefix(server.url, "http:"), "/"))
	ada.here("Ada (you),Grace")
	grace.here("Ada,Grace (you)")
	ada.sees("", "typed in the dark")
	grace.sees("Ada", "typed in the dark")
	for _, p := range tabs {
		// The server keeps nothing beyond its own end, and the page says so.
		p.until(`document.querySelector("#chat .log").textContent.includes("the server has started anew")`)
	}
	chat("after")
	for _, p := range tabs {
		p.state("echo", "open", "Open")
		p.until(`document.querySelector("#echo .note").textContent === ""`)
		p.until("window.sameAsBefore")
	}
	ada.echo()

	// Ctrl-C: the server says goodbye to both, and ends well though they stay.
	server.cmd.Process.Signal(os.Interrupt)
	if err := server.cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	for _, p := range tabs {
		p.state("chat", "waiting", "Waiting")
		p.until(`document.querySelector("#chat .log").textContent.includes("Disconnected: this server is going (1012)")`)
		p.mu.Lock()
		for _, c := range p.complaints {
			t.Errorf("%s complained: %s", p.name, c)
		}
		p.mu.Unlock()
	}
}

// echo sends text and bytes through the echo console, and sees them come back.
func (p *tab) echo() {
	p.t.Helper()
	click := func(selector string) { p.t.Helper(); p.do(chromedp.Click(chromedp.CSS(selector))) }
	row := func(direction, typ, size, payload string) {
		p.t.Helper()
		p.until(`[...document.querySelectorAll("#echo .log .%s")].some((row) =>
			row.dataset.type === %q && row.querySelector(".size").textContent === %q &&
			row.querySelector(".payload").textContent === %q && row.querySelector("time") &&
			row.classList.contains("received") === row.querySelector(".took").textContent.endsWith(" ms"))`,
			direction, typ, size, payload)
	}
	click("#echo .clear")
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#echo [value=text]").click()`),
		selectAll("#payload"), chromedp.SendKeys(chromedp.CSS("#payload"), "<i>tide</i> é"))
	click("#echo button.primary[type=submit]")
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#echo [value=binary]").click()`),
		selectAll("#payload"), chromedp.SendKeys(chromedp.CSS("#payload"), "00 ff:80"), pressEnter)
	click("#echo [data-example=large]")
	for _, direction := range []string{"sent", "received"} {
		row(direction, "text", "14 B", "<i>tide</i> é")
		row(direction, "binary", "3 B", "00 ff 80")
		row(direction, "text", "1 MiB", strings.Repeat("tidewire ", 27)[:240]+" …")
	}
	// A wrong digit is named, and the text stays.
	p.do(selectAll("#payload"), chromedp.SendKeys(chromedp.CSS("#payload"), "0g"), pressEnter)
	p.until(`document.querySelector("#echo .note").textContent.includes("is not a hex digit") &&
		document.querySelector("#payload").value === "0g"`)
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#echo [value=text]").click()`),
		selectAll("#payload"), chromedp.SendKeys(chromedp.CSS("#payload"), "\b"))
}

// TestPageFitsScreens looks at the page as a phone, a tablet and a desk show it.
func TestPageFitsScreens(t *testing.T) {
	s := serve(t)
	p := open(t, browser(t), "the tab", "http://"+s.host+"/")
	p.state("echo", "open", "Open")
	p.until(`document.querySelectorAll(".people li").length === 1`)
	p.do(chromedp.EmulateViewport(1280, 800))
	// However much comes, the log keeps the latest rows, and stays at its end.
	p.do(chromedp.Evaluate[chromedp.Void](`(() => {
		const send = (form, box, times) => {
			for (let i = 1; i <= times; i += 1) {
				form.elements[box].value = String(i);
				form.requestSubmit();
			}
		};
		send(document.querySelector("#echo form"), "payload", 300);
		send(document.querySelector("#chat .composer"), "text", 20);
	})()`))
	p.until(`document.querySelector("#echo .totals").textContent.startsWith("300 sent · 300 received") &&
		document.querySelectorAll("#echo .log > *").length === 200 &&
		document.querySelector("#echo .log").lastElementChild.querySelector(".payload").textContent === "300"`)
	p.until(`document.querySelectorAll("#chat .tick").length === 20`)
	for _, panel := range []string{"echo", "chat"} {
		p.until(`(() => {
			const log = document.querySelector("#%s .log");
			return log.scrollHeight > log.clientHeight && log.scrollHeight - log.scrollTop - log.clientHeight < 2;
		})()`, panel)
	}
	visible := func(panel string) string {
		return fmt.Sprintf("document.querySelector(%q).getClientRects().length > 0", panel)
	}
	for _, screen := range []struct {
		width, height int64
		both          bool
	}{{320, 568, false}, {390, 844, false}, {820, 1180, true}, {1280, 800, true}, {1920, 1080, true}} {
		for _, view := range []string{"chat", "echo"} {
			p.do(chromedp.EmulateViewport(screen.width, screen.height),
				chromedp.Evaluate[chromedp.Void](fmt.Sprintf("location.hash = %q", view)))
			p.until("innerWidth === %d && document.body.dataset.view === %q", screen.width, view)
			p.until(visible("#"+view) + " && " + visible("#"+view+" .composer button"))
			other := map[string]string{"chat": "echo", "echo": "chat"}[view]
			p.until("(%s) === %t", visible("#"+other), screen.both)
			// Nothing sticks out, and the page itself does not scroll: a link to a
			// panel must not push the strip on top out of sight.
			p.until(`document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight &&
				document.querySelector(".top").getBoundingClientRect().top === 0`)
			p.until(`[...document.querySelectorAll("button, input, textarea, .pill")].every((node) => {
				const { left, right, width } = node.getBoundingClientRect();
				return width === 0 || node.closest(".examples") || left >= 0 && right <= innerWidth;
			})`)
		}
	}
}

// TestBackButton leaves the page and comes back, from the browser's memory if it
// kept the page there: it said goodbye, and it connects again.
func TestBackButton(t *testing.T) {
	s := serve(t)
	url := "http://" + s.host + "/"
	p := open(t, browser(t), "the tab", url)
	other := &visitor{t, s.dial(t, "/chat", nil)}
	other.join()
	other.send(`{"type":"here","data":{"room":"room:lobby","name":"Other"}}`)
	p.until(`document.querySelectorAll(".people li").length === 2`)
	p.do(chromedp.Navigate(url + "style.css"))
	for names(other.until("people")) != "1 Other;" {
	}
	p.do(chromedp.Evaluate[chromedp.Void]("history.back()"))
	p.until(`document.querySelectorAll(".people li").length === 2`)
	p.state("echo", "open", "Open")
}
