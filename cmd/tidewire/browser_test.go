package main

import (
	"bufio"
	"context"
	"fmt"
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
func build(t testing.TB) string {
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
func start(t *testing.T, binary, addr string) *process {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		p := &process{cmd: exec.Command(binary, "serve", "--addr", addr)}
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

// browser returns Chromium: with a profile of the test's own in the one that the tests share, or, with flags, one for this test alone.
func browser(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	if len(flags) > 0 {
		own := &chromium{}
		t.Cleanup(func() {
			if err := own.end(); err != nil {
				t.Errorf("chromium does not end: %v", err)
			}
		})
		return own.start(t, flags...)
	}
	ctx, _ := chromedp.NewContext(everybodys.start(t), chromedp.WithNewBrowserContext())
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("its profile does not end: %v", err)
		}
	})
	return ctx
}

// everybodys is the Chromium that the tests share. It begins with the first that wants it, and TestMain ends it.
var everybodys chromium

// chromium is a process of Chromium.
type chromium struct {
	once  sync.Once
	first context.Context // nil until it runs
	err   error
	kill  context.CancelFunc
}

func (c *chromium) start(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	c.once.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:], // a fresh user-data-dir is its default
			chromedp.NoSandbox,
			chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true),
			chromedp.Flag("disable-component-update", true),
		)
		options = append(options, flags...)
		if path, err := exec.LookPath("chromium"); err == nil {
			options = append(options, chromedp.ExecPath(path))
		}
		var ctx context.Context
		ctx, c.kill = chromedp.NewExecAllocator(context.Background(), options...)
		c.first, _ = chromedp.NewContext(ctx)
		c.err = chromedp.Do(c.first)
	})
	if c.err != nil {
		t.Fatalf("chromium does not start: %v", c.err)
	}
	return c.first
}

func (c *chromium) end() error {
	if c.first == nil {
		return nil
	}
	defer c.kill()
	bound, cancel := context.WithTimeout(c.first, patience)
	defer cancel()
	return chromedp.Cancel(bound)
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
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("%s does not close: %v", name, err)
		}
	})
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

// end closes the tab.
func (p *tab) end() {
	p.t.Helper()
	if err := chromedp.Cancel(p.ctx); err != nil {
		p.t.Fatal(err)
	}
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
		if err != nil && (ctx.Err() != nil || !navigates(err)) {
			text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			p.t.Fatalf("%s: %v: this did not come true: %s\nThe page shows:\n%s", p.name, err, expression, text)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// navigates reports whether a page was asked something while another one, or the same anew, took its place.
func navigates(err error) bool {
	for _, says := range []string{"Inspected target navigated", "Execution context was destroyed", "Cannot find context"} {
		if strings.Contains(err.Error(), says) {
			return true
		}
	}
	return false
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

// eventually tries f until it returns no error.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ; <-ticker.C {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("this did not come true: %s: %v", what, err)
		}
	}
}
