package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws/wstest"
)

// adminHost is the admin address that a server has printed.
func (s *served) adminHost(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`  admin: http://(127\.0\.0\.1:\d+)/debug/pprof/\n`).FindStringSubmatch(s.out)
	if m == nil {
		t.Fatalf("it printed %q", s.out)
	}
	return m[1]
}

// get returns the status and the text of an answer, to one who has a key if that is given.
func get(t *testing.T, url string, key ...string) (int, string) {
	t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	ask, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range key {
		ask.Header.Set("Authorization", "Bearer "+k)
	}
	r, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// Profiles are on the admin address alone, and nowhere without one.
func TestAdminRoutes(t *testing.T) {
	s := serve(t, "--admin-addr", "127.0.0.1:0")
	main, admin := "http://"+s.host, "http://"+s.adminHost(t)
	for url, want := range map[string]string{
		admin + "/healthz":                       "200 ok\n",
		admin + "/readyz":                        "200 ready\n",
		admin + "/debug/pprof/":                  "200 <html>",
		admin + "/debug/pprof/goroutine?debug=1": "200 goroutine profile:",
		admin + "/debug/pprof/cmdline":           "404 ",
		admin + "/":                              "404 ",
		admin + "/chat/":                         "404 ",
		main + "/healthz":                        "200 ok\n",
		main + "/readyz":                         "200 ready\n",
		main + "/debug/pprof/":                   "404 ",
		main + "/debug/pprof/goroutine":          "404 ",
		main + "/debug/vars":                     "404 ",
	} {
		status, text := get(t, url)
		if got := fmt.Sprint(status, " ", text); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %.80q, want %q", url, got, want)
		}
	}
	if other := serve(t); strings.Contains(other.out, "admin") {
		t.Errorf("without the flag it printed %q", other.out)
	}
}

// A load balancer hears that a server drains as long as that lasts, and a supervisor that it lives.
func TestAdminWhileDraining(t *testing.T) {
	s := serve(t, "--admin-addr", "127.0.0.1:0", "--drain", "1h")
	admin := "http://" + s.adminHost(t)
	c := s.dial(t, "/echo", nil)
	s.stop()
	await(t, "to drain", func() string {
		if status, text := get(t, admin+"/readyz"); status != http.StatusServiceUnavailable || text != "draining\n" {
			return text
		}
		return ""
	})
	if status, _ := get(t, admin+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
	c.CloseNow()
	if err := <-s.done; err != nil {
		t.Error(err)
	}
}

// Before there is a store, a server is healthy and not ready.
func TestAdminWhileStarting(t *testing.T) {
	a, err := startAdmin(nil, "127.0.0.1:0", &readiness{}, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	for path, want := range map[string]string{"/healthz": "200 ok\n", "/readyz": "503 starting\n"} {
		if status, text := get(t, "http://"+a.addr.String()+path); fmt.Sprint(status, " ", text) != want {
			t.Errorf("%s: %d %q, want %q", path, status, text, want)
		}
	}
}

func TestAdminElsewhere(t *testing.T) {
	for addr, warns := range map[string]bool{"127.0.0.1:0": false, "[::1]:0": false, "0.0.0.0:0": true} {
		var log bytes.Buffer
		a, err := startAdmin(nil, addr, &readiness{}, http.NotFoundHandler(), slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		a.close()
		if strings.Contains(log.String(), "level=WARN") != warns {
			t.Errorf("%s: it logged %q", addr, log.String())
		}
	}
}

// A client that sends slowly, or reads nothing, is cut off.
func TestAdminCutsOffTheSlow(t *testing.T) {
	for name, tc := range map[string]struct {
		sends string
		slow  bool // more of the head comes now and then
		deaf  bool // it reads nothing
		after time.Duration
	}{
		"nothing":           {"", false, false, 5 * time.Second},
		"half a head":       {"GET /healthz HTTP/1.1\r\nHost: x\r\n", false, false, 5 * time.Second},
		"a head in dribs":   {"GET /healthz HTTP/1.1\r\nHost: x\r\n", true, false, 5 * time.Second},
		"half a body":       {"POST /debug/pprof/symbol HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n0x", false, false, 10 * time.Second},
		"and nothing again": {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", false, false, 60 * time.Second},
		"reads nothing":     {strings.Repeat("GET /debug/pprof/goroutine?debug=2 HTTP/1.1\r\nHost: x\r\n\r\n", 3), false, true, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := wstest.Listen(wstest.PipeOptions{Buffer: 1 << 10})
				server := newAdmin(&readiness{}, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
				gone := make(chan time.Time, 1)
				server.ConnState = connGone(gone)
				served := make(chan error, 1)
				go func() { served <- server.Serve(ln) }()
				began := time.Now()
				c, err := ln.DialContext(context.Background(), "tcp", "x:1")
				if err != nil {
					t.Fatal(err)
				}
				var peer sync.WaitGroup
				peer.Go(func() {
					_, err := io.WriteString(c, tc.sends)
					for tc.slow && err == nil {
						time.Sleep(time.Second)
						_, err = io.WriteString(c, "X: y\r\n")
					}
				})
				if !tc.deaf {
					peer.Go(func() { io.Copy(io.Discard, c) })
				}
				if took := (<-gone).Sub(began); took > tc.after+time.Second || took < tc.after {
					t.Errorf("cut off after %v, want %v", took, tc.after)
				}
				c.Close()
				server.Close()
				<-served
				peer.Wait()
			})
		})
	}
}

// connGone tells when a connection is closed.
func connGone(gone chan<- time.Time) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			gone <- time.Now()
		}
	}
}
