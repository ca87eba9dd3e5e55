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

	"github.com/tidewire/tidewire/live"
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
	if code, _, stderr := bench(t, "ws://"+serve(t).host+"/live", "-q", "--compress=no-takeover", "-d", "300ms"); code != exitFailed || !strings.Contains(stderr, "declined compression") {
		t.Errorf("declined: exit status %d: %s", code, stderr)
	}
	code, stdout, stderr = bench(t, "compare", a, b)
	if code != exitDone || !strings.Contains(stdout, "The runs differ in connections: 8 and 1.") || !strings.Contains(stdout, "latency p99") {
		t.Errorf("compare: exit status %d: %s\n%s", code, stderr, stdout)
	}
}

// Sessions of a real hub: nobody else's code than the hub's own says here what the protocol is.
func TestBenchLive(t *testing.T) {
	hub := live.NewHub(&live.Options{Limits: live.Limits{Rate: -1, AddressRate: -1}})
	hub.ConfigureRooms("room:*", live.RoomOptions{})
	hub.ConfigureRooms("kept:*", live.RoomOptions{History: 100})
	ln := listenLoopback(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		hub.Serve(ln)
	}()
	defer func() {
		hub.Close()
		<-done
	}()
	url := "ws://" + ln.Addr().String() + "/"
	page := filepath.Join(t.TempDir(), "r.html")
	for _, tc := range []struct{ args, plan string }{
		{"--rooms=4 --depth=8", "live, 40 connections in 4 rooms, closed loop with 8 in flight, 125 bytes"},
		{"--rooms=3 --publishers=2 --rate=300 --room-prefix=kept: --size=16:1,2000:1", "live, 40 connections in 3 rooms, 2 publishers in each, open loop of 300 messages a second, 16:1,2000:1 bytes"},
		{"--room-prefix=kept: --stall=5 --size=1000 --depth=4", "live, 40 connections in one room, of which 5 read nothing, closed loop with 4 in flight, 1000 bytes"},
	} {
		args := append(strings.Fields(tc.args), url, "-q", "--scenario=live", "-c40", "-d", "600ms", "--warmup=0s", "--html", page)
		code, stdout, stderr := bench(t, args...)
		if code != exitDone || !strings.HasPrefix(stdout, "scenario    "+tc.plan+"\n") ||
			!regexp.MustCompile(`(?s)\njoins +mean .*\npublished +\d+ messages, \d+/s\ndelivered +\d+ times, \d+/s, .*\nerrors +none\n.* per delivery`).MatchString(stdout) {
			t.Errorf("%s: exit status %d: %s\n%s", tc.args, code, stderr, stdout)
		}
	}
	if p, err := os.ReadFile(page); err != nil || !bytes.Contains(p, []byte("deliveries a second")) {
		t.Errorf("the page: %v", err)
	}
	if code, _, stderr := bench(t, url, "--scenario=live", "--rooms=2"); code != exitFailed || !strings.Contains(stderr, "too few for 2 rooms") {
		t.Errorf("one connection in two rooms: exit status %d: %s", code, stderr)
	}
	code, stdout, _ := bench(t, url, "-q", "--scenario=live", "--room-prefix=other:", "-c2", "-d", "1s")
	if code != exitFaulty || !strings.Contains(stdout, `2 × the server answered with the error "no-room"`) {
		t.Errorf("no such room: exit status %d: %s", code, stdout)
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
