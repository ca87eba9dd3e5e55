package interop_test

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// page talks to the server that it came from, and says how it went.
const page = `<!doctype html><title>interop</title><script>
const open = (path) => new Promise((resolve, reject) => {
  const s = new WebSocket('ws://' + location.host + path, ['interop']);
  s.binaryType = 'arraybuffer';
  s.inbox = [];
  s.waiting = [];
  s.onmessage = (e) => s.waiting.length ? s.waiting.shift()(e.data) : s.inbox.push(e.data);
  s.next = () => s.inbox.length ? Promise.resolve(s.inbox.shift()) : new Promise((r) => s.waiting.push(r));
  s.over = new Promise((r) => s.onclose = (e) => r({ code: e.code, reason: e.reason, clean: e.wasClean }));
  s.onopen = () => resolve(s);
  s.onerror = () => reject(new Error('cannot open ' + path));
});
const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
async function echo(path) {
  const s = await open(path);
  const result = { extensions: s.extensions, protocol: s.protocol, failed: [] };
  for (const n of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
    const text = 'ebb and flow 🌊 '.repeat(n / 17 + 1).slice(0, n).replace(/[\ud800-\udbff]$/, '.');
    s.send(text);
    if (await s.next() !== text) result.failed.push('text ' + n);
    const bytes = new Uint8Array(n).map((_, i) => i * 31 + (i >> 8));
    s.send(bytes);
    if (!same(new Uint8Array(await s.next()), bytes)) result.failed.push('binary ' + n);
  }
  // Many of the same kind, which a kept context shrinks.
  for (let i = 0; i < 200; i++) s.send(JSON.stringify({ type: 'tick', data: i }));
  for (let i = 0; i < 200; i++) if (JSON.parse(await s.next()).data !== i) result.failed.push('tick ' + i);
  s.close(4001, 'page says bye ⚓');
  result.over = await s.over;
  return result;
}
async function told(path) {
  const s = await open(path);
  return s.over;
}
</script>`

type over struct {
	Code   int
	Reason string
	Clean  bool
}

type echoed struct {
	Extensions, Protocol string
	Failed               []string
	Over                 over
}

// TestChromium: Chromium's WebSocket against both kinds of server. Chromium
// offers "permessage-deflate; client_max_window_bits". Its close event carries
// the reason of the frame that it received, not of the one that it sent.
func TestChromium(t *testing.T) {
	leakCheck(t)
	deflates := map[string]*deflate.Options{
		"off":         nil,
		"takeover":    {},
		"no takeover": {NoContextTakeover: true, PeerNoContextTakeover: true},
		"windows":     {WindowBits: 10, PeerWindowBits: 11},
	}
	ends := make(chan error, 16)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) })
	mux.Handle("/close", ws.HTTPHandler(func(_ context.Context, c *ws.Conn) error {
		return c.Close(4002, "server says bye ⚓")
	}, options(nil)))
	mux.Handle("/empty", ws.HTTPHandler(func(_ context.Context, c *ws.Conn) error {
		return c.Close(ws.StatusNoStatusRcvd, "")
	}, options(nil)))
	mux.Handle("/cut", ws.HTTPHandler(func(_ context.Context, c *ws.Conn) error {
		return c.CloseNow()
	}, options(nil)))
	srv := &ws.Server{HTTP: mux, Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		return echoHandler{ends}, options(deflates[r.Query().Get("z")]), nil
	}}
	for name, z := range deflates {
		mux.Handle("/accept/"+strings.ReplaceAll(name, " ", "-"), ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
			for m, err := range c.Messages(ctx) {
				if err != nil {
					ends <- err
					return err
				}
				if err := c.Write(ctx, m.Type, m.Data); err != nil {
					return err
				}
			}
			ends <- context.Cause(c.Context())
			return nil
		}, options(z)))
	}
	// Two ports: pages and Accept through net/http, and the Server's own listener.
	web := listenHTTP(t, false, mux)
	ln, served := listenTCP(t), make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	defer func() {
		srv.Close()
		if err := <-served; err != ws.ErrServerClosed {
			t.Error(err)
		}
	}()

	ctx := startChromium(t)
	t.Log(evaluate[string](t, ctx, "http"+strings.TrimPrefix(web, "ws"), "navigator.userAgent"))

	for name, z := range deflates {
		for where, path := range map[string]string{
			"http" + strings.TrimPrefix(web, "ws"): "/accept/" + strings.ReplaceAll(name, " ", "-"),
			"http://" + ln.Addr().String():         "/?z=" + strings.ReplaceAll(name, " ", "%20"),
		} {
			got := evaluate[echoed](t, ctx, where, fmt.Sprintf("echo(%q)", path))
			if len(got.Failed) > 0 || got.Protocol != "interop" || got.Over != (over{4001, "", true}) { // the answer echoes the code alone
				t.Errorf("%s%s: %+v", where, path, got)
			}
			if strings.HasPrefix(got.Extensions, "permessage-deflate") != (z != nil) {
				t.Errorf("%s: extensions %q", name, got.Extensions)
			}
			t.Logf("%s: %q", name, got.Extensions)
			err := await(t, ends)
			if ce, ok := err.(*ws.CloseError); !ok || ce.By != ws.Peer || ce.Code != 4001 || ce.Reason != "page says bye ⚓" {
				t.Errorf("the server was told %v", err)
			}
		}
	}
	for path, want := range map[string]over{
		"/close": {4002, "server says bye ⚓", true},
		"/empty": {1005, "", true},
		"/cut":   {1006, "", false},
	} {
		got := evaluate[over](t, ctx, "http"+strings.TrimPrefix(web, "ws"), fmt.Sprintf("told(%q)", path))
		if got != want {
			t.Errorf("%s: the page was told %+v, want %+v", path, got, want)
		}
	}
}

func options(z *deflate.Options) *ws.AcceptOptions {
	return &ws.AcceptOptions{ConnOptions: ws.ConnOptions{MaxMessage: 32 << 20, Compression: z}, Subprotocols: []string{"interop"}}
}

type echoHandler struct{ ends chan<- error }

func (echoHandler) Opened(*ws.Conn) {}
func (echoHandler) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	_ = c.Write(context.Background(), typ, p)
}
func (h echoHandler) Closed(_ *ws.Conn, err error) { h.ends <- err }

// startChromium starts a browser that ends with the test, with a fresh profile.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	if path, err := exec.LookPath("chromium"); err == nil {
		flags = append(flags, chromedp.ExecPath(path))
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), flags...)
	t.Cleanup(cancel)
	browser, _ := chromedp.NewContext(ctx)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("chromium does not start (./test at the top of the repository installs it): %v", err)
	}
	t.Cleanup(func() {
		bound, cancel := context.WithTimeout(browser, patience)
		defer cancel()
		if err := chromedp.Cancel(bound); err != nil {
			t.Errorf("chromium does not end: %v", err)
		}
	})
	return browser
}

// evaluate opens a page and waits for what an expression promises there.
func evaluate[T any](t *testing.T, browser context.Context, page, js string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(browser, patience)
	defer cancel()
	must(t, chromedp.Do(ctx, chromedp.Navigate(page)))
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	must(t, err)
	return v
}
