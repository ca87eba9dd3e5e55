package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// bench runs the command until it ends by itself.
func bench(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	var out, err bytes.Buffer
	code = exitCode(run(ctx, append([]string{"bench"}, args...), stdio{strings.NewReader(""), &out, &err}))
	if ctx.Err() != nil {
		t.Fatalf("it went on and on: %s", err.String())
	}
	return code, out.String(), err.String()
}

func TestBench(t *testing.T) {
	url := "ws://" + serve(t).host + "/echo"
	dir := t.TempDir()
	page, a, b := filepath.Join(dir, "r.html"), filepath.Join(dir, "a.json"), filepath.Join(dir, "b.json")
	code, stdout, stderr := bench(t, url, "-c", "8", "-d", "1100ms", "--warmup=0s", "--sources=3", "--size=10:3,200:1", "--html", page, "--json", a)
	if code != exitDone || !regexp.MustCompile(`(?s)^scenario +echo, 8 connections, closed loop with 1 in flight, 10:3,200:1 bytes\n.*\nmessages +\d+ came back, .*\nerrors +none\nCPU +generator `).MatchString(stdout) {
		t.Errorf("exit status %d: %s\n%s", code, stderr, stdout)
	}
	if !regexp.MustCompile(`(?m)^ +\d+s: 8 open, \d+/s, p50 \S+, p99 \S+, no errors\n`).MatchString(stderr) {
		t.Errorf("its progress is %q", stderr)
	}
	if p, err := os.ReadFile(page); err != nil || !bytes.Contains(p, []byte("messages a second")) {
		t.Errorf("the page: %v", err)
	}
	if code, _, stderr := bench(t, "run", url, "-q", "--rate=500", "-d", "1100ms", "--warmup=0s", "--json", b); code != exitDone || stderr != "" {
		t.Errorf("an open loop: exit status %d: %s", code, stderr)
	}
	code, stdout, stderr = bench(t, url, "-q", "-c2", "-d", "300ms", "--warmup=0s", "--size=1000", "--compress=takeover")
	if code != exitDone || !regexp.MustCompile(`1000 bytes, compressed \(takeover\)\n(?s:.*)\ncompression \d+ messages went compressed, at [2-4]\d\.\d% of their size; 100% came back compressed, at [2-5]\d`).MatchString(stdout) {
		t.Errorf("with compression: exit status %d: %s\n%s", code, stderr, stdout)
	}
	if code, _, stderr := bench(t, "ws://"+serve(t).host+"/chat", "-q", "--compress=no-takeover", "-d", "300ms"); code != exitFailed || !strings.Contains(stderr, "declined compression") {
		t.Errorf("declined: exit status %d: %s", code, stderr)
	}
	code, stdout, stderr = bench(t, "compare", a, b)
	if code != exitDone || !strings.Contains(stdout, "The runs differ in connections: 8 and 1.") || !strings.Contains(stdout, "latency p99") {
		t.Errorf("compare: exit status %d: %s\n%s", code, stderr, stdout)
	}
}

func TestBenchFindsFaults(t *testing.T) {
	code, stdout, stderr := bench(t, shouting(t), "-q", "-d", "5s")
	if code != exitFaulty || !strings.Contains(stdout, "came back changed") || !strings.Contains(stderr, "there were errors, or messages were lost") {
		t.Errorf("exit status %d: %s\n%s", code, stderr, stdout)
	}
}

func TestBenchSources(t *testing.T) {
	ln := listenLoopback(t)
	var mu sync.Mutex
	seen := map[string]int{}
	srv := &ws.Server{Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		mu.Lock()
		defer mu.Unlock()
		host, _, _ := net.SplitHostPort(r.RemoteAddr().String())
		seen[host]++
		return ws.HandlerFunc(func(*ws.Conn, ws.MessageType, []byte) {}), nil, nil
	}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(ln)
	}()
	code, _, stderr := bench(t, "ws://"+ln.Addr().String()+"/", "-q", "--scenario=idle", "--connections=9", "--sources=3", "--duration=10ms", "--warmup=0s")
	srv.Close()
	<-done
	if code != exitDone || len(seen) != 3 || seen["127.0.0.1"] != 3 || seen["127.0.0.3"] != 3 {
		t.Errorf("exit status %d: %s; it came from %v", code, stderr, seen)
	}
}
