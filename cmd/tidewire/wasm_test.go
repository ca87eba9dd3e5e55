package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// wasmPage runs a program. When that is done, the page
// sees to it that what listened to WebSockets was taken away, and that Go has
// forgotten it: it complains when it is called.
const wasmPage = `<!DOCTYPE html>
<title>Go in a browser</title>
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

// goForBrowsers runs the go command with GOOS=js.
func goForBrowsers(t *testing.T, args ...string) string {
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

// serveWasm builds a program with GOOS=js, and serves its page.
func serveWasm(t *testing.T, mux *http.ServeMux, dir string) {
	program := filepath.Join(t.TempDir(), "main.wasm")
	goForBrowsers(t, "build", "-o", program, dir)
	wasmExec := filepath.Join(goForBrowsers(t, "env", "GOROOT"), "lib", "wasm", "wasm_exec.js")
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, wasmPage)
	})
	mux.HandleFunc("/wasm_exec.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, wasmExec) })
	mux.HandleFunc("/main.wasm", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/wasm")
		http.ServeFile(w, r, program)
	})
}

// runWasm opens the page and reads the program's transcript: checks is how many lines
// it has when nothing is wrong.
func runWasm(t *testing.T, origin string, checks int) {
	p := open(t, browser(t), "the program's tab", origin+"/")
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
	if len(lines) != checks {
		t.Errorf("%d lines, want %d", len(lines), checks)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		t.Errorf("the page complained: %s", c)
	}
}
