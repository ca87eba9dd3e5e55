package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/ws"
)

// wasmPage runs the program of ws/testdata/browser. When that is done, the page
// sees to it that what listened to WebSockets was taken away, and that Go has
// forgotten it: it complains when it is called.
const wasmPage = `<!DOCTYPE html>
<title>package ws in a browser</title>
<link rel="icon" href="data:,">
<script src="wasm_exec.js"></script>
<script>
const transcript = [];
const listeners = new Set();
let listening = 0;
const { addEventListener, removeEventListener } = EventTarget.prototype;
WebSocket.prototype.addEventListener = function (name, listener) {
	listeners.add(listener);
	listening += 1;
	addEventListener.call(this, name, listener);
};
WebSocket.prototype.removeEventListener = function (name, listener) {
	listening -= 1;
	removeEventListener.call(this, name, listener);
};
const finished = () => {
	const { error } = console;
	let complaints = 0;
	console.error = () => { complaints += 1; };
	for (const listener of listeners) listener(new Event("released"));
	console.error = error;
	const well = listening === 0 && listeners.size > 10 && complaints === listeners.size;
	transcript.push((well ? "ok" : "FAILED") + ": listeners are removed and released");
	if (!well) transcript.push([listening, listeners.size, complaints].join());
	globalThis.done = true;
};
Object.assign(globalThis, { transcript, finished });
const go = new Go();
WebAssembly.instantiateStreaming(fetch("main.wasm"), go.importObject).then(({ instance }) => go.run(instance)).then(() => {
	if (!globalThis.done) throw new Error("the program has ended too early");
}).catch((error) => {
	transcript.push("FAILED: " + error);
	globalThis.done = true;
});
</script>
`

// wasmChecks is how many lines a run leaves that finds nothing wrong.
const wasmChecks = 32

// peer is what the program in the browser connects to: how it behaves depends on
// the door. The program asks over HTTP what a peer with a key has seen.
type peer struct {
	door     string
	query    url.Values
	released chan struct{} // a peer at /stall, /mute or /hang goes on
	closed   chan struct{}
	how      string // how it was closed; set before closed is
	count    atomic.Int64
}

func (p *peer) Opened(c *ws.Conn) {
	switch p.door {
	case "/close":
		code, _ := strconv.Atoi(p.query.Get("code"))
		c.Close(ws.StatusCode(code), p.query.Get("reason"))
	case "/burst":
		for i := range 3 {
			c.Write(context.Background(), ws.Text, fmt.Appendf(nil, "burst %d", i))
		}
		c.Close(ws.StatusNormalClosure, "done")
	case "/break":
		c.CloseNow()
	case "/mute":
		<-p.released
	case "/big":
		size, _ := strconv.Atoi(p.query.Get("size"))
		c.Write(context.Background(), ws.Binary, make([]byte, size))
	}
}

func (p *peer) Message(c *ws.Conn, typ ws.MessageType, data []byte) {
	p.count.Add(1)
	switch {
	case p.door == "/stall":
		<-p.released
	case string(data) == "bye":
		c.Close(ws.StatusGoingAway, "bye")
	default:
		c.Write(context.Background(), typ, data)
	}
}

func (p *peer) Closed(c *ws.Conn, err error) {
	ce := err.(*ws.CloseError)
	p.how = fmt.Sprintf("%s %d %q", ce.By, ce.Code, ce.Reason)
	close(p.closed)
}

// peers finds the peers by their keys.
type peers struct {
	mu    sync.Mutex
	byKey map[string]*peer
}

func (ps *peers) get(key string) *peer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.byKey[key]
	if p == nil {
		p = &peer{released: make(chan struct{}), closed: make(chan struct{})}
		if key != "" {
			ps.byKey[key] = p
		}
	}
	return p
}

// accept lets the program in by any door but /nowhere.
func (ps *peers) accept(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
	query := r.Query()
	p := ps.get(query.Get("key"))
	switch r.Path() {
	case "/nowhere":
		return nil, nil, nil
	case "/hang":
		<-p.released
		return nil, nil, nil
	}
	p.door, p.query = r.Path(), query
	return p, &ws.AcceptOptions{Subprotocols: []string{"chat"}}, nil
}

// ServeHTTP tells the program what a peer has seen, or lets it go on.
func (ps *peers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := ps.get(r.URL.Query().Get("key"))
	switch r.URL.Path {
	case "/release":
		ps.release(p)
	case "/closed":
		select {
		case <-p.closed:
			fmt.Fprint(w, p.how)
		case <-r.Context().Done():
		}
	case "/count":
		fmt.Fprint(w, p.count.Load())
	}
}

func (ps *peers) release(p *peer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	select {
	case <-p.released:
	default:
		close(p.released)
	}
}

func (ps *peers) releaseAll() {
	ps.mu.Lock()
	all := make([]*peer, 0, len(ps.byKey))
	for _, p := range ps.byKey {
		all = append(all, p)
	}
	ps.mu.Unlock()
	for _, p := range all {
		ps.release(p)
	}
}

// TestWSInBrowser builds a program with GOOS=js that tries package ws from
// inside, runs it in Chromium against a ws.Server, and reads its transcript.
func TestWSInBrowser(t *testing.T) {
	dir := t.TempDir()
	goTool := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
		cmd.Stderr = t.Output()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	program := filepath.Join(dir, "main.wasm")
	goTool("vet", "../../ws/...", "../../client/callback", "../../ws/testdata/browser")
	goTool("build", "-o", program, "../../ws/testdata/browser")
	wasmExec := filepath.Join(goTool("env", "GOROOT"), "lib", "wasm", "wasm_exec.js")

	all := &peers{byKey: map[string]*peer{}}
	mux := http.NewServeMux()
	mux.Handle("/", all)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, wasmPage)
	})
	mux.HandleFunc("/wasm_exec.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, wasmExec) })
	mux.HandleFunc("/main.wasm", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/wasm")
		http.ServeFile(w, r, program)
	})
	server := &ws.Server{Accept: all.accept, HTTP: mux}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		all.releaseAll()
		server.Close()
		<-done
	})

	p := open(t, browser(t), "the program's tab", "http://"+listener.Addr().String()+"/")
	// Each check has a bound of its own.
	for finished := false; !finished; {
		seen, err := chromedp.Run(p.ctx, chromedp.Evaluate[int]("transcript.length"))
		if err != nil {
			t.Fatal(err)
		}
		p.until("globalThis.done || transcript.length > %d", seen)
		finished, err = chromedp.Run(p.ctx, chromedp.Evaluate[bool]("!!globalThis.done"))
		if err != nil {
			t.Fatal(err)
		}
	}
	lines, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]string]("transcript"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		t.Log(line)
		if !strings.HasPrefix(line, "ok: ") {
			t.Error(line)
		}
	}
	if len(lines) != wasmChecks {
		t.Errorf("%d lines, want %d", len(lines), wasmChecks)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		t.Errorf("the page complained: %s", c)
	}
}
