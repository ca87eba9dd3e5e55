package conformance_test

import (
	"bufio"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// serveOn runs the peer as a server on a listener until the test ends.
func serveOn(t testing.TB, ln net.Listener, faults map[string]bool) {
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				(&peer{faults: faults, c: c, br: bufio.NewReaderSize(c, 16<<10)}).serve()
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		group.Wait()
	})
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// small keeps the volume of a run low enough for the race detector.
func small() *conformance.Runner {
	return &conformance.Runner{Volume: 4 << 10, Patience: 20 * time.Second, Timeout: 60 * time.Second, Grace: 5 * time.Second}
}

const fullOffer = "permessage-deflate; client_max_window_bits"

func runServer(t testing.TB, r *conformance.Runner, faults map[string]bool, globs ...string) []conformance.Result {
	t.Helper()
	ln := listen(t)
	serveOn(t, ln, faults)
	results, err := r.RunServer(context.Background(), "ws://"+ln.Addr().String()+"/", globs...)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func runClient(t testing.TB, r *conformance.Runner, faults map[string]bool, offer string, globs ...string) []conformance.Result {
	t.Helper()
	results, err := r.RunClient(context.Background(), nil, func(_ context.Context, url string) error {
		return visit(url, nil, faults, offer)
	}, globs...)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// passes fails the test for every result that is neither a pass nor allowed.
func passes(t *testing.T, results []conformance.Result, allowed map[string]conformance.Verdict) {
	t.Helper()
	for _, r := range results {
		if v, ok := allowed[r.ID]; r.Verdict != conformance.Pass && (!ok || v != r.Verdict) {
			t.Errorf("%s %s: %v: %s", r.ID, r.Title, r.Verdict, r.Reason)
		}
	}
}

// What the RFC leaves open.
var openQuestions = map[string]conformance.Verdict{
	"7.13.1": conformance.Informational, "7.13.2": conformance.Informational,
}

// heavy takes out the cases that move megabytes.
var heavy = []string{"-9.[1-6].[3-9]", "-1[23].?.9", "-1[23].?.1[0-8]", "-27.5.[23]", "-23.4.?"}

func TestSoundServer(t *testing.T) {
	t.Parallel()
	passes(t, runServer(t, small(), nil, heavyCases...), openQuestions)
}

func TestSoundClient(t *testing.T) {
	t.Parallel()
	passes(t, runClient(t, small(), nil, fullOffer, applicable(client, heavyCases)...), map[string]conformance.Verdict{
		"7.13.1": conformance.Informational, "7.13.2": conformance.Informational,
		// Those two need another offer, which follows.
		"26.5.13": conformance.Unsupported, "26.5.16": conformance.Unsupported,
	})
	const other = "permessage-deflate; server_max_window_bits=10; server_no_context_takeover; client_no_context_takeover"
	var windows = map[string]conformance.Verdict{}
	for _, c := range conformance.Cases() {
		if strings.Contains(c.Title, "client_max_window_bits") || c.ID == "26.5.7" {
			windows[c.ID] = conformance.Unsupported
		}
	}
	delete(windows, "26.5.13")
	passes(t, runClient(t, small(), nil, other, "26.[45].*", "27.3.[78]", "27.[124].*"), windows)
}
